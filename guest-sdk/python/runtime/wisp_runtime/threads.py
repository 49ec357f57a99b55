"""Threads, where there is one: another one runs at once, in the place of the one that starts it."""

import _thread
import contextvars
import sys
import threading

NO_THREADS = "there are no threads in WebAssembly"


def install() -> None:
    threading.Thread.start = start
    threading.Condition.wait = wait


def start(self):
    """Runs the thread to its end. What is to go on beside the call, or to run later, is refused."""
    if not self._initialized:
        raise RuntimeError("thread.__init__() not called")
    if self._started.is_set():
        raise RuntimeError("threads can only be started once")
    if self.daemon or isinstance(self, threading.Timer):
        raise RuntimeError(
            f"cannot start {self.name}: {NO_THREADS}, so a daemon or a timer cannot run beside the call; use asyncio, or do"
            " the work in the call itself"
        )
    identity = _thread.get_ident()
    starter = threading._active[identity]
    self._ident, self._os_thread_handle = identity, _thread._make_thread_handle(identity)
    self._started.set()
    threading._active[identity] = self
    try:
        # Variables of a context are the thread's own, as elsewhere.
        (self._context or contextvars.Context()).run(self.run)
    except SystemExit:
        pass
    except BaseException:
        threading.excepthook(threading.ExceptHookArgs([*sys.exc_info(), self]))
    finally:
        threading._active[identity] = starter
        self._os_thread_handle._set_done()


wait_of_condition = threading.Condition.wait


def wait(self, timeout=None):
    """Events, queues and futures wait by this. Nobody could ever end the wait, and the instance would end instead."""
    if timeout is None:
        raise RuntimeError(f"this would wait for ever: {NO_THREADS}, so nothing happens meanwhile")
    return wait_of_condition(self, timeout)
