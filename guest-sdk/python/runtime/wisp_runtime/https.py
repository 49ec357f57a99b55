"""HTTPS: a stream that looks like a TLS connection, with `wasi:http` behind it.

CPython has no TLS here, and needs none: the host makes HTTPS requests, with its own certificates and its rules on
where a function may connect. Python's HTTP clients all end in a stream that they write an HTTP/1.1 request to and
read the answer from, so that is where they are met: `http.client` (and urllib), `urllib3` (and requests, botocore)
and `httpcore` (and httpx) keep all that they do above it. Other protocols over TLS get an error that says so.
"""

import errno
import io
import socket
import ssl

from componentize_py_types import Err
from wit_world.imports import monotonic_clock, outgoing_handler, poll, wasi_http
from wit_world.imports.streams import StreamError_Closed

from . import network_guard
from .http_errors import os_error

# What one write of `wasi:io` takes.
WRITE_BYTES = 4096
READ_BYTES = 65536
HEAD_LIMIT = 256 << 10

METHODS = {
    name: getattr(wasi_http, f"Method_{name.capitalize()}")
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
}

# Of one connection, which is the host's, not of the request.
CONNECTION_HEADERS = {
    "connection", "expect", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "transfer-encoding",
    "upgrade",
}


class HttpsStream:
    """A connection to one server. Each answer ends it, and another costs nothing."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = 0

    def __init__(self, host: str, port: int | None = 443, timeout=None, scheme: str = "https"):
        self.host = host
        self.authority = authority(host, port, scheme)
        self.scheme = wasi_http.Scheme_Https() if scheme == "https" else wasi_http.Scheme_Http()
        self.outbox = bytearray()
        self.request: Request | None = None
        self.answer: Answer | None = None
        self.readers = 0
        self.is_closed = False
        self.settimeout(timeout)

    # Writing: what clients do to send a request.

    def sendall(self, data, flags=0) -> None:
        self.outbox += data
        if self.request is None:
            self._begin()
        if self.request is not None:
            self.request.write(self.outbox)

    def send(self, data, flags=0) -> int:
        self.sendall(data)
        return len(data)

    write = send

    def _begin(self) -> None:
        """Starts the request as soon as its head is whole."""
        refuse_other_protocols(self.outbox, self.authority)
        head, end, _ = bytes(self.outbox[:HEAD_LIMIT]).partition(b"\r\n\r\n")
        if end:
            del self.outbox[: len(head) + len(end)]
            self.request = Request(head, self.authority, self.scheme)
        elif len(self.outbox) > HEAD_LIMIT:
            raise OSError(errno.EMSGSIZE, f"the headers for {self.authority} take more than {HEAD_LIMIT >> 10} KB")

    # Reading: what clients do to read the answer.

    def recv(self, size: int = READ_BYTES, flags=0) -> bytes:
        if self.request is None:
            raise ssl.SSLError(f"{self.authority} was to speak first; {ONLY_HTTP}")
        if self.answer is None:
            self.answer = self.request.answer(self.timeout)
        return self.answer.read(size, self.timeout)

    read = recv

    def recv_into(self, buffer, size: int = 0, flags=0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view))
        view[: len(data)] = data
        return len(data)

    def makefile(self, mode="r", buffering=None, *, encoding=None, errors=None, newline=None):
        self.readers += 1
        raw = StreamFile(self)
        if "b" in mode:
            return io.BufferedReader(raw) if "w" not in mode else io.BufferedRWPair(raw, raw)
        return io.TextIOWrapper(io.BufferedReader(raw), encoding, errors, newline)

    # What else a socket has.

    def settimeout(self, timeout) -> None:
        """Seconds, or None to wait as long as the invocation lasts."""
        self.timeout = timeout if isinstance(timeout, (int, float)) else None

    def gettimeout(self):
        return self.timeout

    def setblocking(self, flag) -> None:
        self.timeout = None if flag else 0.0

    def setsockopt(self, *_) -> None:
        pass

    def getpeername(self):
        return (self.host, 443)

    def fileno(self) -> int:
        return -1

    def getpeercert(self, binary_form=False):
        return b"" if binary_form else {}

    def selected_alpn_protocol(self):
        return "http/1.1"

    def version(self):
        return "TLSv1.3"

    def cipher(self):
        return None

    def pending(self) -> int:
        return 0

    def shutdown(self, how) -> None:
        pass

    def unwrap(self):
        return self

    def close(self) -> None:
        self.is_closed = True
        self._release()

    def _release(self) -> None:
        if self.is_closed and self.readers == 0 and self.answer is not None:
            self.answer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class StreamFile(io.RawIOBase):
    """The file that `makefile` gives: it may outlive the socket."""

    def __init__(self, stream: HttpsStream):
        self.stream = stream

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, buffer):
        return self.stream.recv_into(buffer)

    def write(self, data):
        return self.stream.send(data)

    def close(self):
        if not self.closed:
            self.stream.readers -= 1
            self.stream._release()
        super().close()


class Request:
    """A request under way, from its head in HTTP/1.1 and the bytes after it."""

    def __init__(self, head: bytes, authority: str, scheme):
        line, *fields = head.decode("latin-1").split("\r\n")
        self.method, target, _ = line.split(" ", 2)
        headers = [(name.strip().lower(), value.strip()) for name, _, value in (it.partition(":") for it in fields)]
        named = dict(headers)
        self.authority = authority
        self.is_chunked = "chunked" in named.get("transfer-encoding", "")
        self.left = int(named.get("content-length", 0))
        request = wasi_http.OutgoingRequest(fields_of(headers, authority))
        request.set_method(METHODS[self.method]() if self.method in METHODS else wasi_http.Method_Other(self.method))
        request.set_scheme(scheme)
        request.set_authority(authority)
        request.set_path_with_query(path_of(target))
        self.body = request.body()
        self.stream = self.body.write()
        try:
            self.future = outgoing_handler.handle(request, None)
        except Err as error:
            raise os_error(error.value, authority) from None
        if not self.is_chunked and self.left == 0:
            self.finish()

    def write(self, outbox: bytearray) -> None:
        """Takes what it can of the bytes that the client has written."""
        if self.is_chunked:
            self._write_chunks(outbox)
        elif self.left:
            part = bytes(outbox[: self.left])
            del outbox[: len(part)]
            self._send(part)
            self.left -= len(part)
            if self.left == 0:
                self.finish()

    def _write_chunks(self, outbox: bytearray) -> None:
        while self.stream is not None:
            line, end, _ = bytes(outbox[:64]).partition(b"\r\n")
            if not end:
                return
            size = int(line.partition(b";")[0], 16)
            whole = len(line) + 2 + size + 2
            if len(outbox) < whole:
                return
            self._send(bytes(outbox[len(line) + 2 : whole - 2]))
            del outbox[:whole]
            if size == 0:
                self.finish()

    def _send(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), WRITE_BYTES):
                self.stream.blocking_write_and_flush(data[start : start + WRITE_BYTES])
        except Err:
            # The server may have answered without reading all of it: the answer tells.
            pass

    def finish(self) -> None:
        self.stream.__exit__(None, None, None)
        self.stream = None
        try:
            wasi_http.OutgoingBody.finish(self.body, None)
        except Err as error:
            raise os_error(error.value, self.authority) from None

    def answer(self, timeout) -> "Answer":
        if self.stream is not None:
            raise ssl.SSLError(f"the request to {self.authority} is not complete yet")
        with self.future.subscribe() as pollable:
            wait(pollable, timeout, self.authority)
        result = self.future.get().value
        self.future.__exit__(None, None, None)
        if isinstance(result, Err):
            raise os_error(result.value, self.authority)
        return Answer(result.value, self.method, self.authority)


class Answer:
    """An answer as HTTP/1.1: its head, then its body as it comes."""

    def __init__(self, response, method: str, authority: str):
        self.response = response
        self.authority = authority
        self.head = self._head(response, method)
        self.body = response.consume()
        self.stream = self.body.stream()

    @staticmethod
    def _head(response, method: str) -> bytes:
        status = response.status()
        with response.headers() as headers:
            entries = headers.entries()
        lines = [f"HTTP/1.1 {status} {reason(status)}".encode(), b"connection: close"]
        for name, value in entries:
            if name.lower() not in CONNECTION_HEADERS:
                lines.append(name.encode("latin-1") + b": " + bytes(value))
        return b"\r\n".join([*lines, b"", b""])

    def read(self, size: int, timeout) -> bytes:
        if self.head:
            part, self.head = self.head[:size], self.head[size:]
            return part
        while self.stream is not None:
            if timeout is not None:
                with self.stream.subscribe() as pollable:
                    wait(pollable, timeout, self.authority)
            try:
                data = self.stream.blocking_read(min(size, READ_BYTES))
            except Err as error:
                self.close()
                if isinstance(error.value, StreamError_Closed):
                    break
                raise ConnectionResetError(errno.ECONNRESET, f"{self.authority} ended its answer early") from None
            if data:
                return bytes(data)
        return b""

    def close(self) -> None:
        if self.stream is not None:
            # Children before their parents.
            for resource in (self.stream, self.body, self.response):
                resource.__exit__(None, None, None)
            self.stream = None


ONLY_HTTP = "TLS is there for HTTP only, which the host speaks: connect without TLS, inside a network that you trust"


def refuse_other_protocols(data: bytes, authority: str) -> None:
    start = bytes(data[:12])
    method = start.partition(b" ")[0]
    if not (method.isalpha() and method.isupper()) and start:
        raise ssl.SSLError(f"{authority} was sent something else than HTTP; {ONLY_HTTP}")
    if network_guard.closed:
        raise network_guard.refusal("HTTPS request", [authority])


def path_of(target: str) -> str:
    """The path of a request's target, which may be a whole URL."""
    return target if target.startswith("/") else "/" + target.partition("//")[2].partition("/")[2]


def authority(host: str, port: int | None, scheme: str) -> str:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return name if port in (None, 443 if scheme == "https" else 80) else f"{name}:{port}"


def fields_of(headers: list[tuple[str, str]], authority: str):
    kept = [(name, value.encode("latin-1")) for name, value in headers if name not in CONNECTION_HEADERS]
    try:
        return wasi_http.Fields.from_list(kept)
    except Err as error:
        names = ", ".join(name for name, _ in kept)
        raise OSError(errno.EINVAL, f"the headers for {authority} are refused ({error.value}): {names}") from None


def reason(status: int) -> str:
    import http.client

    return http.client.responses.get(status, "Status")


def wait(pollable, timeout, authority: str) -> None:
    """Waits for a pollable, at most so many seconds."""
    if timeout is None:
        pollable.block()
        return
    with monotonic_clock.subscribe_duration(max(0, int(timeout * 1e9))) as clock:
        if 0 not in poll.poll([pollable, clock]):
            raise TimeoutError(errno.ETIMEDOUT, f"{authority} did not answer in {timeout} s")
