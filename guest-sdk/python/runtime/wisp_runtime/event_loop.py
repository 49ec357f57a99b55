"""asyncio in an instance: one loop that lives as long as the instance.

CPython's selector loop works over WASI. It needs two changes: it wakes itself by a pair of sockets, which nothing here
could use, as there is no other thread, and which a function without network must not open; and it sends blocking calls
to threads, which do not exist.
"""

import asyncio
import asyncio.selector_events

loop: asyncio.AbstractEventLoop | None = None


def run(coroutine):
    """The result of a coroutine. Tasks that it leaves behind go on at the next call."""
    global loop
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop.run_until_complete(coroutine)


def finish(result) -> None:
    """Awaits what a hook returned, if it is a coroutine."""
    if asyncio.iscoroutine(result):
        run(result)


def install() -> None:
    base = asyncio.selector_events.BaseSelectorEventLoop
    base._make_self_pipe = lambda self: setattr(self, "_internal_fds", self._internal_fds + 1)
    base._close_self_pipe = lambda self: setattr(self, "_internal_fds", self._internal_fds - 1)
    base._write_to_self = lambda self: None
    base.run_in_executor = run_inline


def run_inline(self, executor, function, *arguments):
    """The call is made at once, and blocks; its outcome is in the future."""
    future = self.create_future()
    try:
        future.set_result(function(*arguments))
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        future.set_exception(error)
    return future
