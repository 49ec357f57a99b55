"""What a function writes: `logging` in FC's line format, `print` as it is.

Lines go out as they end, so that those before a timeout are not lost.
"""

import logging
import sys
import time

# The invocation that runs. The host calls an instance once at a time.
request_id = ""

# Where log lines go while standard output is a result.
stream = None


class LineFormatter(logging.Formatter):
    """`2026-11-21T07:00:00.000Z <request id> [LEVEL] message`"""

    def format(self, record):
        # The message, then traceback and stack, as logging.Formatter puts them.
        text = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            text = f"{text}\n{record.exc_text}"
        if record.stack_info:
            text = f"{text}\n{self.formatStack(record.stack_info)}"
        return line(record.levelname, text, record.created)


class StdoutHandler(logging.StreamHandler):
    """Writes to what `sys.stdout` is at that moment: tests and frameworks replace it."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self):
        return stream or sys.stdout


def line(level: str, text: str, created: float) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))
    return f"{seconds}.{int(created * 1000) % 1000:03d}Z {request_id} [{level}] {text}"


def write_line(level: str, text: str) -> None:
    """A line of the runtime's own, whatever the function did to `logging`."""
    print(line(level, text, time.time()), file=sys.__stdout__)


def install() -> None:
    handler = StdoutHandler()
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
