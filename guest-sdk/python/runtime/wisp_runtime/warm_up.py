"""Runs the runtime's own paths before the component is finished.

CPython rewrites code that ran a few times into faster instructions. Done here, the rewritten code is in the component,
and no instance writes to those pages: it is what halves a cold start.
"""

import logging

from . import context, events, failures, logs, snapshot, wsgi

ROUNDS = 20

# As the host hands a request over.
CONTEXT = ("warm-up", "0", "")
REQUEST = ("GET", "/", "/?a=1", "127.0.0.1", "1", "a", "1")
HEADERS = ("host", "localhost", "cookie", "a=1", "accept", "*/*", "user-agent", "warm-up")
HEAD = "\xff".join(CONTEXT + REQUEST + HEADERS).encode("latin-1")


def run(program, event_entry, http_entry) -> None:
    """With what the host calls, which calls the handler of `program`."""
    handlers = [events.EventHandler(lambda event, _: event), events.EventHandler(lambda event, _: {"a": [1, "b"]})]
    web = wsgi.WsgiHandler(application)
    for _ in range(ROUNDS):
        given = context.Context("warm-up", 0, 0, None)
        snapshot.take_variables([("FC_REGION", "local")])
        for program.handler in handlers:
            event_entry.handle(b"{}", given)
        program.handler = web
        http_entry.handle(HEAD, b"")
        logs.LineFormatter().format(logging.makeLogRecord({"msg": "%s", "args": ("warm-up",), "levelname": "INFO"}))
        try:
            handlers[0].function()
        except TypeError as error:
            failures.encode(failures.document(error))
    snapshot.take_variables([])
    web.renew()


def application(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"warm-up"]
