"""Runs the runtime's own paths before the component is finished.

CPython rewrites code that ran a few times into faster instructions. Done here, the rewritten code is in the component,
and no instance writes to those pages: it is what halves a cold start.
"""

import logging

from wit_world.imports import wisp_function_types as types

from . import context, events, failures, logs, snapshot, wsgi

ROUNDS = 20


HEADERS = [("host", "localhost"), ("cookie", "a=1"), ("accept", "*/*"), ("user-agent", "warm-up")]
REQUEST = ("GET", "/", "/?a=1", [], HEADERS, "127.0.0.1", b"")


def run() -> None:
    handlers = [events.EventHandler(lambda event, _: event), events.EventHandler(lambda event, _: {"a": [1, "b"]})]
    web = wsgi.WsgiHandler(application)
    for _ in range(ROUNDS):
        given = context.Context("warm-up", 0, 0, None)
        snapshot.take_variables([("FC_REGION", "local")])
        for handler in handlers:
            handler.handle(b"{}", given)
        web.handle(types.HttpRequest(*REQUEST), given)
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
