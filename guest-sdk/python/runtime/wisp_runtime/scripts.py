"""Scripts: a file that is run as `__main__` for each event, as in a custom container without a web server.

The event is in a variable of the environment, what the script writes to standard output is the result, and it must end
well. Modules that it imports stay loaded between two runs; the script's own names do not.
"""

import io
import os
import sys
import types

from . import logs

EVENT_VARIABLE = "FC_CUSTOM_CONTAINER_EVENT"


class ExitCode(Exception):
    """A script that said that it failed."""


class Script:
    """A compiled script."""

    def __init__(self, path: str, code):
        self.path = path
        self.code = code


class ScriptHandler:
    def __init__(self, script: Script):
        self.script = script

    def handle(self, event: bytes, context) -> bytes:
        text = event.decode()
        if "\0" in text:
            raise ValueError(f"a script gets its event in {EVENT_VARIABLE}, which cannot hold NUL")
        os.environ[EVENT_VARIABLE] = text
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
        before = sys.stdout, sys.modules.get("__main__")
        sys.stdout = output
        logs.stream = sys.__stdout__
        try:
            self.run()
        finally:
            sys.stdout, sys.modules["__main__"] = before
            logs.stream = None
            del os.environ[EVENT_VARIABLE]
        return output.buffer.getvalue()

    def run(self) -> None:
        module = types.ModuleType("__main__")
        module.__file__ = self.script.path
        sys.modules["__main__"] = module
        try:
            exec(self.script.code, module.__dict__)
        except SystemExit as error:
            if error.code not in (None, 0):
                raise ExitCode(f"the script called sys.exit({error.code!r})") from None
