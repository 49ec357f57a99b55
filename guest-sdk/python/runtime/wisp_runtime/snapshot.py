"""What a snapshot cannot hold: let go of before it is taken, made anew in each instance that starts from it."""

import gc
import io
import os
import random
import socket
import sys

from wit_world.imports import wasi_environment

from . import local_time
from .context import instance
from .failures import NotInSnapshot

# Objects that Python may make before it looks for garbage: a call makes fewer, so most calls are not held up.
GARBAGE_THRESHOLD = 50_000

STANDARD_STREAMS = (0, 1, 2)

# Whether what an instance has of its own must be renewed at the next call.
is_parked = False


def park() -> None:
    """Gets ready for a snapshot. The C library's own descriptors are reset after this has returned: see the build.

    Raises NotInSnapshot, which names what is open.
    """
    global is_parked
    gc.collect()
    open_now = sorted({description for each in gc.get_objects() if (description := describe_open(each))})
    if open_now:
        raise NotInSnapshot(
            f"these are still open and would be lost: {'; '.join(open_now)}. Close them before the top level of the"
            " module ends, or open them in the handler"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    # A snapshot after the initializer has the variables of the instance that ran it.
    note_variables()
    forget_randomness()
    instance.forget()
    gc.collect()
    use_up_fragments()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 10, 10)
    is_parked = True


# More than a hole in a heap is expected to have.
LARGE = 1 << 20

# What takes the holes: a chain, because a list would have to grow.
taken = None


def use_up_fragments() -> None:
    """Takes the holes between the objects of the heap for good, so that what an instance makes lies side by side behind
    them. The allocator prefers holes, and each is on another page, of which the instance would have to make a copy.
    """
    global taken
    # An object's id is its address. This one is behind everything else, and is gone again at once.
    end = id(bytes(LARGE))
    size = LARGE // 2
    while size > 0:
        block = bytes(size)
        if id(block) < end:
            taken = (taken, block)
        else:
            # No hole is that large any more. Small sizes have lists of their own, 8 bytes apart.
            size = size // 2 if size > 256 else size - 8


def describe_open(each) -> str | None:
    """What an object holds open, None if nothing."""
    kind = type(each)
    if kind is io.FileIO:
        if not each.closed and each.fileno() not in STANDARD_STREAMS:
            return f"the file {each.name} (mode {each.mode})"
    elif isinstance(each, socket.socket) and each.fileno() >= 0:
        return f"a socket{peer(each)}"
    elif kind.__module__ == "sqlite3" and kind.__name__ == "Connection":
        return describe_database(each)
    return None


def peer(each: socket.socket) -> str:
    try:
        return " to {}:{}".format(*each.getpeername()[:2])
    except OSError:
        return ""


def describe_database(connection) -> str | None:
    try:
        files = [row[2] for row in connection.execute("PRAGMA database_list") if row[2]]
    except Exception:
        return None
    return f"the SQLite database {', '.join(files)}" if files else None


def forget_randomness() -> None:
    """Values that modules draw once and keep."""
    if (uuid := sys.modules.get("uuid")) is not None:
        uuid._node = uuid._last_timestamp = None
    if (tempfile := sys.modules.get("tempfile")) is not None:
        tempfile._name_sequence = None


def resume() -> list[str]:
    """Gives an instance what is its own: randomness and environment variables. Names the variables that have changed."""
    global is_parked
    is_parked = False
    # `seed()` alone would ask the host for 2,500 bytes, a few at a time: a tenth of a cold start.
    random.seed(os.urandom(32))
    changed = take_variables(wasi_environment.get_environment())
    if "TZ" in changed:
        local_time.tzset()
    return changed


def take_variables(variables: list[tuple[str, str]]) -> list[str]:
    """Makes `os.environ` the instance's own. What the function's top level set by itself stays. Names what has changed."""
    changed = []
    # Only what differs is touched: setting all would cost most of a cold start.
    known = 0
    for name, value in variables:
        before = builder_variables.get(name)
        if before is not None:
            known += 1
        if before != value and os.environ.get(name) != value:
            os.environ[name] = value
            changed.append(name)
    if known < len(builder_variables):
        for name in builder_variables.keys() - {name for name, _ in variables}:
            os.environ.pop(name, None)
            changed.append(name)
    return changed


# The variables that the builder gave: most are those of every instance, and those which an instance does not have are
# taken away again.
builder_variables: dict[str, str] = {}


def note_variables() -> None:
    builder_variables.clear()
    builder_variables.update(wasi_environment.get_environment())
