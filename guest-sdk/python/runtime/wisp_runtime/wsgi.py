"""WSGI handlers: `handler(environ, start_response)`, and application objects (PEP 3333)."""

import io
import os
import sys

from .responses import response

# FC's own values. Host and scheme that a client used are in HTTP_HOST and x-forwarded-proto.
SERVER = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "FCRUNTIME",
    "SERVER_PORT": "9000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": "FCRUNTIME/1.0",
    "HTTP": "on",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}

# Header name → key of environ. A header's name costs more to rewrite than to look up.
KEYS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
KEYS_LIMIT = 1000


class WsgiHandler:
    def __init__(self, application):
        self.application = application
        self.common: dict = {}

    def renew(self) -> None:
        """Takes this instance's environment variables."""
        self.common = {**os.environ, **SERVER, "wsgi.errors": sys.stderr}
        self.common["HTTP_X_FC_FUNCTION_HANDLER"] = os.environ.get("FC_FUNCTION_HANDLER", "")

    def handle(self, request, context):
        answer = Answer()
        chunks = self.application(self.environ(request, context), answer.start_response)
        try:
            if isinstance(chunks, (bytes, str)):
                chunks = (chunks,)
            for chunk in chunks:
                answer.write(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return answer.finish()

    def environ(self, request, context) -> dict:
        if not self.common:
            self.renew()
        environ = self.common.copy()
        url = request.url
        body = request.body
        environ["REQUEST_METHOD"] = request.method
        environ["PATH_INFO"] = native(request.path)
        environ["QUERY_STRING"] = url.partition("?")[2]
        environ["CONTENT_TYPE"] = "application/octet-stream"
        environ["REMOTE_ADDR"] = request.client_ip
        environ["wsgi.input"] = io.BytesIO(body)
        environ["fc.context"] = context
        environ["fc.request_uri"] = url
        given = {}
        for name, value in request.headers:
            key = KEYS.get(name) or key_of(name)
            if not value.isascii():
                value = native(value)
            if key in given:
                value = f"{given[key]}{'; ' if name == 'cookie' else ','}{value}"
            given[key] = value
        environ.update(given)
        environ["CONTENT_LENGTH"] = str(len(body))
        return environ


class Answer:
    """What an application answers, put together as it comes."""

    __slots__ = ("status", "headers", "chunks")

    def __init__(self):
        self.status = None
        self.headers = []
        self.chunks = []

    def start_response(self, status, headers, exc_info=None):
        if self.status is not None and exc_info is None:
            raise RuntimeError("start_response was called twice; pass exc_info to replace an answer")
        self.status = status
        self.headers = headers
        return self.write

    def write(self, chunk) -> None:
        if type(chunk) is not bytes:
            if type(chunk) is str:
                chunk = chunk.encode()
            elif not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise TypeError(f"invalid response type: the application yielded {type(chunk).__name__}, not bytes")
        self.chunks.append(chunk)

    def finish(self):
        if self.status is None:
            raise RuntimeError("the application answered without calling start_response")
        try:
            code = int(self.status.partition(" ")[0])
        except (AttributeError, ValueError):
            raise ValueError(f"{self.status!r} is no status: it is written as in '200 OK'") from None
        chunks = self.chunks
        body = chunks[0] if len(chunks) == 1 and type(chunks[0]) is bytes else b"".join(chunks)
        return response(code, [(name, text(value)) for name, value in self.headers], body)


def key_of(name: str) -> str:
    key = f"HTTP_{name.upper().replace('-', '_')}"
    if len(KEYS) < KEYS_LIMIT:
        KEYS[name] = key
    return key


def native(value: str) -> str:
    """A text as WSGI has it: its UTF-8 bytes read as Latin-1."""
    return value if value.isascii() else value.encode().decode("latin-1")


def text(value: str) -> str:
    """A header's value of an application: bytes read as Latin-1."""
    if type(value) is str and value.isascii():
        return value
    try:
        return str(value).encode("latin-1").decode()
    except UnicodeError:
        return str(value)
