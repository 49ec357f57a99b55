"""Threads, where there is one: another one runs at once, in the place of the one that starts it."""

import _thread
import contextvars
import itertools
import sys
import threading

NO_THREADS = "there are no threads in WebAssembly"


class WaitsForEver(RuntimeError):
    """A wait that nobody could ever end."""


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
    except WaitsForEver:
        # A thread that waits for work which the starter means to give it. To go on without would lose the work in silence.
        raise
    except BaseException:
        threading.excepthook(threading.ExceptHookArgs([*sys.exc_info(), self]))
    finally:
        threading._active[identity] = starter
        self._os_thread_handle._set_done()


wait_of_condition = threading.Condition.wait


def wait(self, timeout=None):
    """Events, queues and futures wait by this. Nobody could ever end the wait, and the instance would end instead."""
    if timeout is None:
        raise WaitsForEver(f"this would wait for ever: {NO_THREADS}, so nothing happens meanwhile")
    return wait_of_condition(self, timeout)


def no_processes(module) -> None:
    """What `multiprocessing` makes for several processes says that there are none, not which system call is missing."""
    for name in MADE_FOR_PROCESSES:
        setattr(module.BaseContext, name, refused(name))
    module.process.BaseProcess.start = refused("Process.start")


MADE_FOR_PROCESSES = """
    Array Barrier BoundedSemaphore Condition Event JoinableQueue Lock Manager Pipe Pool Queue RLock Semaphore SimpleQueue
    Value
""".split()


def refused(name: str):
    def refuse(*_, **__):
        raise RuntimeError(
            f"multiprocessing.{name}: there are no processes in WebAssembly; multiprocessing.pool.ThreadPool does the work"
            " in the call itself, and `queue` and `threading` have the rest"
        )

    return refuse


def thread_pools(module) -> None:
    module.ThreadPool = ThreadPool


class ThreadPool:
    """`multiprocessing.pool.ThreadPool`, and `Pool` of `multiprocessing.dummy`: each task runs at once."""

    def __init__(self, processes=None, initializer=None, initargs=()):
        if processes is not None and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        # Where results put themselves until they are there.
        self._cache = {}
        self._is_closed = False
        if initializer is not None:
            initializer(*initargs)

    def apply(self, func, args=(), kwds={}):
        return self.apply_async(func, args, kwds).get()

    def map(self, func, iterable, chunksize=None):
        return self.map_async(func, iterable).get()

    def starmap(self, func, iterable, chunksize=None):
        return self.starmap_async(func, iterable).get()

    def imap(self, func, iterable, chunksize=1):
        self._check_running()
        return map(func, iterable)

    imap_unordered = imap

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None):
        self._check_running()
        result = sys.modules["multiprocessing.pool"].ApplyResult(self, callback, error_callback)
        try:
            outcome = (True, func(*args, **kwds))
        except Exception as error:
            outcome = (False, error)
        result._set(0, outcome)
        return result

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
        return self.apply_async(lambda: list(map(func, iterable)), (), {}, callback, error_callback)

    def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
        return self.apply_async(lambda: list(itertools.starmap(func, iterable)), (), {}, callback, error_callback)

    def _check_running(self):
        if self._is_closed:
            raise ValueError("Pool not running")

    def close(self):
        self._is_closed = True

    terminate = close

    def join(self):
        if not self._is_closed:
            raise ValueError("Pool is still running")

    def __enter__(self):
        self._check_running()
        return self

    def __exit__(self, *_):
        self.close()
