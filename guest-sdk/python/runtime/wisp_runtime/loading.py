"""A function's sources → a handler and hooks, and what they are."""

import ast
import inspect
import os
import sys

from wit_world.exports.loader import Description, HandlerKinds
from wit_world.imports import wasi_environment

from . import asgi, events, local_time, native_packages, network_guard, scripts, snapshot, sources, wsgi
from .failures import LoadError, NotInSnapshot
from .network_guard import NetworkGuard
from .references import Reference, ScriptReference, find_entry, parse, refer

WSGI_PARAMETERS = {"environ", "start_response"}
ASGI_PARAMETERS = ["scope", "receive", "send"]


class Program:
    """The loaded function. What is not evaluated yet is evaluated at the first call."""

    def __init__(self, source):
        self.source = source
        self.reference: Reference | ScriptReference | None = None
        self.hooks: dict[str, Reference] = {}
        self.resolved: dict = {}
        self.handler = None

    def load(self) -> Description:
        source = self.source
        sources.install(source.directory, {it.path: it.text for it in source.translated})
        snapshot.take_variables(wasi_environment.get_environment())
        snapshot.note_variables()
        if "TZ" in os.environ:
            local_time.tzset()
        sys.argv[:] = [""]
        os.chdir(source.directory)
        self.reference = refer(source.handler) if source.handler else find_entry()
        for name in ("initializer", "pre_freeze", "pre_stop", "after_restore"):
            if text := getattr(source, name):
                self.hooks[name] = Reference(text)
        if source.evaluate:
            with NetworkGuard():
                self.evaluate()
            if network_guard.refused_calls:
                # The sources went on without: what they made of it would be in every instance.
                raise NotInSnapshot(network_guard.refused_calls[0])
            style = self.handler.style
        else:
            style = self.guess_style()
        return self.describe(style)

    def evaluate(self) -> None:
        """Imports the modules, and finds out what the handler takes."""
        target = self.reference.resolve()
        hooks = {name: reference.resolve() for name, reference in self.hooks.items()}
        self.handler = make_handler(target, self.source)
        self.resolved = hooks

    def hook(self, name: str):
        """A hook of the function's, None if it has none."""
        if self.handler is None:
            self.evaluate()
        return self.resolved.get(name)

    def describe(self, style: str) -> Description:
        is_asgi = style == "asgi"
        return Description(
            kinds=HandlerKinds.EVENT if style in ("event", "script") else HandlerKinds.HTTP,
            style=style,
            initializer="initializer" in self.hooks or is_asgi,
            pre_freeze="pre_freeze" in self.hooks,
            pre_stop="pre_stop" in self.hooks or is_asgi,
            after_restore="after_restore" in self.hooks,
            warnings=warnings(),
        )

    def guess_style(self) -> str:
        """The style by the text of the handler's file, for sources that must not run yet."""
        if isinstance(self.reference, ScriptReference):
            return "script"
        path = self.reference.path()
        if path is None:
            self.reference.resolve()
        for statement in parse(path).body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == self.reference.name:
                names = [it.arg for it in statement.args.posonlyargs + statement.args.args]
                return style_of(names, isinstance(statement, ast.AsyncFunctionDef), self.source)
        # Not a function, so an application object.
        text = sources.tree.files[path]
        return "asgi" if any(it in text for it in (b"starlette", b"fastapi", b"asgi", b"quart")) else "wsgi"


def make_handler(target, source):
    """The adapter for a handler of the user's."""
    style = "script" if isinstance(target, scripts.Script) else style_of_object(target, source)
    adapters = {
        "event": events.EventHandler,
        "script": scripts.ScriptHandler,
        "wsgi": wsgi.WsgiHandler,
        "asgi": asgi.AsgiHandler,
    }
    adapter = adapters[style](target)
    adapter.style = style
    return adapter


def style_of_object(target, source) -> str:
    if not callable(target):
        kind = type(target).__name__
        message = f"Handler '{source.handler}' is a {kind}, neither a function nor an application"
        raise LoadError("HandlerNotFound", message)
    if inspect.isfunction(target) or inspect.ismethod(target):
        names = list(inspect.signature(target).parameters)
        return style_of(names, inspect.iscoroutinefunction(target), source)
    if source.kinds == HandlerKinds.EVENT:
        return "event"
    # An application object. ASGI's take three arguments and are coroutine functions.
    called = type(target).__call__ if not inspect.isclass(target) else target.__init__
    if inspect.iscoroutinefunction(called):
        return "asgi"
    try:
        names = list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        names = []
    if names[:1] == ["event"] and source.kinds != HandlerKinds.HTTP:
        return "event"
    return "asgi" if len(names) == 3 else "wsgi"


def style_of(names: list[str], is_async: bool, source) -> str:
    """The style of a function by the names of its parameters, unless the configuration says what it takes."""
    if source.kinds == HandlerKinds.EVENT:
        return "event"
    if is_async and (names[:3] == ASGI_PARAMETERS or source.kinds == HandlerKinds.HTTP):
        return "asgi"
    if WSGI_PARAMETERS & set(names) or source.kinds == HandlerKinds.HTTP:
        return "wsgi"
    return "event"


def warnings() -> list[str]:
    tree = sources.tree
    found = []
    for base in tree.native.values():
        top = top_directory(base)
        if top in native_packages.known:
            found.append(native_packages.describe(top))
    return list(dict.fromkeys(found))


def top_directory(path: str) -> str:
    """The package that a native file belongs to."""
    for directory in sorted(sources.tree.search_path(), key=len, reverse=True):
        if path.startswith(f"{directory}/"):
            return path.removeprefix(f"{directory}/").partition("/")[0].partition(".")[0]
    return ""
