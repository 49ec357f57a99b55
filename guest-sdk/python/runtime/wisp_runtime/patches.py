"""What other people's modules need changed to run here: in the standard library, and in packages after their import."""

import concurrent.futures.thread
import http.client
import urllib.error
import urllib.request
import uuid

from . import threads
from .https import HttpsStream


def install() -> None:
    threads.install()
    concurrent.futures.thread.ThreadPoolExecutor.submit = submit_inline
    http.client.HTTPSConnection.connect = connect_https
    urllib.request.HTTPSHandler.https_open = https_open
    # They ask programs and the network for this machine's address; without them the node is a random number.
    uuid._GETTERS = []


def submit_inline(self, function, /, *arguments, **named):
    """A pool of threads runs each task at once, in the caller's place."""
    if self._shutdown:
        raise RuntimeError("cannot schedule new futures after shutdown")
    future = concurrent.futures.Future()
    future.set_running_or_notify_cancel()
    try:
        future.set_result(function(*arguments, **named))
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        future.set_exception(error)
    return future


def connect_https(self):
    """`connect` of HTTPS connections: the host makes them. A proxy is the host's affair too."""
    self.sock = HttpsStream(getattr(self, "_tunnel_host", None) or self.host, self.port, self.timeout)


https_open_of_urllib = urllib.request.HTTPSHandler.https_open


def https_open(self, request):
    """Connections fail when the answer is awaited; urllib's callers expect that earlier, as a URLError."""
    try:
        return https_open_of_urllib(self, request)
    except (urllib.error.URLError, TimeoutError):
        raise
    except OSError as error:
        raise urllib.error.URLError(error) from error


def anyio_threads(module) -> None:
    """Starlette runs plain functions in anyio's threads."""

    async def run_sync_in_worker_thread(func, args, abandon_on_cancel=False, limiter=None):
        return func(*args)

    module.AsyncIOBackend.run_sync_in_worker_thread = staticmethod(run_sync_in_worker_thread)


def asgiref_threads(module) -> None:
    """Django runs plain views under ASGI in threads of asgiref."""

    async def call(self, *arguments, **named):
        return self.func(*arguments, **named)

    module.SyncToAsync.__call__ = call


def urllib3_connections(module) -> None:
    def connect(self):
        connect_https(self)
        self.is_verified = True
        self.proxy_is_verified = True if self.proxy else None
        self._has_connected_to_proxy = bool(self.proxy)

    module.HTTPSConnection.connect = connect
    # Version 2 asks the socket whether it is readable; ours end with each answer.
    module.HTTPSConnection.is_connected = property(lambda self: self.sock is not None)


def requests_certificates(module) -> None:
    """requests insists on a file of certificates, which a component that stands alone has not. The host checks."""

    def cert_verify(self, connection, url, verify, cert):
        if cert:
            raise OSError(f"{url}: the host makes TLS connections, with no client certificates")

    module.HTTPAdapter.cert_verify = cert_verify


def httpcore_streams(module) -> None:
    """httpcore opens a TCP stream and then asks it for TLS: it is opened only if it is asked to be used without."""
    connect_tcp = module.SyncBackend.connect_tcp

    def connect_later(self, host, port, timeout=None, local_address=None, socket_options=None):
        def connect():
            return connect_tcp(self, host, port, timeout, local_address, socket_options)

        return LazyStream(host, port, connect)

    class LazyStream(module.NetworkStream):
        def __init__(self, host, port, connect):
            self.target = (host, port)
            self.connect = connect
            self.stream = None

        def opened(self):
            self.stream = self.stream or self.connect()
            return self.stream

        def read(self, max_bytes, timeout=None):
            return self.opened().read(max_bytes, timeout)

        def write(self, buffer, timeout=None):
            self.opened().write(buffer, timeout)

        def close(self):
            if self.stream is not None:
                self.stream.close()

        def start_tls(self, ssl_context, server_hostname=None, timeout=None):
            self.stream = tls = TlsStream(HttpsStream(server_hostname or self.target[0], self.target[1], timeout))
            return tls

        def get_extra_info(self, info):
            return None if self.stream is None else self.stream.get_extra_info(info)

    class TlsStream(module.NetworkStream):
        def __init__(self, stream):
            self.stream = stream

        def read(self, max_bytes, timeout=None):
            self.stream.settimeout(timeout)
            with module.map_exceptions(EXCEPTIONS):
                return self.stream.recv(max_bytes)

        def write(self, buffer, timeout=None):
            self.stream.settimeout(timeout)
            with module.map_exceptions(EXCEPTIONS):
                self.stream.sendall(buffer)

        def close(self):
            self.stream.close()

        def get_extra_info(self, info):
            return False if info == "is_readable" else None

    # Refused connections show only when the request goes out.
    EXCEPTIONS = {TimeoutError: module.ReadTimeout, OSError: module.ConnectError}
    module.SyncBackend.connect_tcp = connect_later


def httpcore_async_streams(module) -> None:
    connect_tcp = module.AnyIOBackend.connect_tcp

    async def connect_later(self, host, port, timeout=None, local_address=None, socket_options=None):
        async def connect():
            return await connect_tcp(self, host, port, timeout, local_address, socket_options)

        return LazyStream(host, port, connect)

    class LazyStream(module.AsyncNetworkStream):
        def __init__(self, host, port, connect):
            self.target = (host, port)
            self.connect = connect
            self.stream = None

        async def opened(self):
            self.stream = self.stream or await self.connect()
            return self.stream

        async def read(self, max_bytes, timeout=None):
            return await (await self.opened()).read(max_bytes, timeout)

        async def write(self, buffer, timeout=None):
            await (await self.opened()).write(buffer, timeout)

        async def aclose(self):
            if self.stream is not None:
                await self.stream.aclose()

        async def start_tls(self, ssl_context, server_hostname=None, timeout=None):
            self.stream = tls = TlsStream(HttpsStream(server_hostname or self.target[0], self.target[1], timeout))
            return tls

        def get_extra_info(self, info):
            return None if self.stream is None else self.stream.get_extra_info(info)

    class TlsStream(module.AsyncNetworkStream):
        """Waits for the answer in place: other tasks of the call wait too."""

        def __init__(self, stream):
            self.stream = stream

        async def read(self, max_bytes, timeout=None):
            self.stream.settimeout(timeout)
            with module.map_exceptions(EXCEPTIONS):
                return self.stream.recv(max_bytes)

        async def write(self, buffer, timeout=None):
            self.stream.settimeout(timeout)
            with module.map_exceptions(EXCEPTIONS):
                self.stream.sendall(buffer)

        async def aclose(self):
            self.stream.close()

        def get_extra_info(self, info):
            return False if info == "is_readable" else None

    EXCEPTIONS = {TimeoutError: module.ReadTimeout, OSError: module.ConnectError}
    module.AnyIOBackend.connect_tcp = connect_later


# Module → what is done to it once it is imported.
AFTER_IMPORT = {
    "anyio._backends._asyncio": anyio_threads,
    "asgiref.sync": asgiref_threads,
    "httpcore._backends.anyio": httpcore_async_streams,
    "httpcore._backends.sync": httpcore_streams,
    "multiprocessing.context": threads.no_processes,
    "multiprocessing.pool": threads.thread_pools,
    "requests.adapters": requests_certificates,
    "urllib3.connection": urllib3_connections,
}


def after_import(module) -> None:
    patch = AFTER_IMPORT.get(module.__name__)
    if patch is not None:
        patch(module)
