"""What the host calls: the exports of the world `wisp:python/python-runtime`.

Nothing but `Err` may leave these methods: any other exception ends the instance.
"""

import sys

import componentize_py_types
from wit_world.imports import wisp_function_types as types

from . import context

# The marshaller makes each call's context by this name, so no second object is made of it. It looks the name up when
# the component is made, right after this module was imported.
types.Context = context.Context

# What marks a result as one: of all types with a `value`, this is made with the fewest instructions. It is never raised.
componentize_py_types.Ok = StopIteration

from . import ssl_module, standard_library

# CPython has no TLS here; the standard library's clients look for this module when they are imported.
sys.modules["ssl"] = ssl_module
standard_library.preload()

from .request_texts import REST, SEPARATOR
from . import event_loop, failures, hashes, loading, local_time, logs, network_guard, outbound, patches, snapshot
from . import warm_up, zones

zones.pack()
standard_library.take_in()
logs.install()
event_loop.install()
patches.install()
outbound.install()
hashes.install()
zones.install()
local_time.install()

program: loading.Program | None = None
raised = failures.raised


def begin(context) -> None:
    logs.request_id = context.request_id
    if snapshot.is_parked:
        resume()


def resume() -> None:
    changed = snapshot.resume()
    handler = program.handler
    if hasattr(handler, "renew"):
        handler.renew(changed)


def evaluated():
    program.evaluate()
    return program.handler


class EventHandler:
    def handle(self, event, context):
        try:
            # As `begin` does: a call costs as much as the rest of this.
            logs.request_id = context.request_id
            if snapshot.is_parked:
                resume()
            return (program.handler or evaluated()).handle(event, context)
        except BaseException as error:
            raise raised(error) from None


class PackedHttpHandler:
    def handle(self, head, body):
        try:
            texts = head.decode("latin-1").split(SEPARATOR, REST)
            logs.request_id = texts[0]
            if snapshot.is_parked:
                resume()
            return (program.handler or evaluated()).handle(texts, body)
        except BaseException as error:
            raise raised(error) from None


def call_hook(name: str, context) -> None:
    try:
        begin(context)
        hook = program.hook(name)
        if name == "initializer" and hasattr(program.handler, "start"):
            program.handler.start()
        if hook is not None:
            event_loop.finish(hook(context))
        if name == "pre_stop" and hasattr(program.handler, "stop"):
            program.handler.stop()
    except BaseException as error:
        raise raised(error) from None


class Initializer:
    def initialize(self, context):
        call_hook("initializer", context)


class PreFreeze:
    def pre_freeze(self, context):
        call_hook("pre_freeze", context)


class PreStop:
    def pre_stop(self, context):
        call_hook("pre_stop", context)


class AfterRestore:
    def after_restore(self, context):
        call_hook("after_restore", context)


class Loader:
    def load(self, source):
        global program
        try:
            program = loading.Program(source)
            return program.load()
        except BaseException as error:
            if network_guard.refused_calls:
                error = failures.NotInSnapshot(network_guard.refused_calls[0])
            raise raised(error) from None

    def park(self):
        try:
            if hasattr(program.handler, "renew"):
                program.handler.renew()
            snapshot.park()
        except BaseException as error:
            raise raised(error) from None


program = loading.Program(None)
warm_up.run(program, EventHandler(), PackedHttpHandler())
program = None
