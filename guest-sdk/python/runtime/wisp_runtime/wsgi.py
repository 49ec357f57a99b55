"""WSGI handlers: `handler(environ, start_response)`, and application objects (PEP 3333)."""

import os
import sys
from io import BytesIO

from .context import RequestContext
from .request_texts import METHOD, PATH, REST, URL, client_and_headers, decoded
from .responses import checked_status, packed

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

# What each request sets, in the template already: a dictionary that only replaces values need not grow.
REQUEST = {
    "REQUEST_METHOD": "",
    "PATH_INFO": "",
    "QUERY_STRING": "",
    "REMOTE_ADDR": "",
    "wsgi.input": None,
    "fc.context": None,
    "fc.request_uri": "",
    "CONTENT_TYPE": "application/octet-stream",
    "CONTENT_LENGTH": "0",
}


class Keys(dict):
    """Header name → key of environ. A header's name costs more to rewrite than to look up."""

    LIMIT = 1000

    def __missing__(self, name: str) -> str:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        if len(self) < self.LIMIT:
            self[name] = key
        return key


key_of = Keys({"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}).__getitem__


class WsgiHandler:
    def __init__(self, application):
        self.application = application
        self.common: dict = {}
        # One for all requests: an instance has one at a time.
        self.answer = Answer()
        self.start_response = starter(self.answer)
        # The client's address and the headers of the last request, as they came and by their keys.
        self.last_rest = ""
        self.last_client: dict[str, str] = {}

    def renew(self, changed: list[str] | None = None) -> None:
        """Takes this instance's environment variables: all, or those that are named."""
        # Each is a text only when it is read: to read all would be felt in a cold start.
        is_new = changed is None or not self.common
        if is_new:
            self.common = {**os.environ, **SERVER, **REQUEST, "wsgi.errors": sys.stderr}
            changed = ["FC_FUNCTION_HANDLER"]
        for name in changed:
            value = os.environ.get(name)
            if name == "FC_FUNCTION_HANDLER":
                self.common["HTTP_X_FC_FUNCTION_HANDLER"] = value or ""
            if name in SERVER or name in REQUEST:
                continue
            if value is None:
                self.common.pop(name, None)
            else:
                self.common[name] = value
        if is_new:
            make_room(self.common)

    def handle(self, texts, body):
        answer = self.answer
        answer.status = answer.written = None
        # The last answer may be large.
        answer.body = b""
        chunks = self.application(self.environ(texts, body), self.start_response)
        if type(chunks) is list and len(chunks) == 1 and type(chunks[0]) is bytes and answer.written is None:
            # What most applications return: it has nothing to close.
            answer.body = chunks[0]
        else:
            answer.body = answer.joined(chunks)
        answer.finish()
        return answer

    def environ(self, texts, body) -> dict:
        if not self.common:
            self.renew()
        environ = self.common.copy()
        rest = texts[REST]
        # Most requests of a client have the same headers as the one before.
        environ.update(self.last_client if rest == self.last_rest else self.client(rest))
        url = texts[URL]
        environ["REQUEST_METHOD"] = texts[METHOD]
        environ["PATH_INFO"] = texts[PATH]
        if "?" in url:
            environ["QUERY_STRING"] = url.partition("?")[2]
        environ["fc.request_uri"] = url if url.isascii() else decoded(url)
        environ["fc.context"] = RequestContext(texts)
        environ["wsgi.input"] = BytesIO(body)
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        return environ

    def client(self, rest: str) -> dict[str, str]:
        client_ip, pairs = client_and_headers(rest)
        names, values = pairs[::2], pairs[1::2]
        client = dict(zip(map(key_of, names), values))
        if len(client) != len(names):
            client = combined(names, values)
        client["REMOTE_ADDR"] = client_ip
        self.last_rest, self.last_client = rest, client
        return client


def make_room(template: dict) -> None:
    """Makes a dictionary grow now, so that its copies need not: that would cost more than the copy."""
    size = sys.getsizeof(template)
    padding = 0
    while sys.getsizeof(template) == size:
        # No variable has such a name.
        template[f"\0{padding}"] = None
        padding += 1
    for _ in range(padding):
        # Gives an entry at the end back; `del` would leave a hole, and a dictionary with holes is copied one by one.
        template.popitem()


def combined(names: list[str], values: list[str]) -> dict[str, str]:
    """Headers by the keys of environ; those that came several times as one."""
    given: dict[str, str] = {}
    for name, value in zip(names, values):
        key = key_of(name)
        if key in given:
            value = f"{given[key]}{'; ' if name == 'cookie' else ','}{value}"
        given[key] = value
    return given


class Answer:
    """What an application answers, and the record that the marshaller reads of it."""

    __slots__ = ("status", "given", "written", "last_given", "status_code", "headers", "body")

    def __init__(self):
        self.status = self.given = self.written = None
        # The headers of the last answer, and in `headers` the same packed: most answers of a function have the same.
        self.last_given: list | None = []
        self.headers = self.body = b""

    def write(self, chunk) -> None:
        if self.written is None:
            self.written = []
        self.written.append(as_bytes(chunk))

    def joined(self, chunks) -> bytes:
        """What was written and what was returned."""
        if chunks is None:
            raise TypeError("the application returned None: it returns a list of bytes, or another iterable of them")
        try:
            for chunk in (chunks,) if isinstance(chunks, (bytes, str)) else chunks:
                self.write(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return b"".join(self.written or ())

    def finish(self) -> None:
        if self.status is None:
            raise RuntimeError("the application answered without calling start_response")
        self.status_code = CODES.get(self.status) or code_of(self.status)
        if self.given != self.last_given:
            self.pack()

    def pack(self) -> None:
        # A copy: the application may change its list, but not pairs of texts.
        given = list(self.given)
        self.last_given = None
        self.headers = packed(given)
        if all(type(it) is tuple for it in given):
            self.last_given = given


def starter(answer: Answer):
    """`start_response`. A function costs less to call than a method."""

    def start_response(status, headers, exc_info=None):
        if answer.status is not None and exc_info is None:
            raise RuntimeError("start_response was called twice; pass exc_info to replace an answer")
        answer.status = status
        answer.given = headers
        return answer.write

    return start_response


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
    checked_status(code)
    if len(CODES) < CODES_LIMIT:
        CODES[status] = code
    return code
