"""WSGI handlers: `handler(environ, start_response)`, and application objects (PEP 3333)."""

import os
import sys
from io import BytesIO

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

    def renew(self, changed: list[str] | None = None) -> None:
        """Takes this instance's environment variables: all, or those that are named."""
        # Each is a text only when it is read: to read all would be felt in a cold start.
        if changed is None or not self.common:
            self.common = {**os.environ, **SERVER, "wsgi.errors": sys.stderr}
            changed = ["FC_FUNCTION_HANDLER"]
        for name in changed:
            value = os.environ.get(name)
            if name == "FC_FUNCTION_HANDLER":
                self.common["HTTP_X_FC_FUNCTION_HANDLER"] = value or ""
            if name in SERVER:
                continue
            if value is None:
                self.common.pop(name, None)
            else:
                self.common[name] = value

    def handle(self, request, context):
        answer = Answer()
        chunks = self.application(self.environ(request, context), answer.start_response)
        if type(chunks) is list:
            # What most applications return: it is not asked for one by one, and has nothing to close.
            for chunk in chunks:
                if type(chunk) is not bytes:
                    chunks = [as_bytes(chunk) for chunk in chunks]
                    break
            answer.chunks += chunks
        else:
            answer.take(chunks)
        return answer.finish()

    def environ(self, request, context) -> dict:
        if not self.common:
            self.renew()
        environ = self.common.copy()
        method, path, url, _, headers, client_ip, body = request
        environ["REQUEST_METHOD"] = method
        environ["PATH_INFO"] = path if path.isascii() else native(path)
        environ["QUERY_STRING"] = url.partition("?")[2] if "?" in url else ""
        environ["CONTENT_TYPE"] = "application/octet-stream"
        environ["REMOTE_ADDR"] = client_ip
        environ["wsgi.input"] = BytesIO(body)
        environ["fc.context"] = context
        environ["fc.request_uri"] = url
        given = {}
        for name, value in headers:
            key = KEYS.get(name) or key_of(name)
            if not value.isascii():
                value = native(value)
            if key in given:
                value = f"{given[key]}{'; ' if name == 'cookie' else ','}{value}"
            given[key] = value
        environ.update(given)
        environ["CONTENT_LENGTH"] = str(len(body)) if body else "0"
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
        self.chunks.append(as_bytes(chunk))

    def take(self, chunks) -> None:
        try:
            if isinstance(chunks, (bytes, str)):
                chunks = (chunks,)
            for chunk in chunks:
                self.chunks.append(as_bytes(chunk))
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def finish(self):
        if self.status is None:
            raise RuntimeError("the application answered without calling start_response")
        code = CODES.get(self.status) or code_of(self.status)
        chunks = self.chunks
        body = chunks[0] if len(chunks) == 1 and type(chunks[0]) is bytes else b"".join(chunks)
        headers = self.headers if type(self.headers) is list else list(self.headers)
        for pair in headers:
            name, value = pair
            if type(value) is not str or not value.isascii() or type(pair) is not tuple:
                headers = [(name, text(value)) for name, value in headers]
                break
        return response(code, headers, body)


def as_bytes(chunk):
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode()
    raise TypeError(f"invalid response type: the application yielded {type(chunk).__name__}, not bytes")


# Status line → code. An application has few.
CODES: dict[str, int] = {}
CODES_LIMIT = 1000


def code_of(status) -> int:
    try:
        code = int(status.partition(" ")[0])
    except (AttributeError, ValueError):
        raise ValueError(f"{status!r} is no status: it is written as in '200 OK'") from None
    if len(CODES) < CODES_LIMIT:
        CODES[status] = code
    return code


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
