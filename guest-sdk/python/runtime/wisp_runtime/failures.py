"""How a function fails: the error document that the caller reads, and the traceback in the log."""

import json
import linecache
import sys
import traceback

from componentize_py_types import Err
from wit_world.imports.wisp_function_types import Failure, FailureKind

from . import logs, native_packages

OWN_DIRECTORY = __file__.rpartition("/")[0]


class LoadError(Exception):
    """Sources that cannot be loaded. `error_type` is what the document says."""

    def __init__(self, error_type: str, message: str):
        super().__init__(message)
        self.error_type = error_type


class NotInSnapshot(Exception):
    """Sources that are fine, but did what cannot become part of a snapshot: they must run in each instance."""


def raised(error: BaseException) -> Err:
    """The failure that tells of an exception. Its traceback goes to the log, but for what the host can cure."""
    if isinstance(error, NotInSnapshot):
        told = {"errorMessage": str(error), "errorType": "NotInSnapshot"}
        return Err(Failure(FailureKind.HANDLED, encode(told)))
    try:
        remember_lines(error)
        error = hinted(error)
        log(error)
        told = document(error)
    except Exception as inner:
        # An exception whose own methods fail. Anything but `Err` would end the instance.
        reason = f"its error cannot be told: {type(inner).__name__}"
        told = {"errorMessage": reason, "errorType": type(error).__name__, "stackTrace": []}
    return Err(Failure(FailureKind.UNHANDLED, encode(told)))


def encode(told: dict) -> str:
    text = json.dumps(told, indent=4, sort_keys=True, ensure_ascii=False, default=str)
    # Half a character, as in names of files that are not UTF-8, has no form in the document.
    return text.encode(errors="replace").decode()


def document(error: BaseException) -> dict:
    """`errorMessage`, `errorType` and `stackTrace` as FC's Python runtimes have them; `cause` in addition."""
    if isinstance(error, LoadError):
        told = {"errorMessage": str(error), "errorType": error.error_type}
        if error.__cause__ is not None:
            told["stackTrace"] = load_trace(error.__cause__)
        return told
    if isinstance(error, SystemExit):
        message = f"the function called sys.exit({error.code!r}); return from the handler instead"
        return {"errorMessage": message, "errorType": "SystemExit", "stackTrace": frames(error)}
    told = {"errorMessage": message_of(error), "errorType": type(error).__name__, "stackTrace": frames(error)}
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        told["cause"] = document(earlier)
    return told


def message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as inner:
        return f"<the message cannot be told: {type(inner).__name__}>"


def load_trace(error: BaseException) -> list:
    if isinstance(error, SyntaxError):
        return [line.rstrip("\n") for line in traceback.format_exception_only(error)]
    return frames(error)


def frames(error: BaseException) -> list[list[str]]:
    """One list a frame, outermost first, without the runtime's own."""
    told = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if not is_own(code.co_filename):
            text = linecache.getline(code.co_filename, line).strip()
            told.append([f'File "{code.co_filename}"', f"line {line}", f"in {code.co_name}", text])
    return told


def is_own(filename: str) -> bool:
    """Whether a frame is the runtime's, or of the import system: of no use to who reads a traceback."""
    return filename.startswith((OWN_DIRECTORY, "<frozen importlib", "/python/importlib/"))


def remember_lines(error: BaseException) -> None:
    """Shows tracebacks the lines that were loaded, and spares a look for files that an instance does not have."""
    from .sources import tree

    for each in chain(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            name = frame.f_code.co_filename
            if name not in linecache.cache and (lines := tree.lines(name)) is not None:
                linecache.cache[name] = (len(tree.files[name]), None, lines, name)


def chain(error: BaseException | None):
    """The error and all that led to it."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def hinted(error: BaseException) -> BaseException:
    """Says at an import error what is known about the package."""
    for each in chain(error):
        if isinstance(each, ImportError) and (hint := native_packages.hint(each)):
            message = f"{message_of(error)}. {hint}" if hint not in message_of(error) else message_of(error)
            if isinstance(error, ImportError):
                error.msg = message
            error.args = (message, *error.args[1:])
            break
    return error


def log(error: BaseException) -> None:
    text = f"{error.error_type}: {error}" if isinstance(error, LoadError) else ""
    told = error.__cause__ if text else error
    if told is not None:
        trace = without_own_frames(traceback.TracebackException.from_exception(told))
        text = "\n".join(it for it in (text, "".join(trace.format()).rstrip("\n")) if it)
    logs.write_line("ERROR", text)
    sys.stdout.flush()


def without_own_frames(trace: traceback.TracebackException) -> traceback.TracebackException:
    for each in (trace, trace.__cause__, trace.__context__):
        if each is not None:
            each.stack = traceback.StackSummary.from_list([it for it in each.stack if not is_own(it.filename)])
    return trace
