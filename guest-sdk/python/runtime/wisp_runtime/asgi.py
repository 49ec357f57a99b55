"""ASGI applications: HTTP and lifespan. WebSockets do not reach functions."""

import asyncio

from . import event_loop
from .context import RequestContext
from .request_texts import METHOD, PATH, REST, URL, client_and_headers, decoded
from .responses import Response, checked_status, packed_bytes

VERSION = {"version": "3.0", "spec_version": "2.4"}


class AsgiHandler:
    def __init__(self, application):
        self.application = application
        self.state: dict = {}
        self.lifespan: Lifespan | None = None

    def start(self) -> None:
        """The application's startup. It runs once in an instance: by the initializer, or before the first request."""
        if self.lifespan is None:
            lifespan = Lifespan(self.application, self.state)
            event_loop.run(lifespan.start())
            self.lifespan = lifespan

    def stop(self) -> None:
        if self.lifespan is not None:
            event_loop.run(self.lifespan.stop())

    def handle(self, texts, body):
        self.start()
        exchange = Exchange(body)
        event_loop.run(self.application(self.scope(texts), exchange.receive, exchange.send))
        return exchange.finish()

    def scope(self, texts) -> dict:
        path, _, query = texts[URL].encode("latin-1").partition(b"?")
        client_ip, pairs = client_and_headers(texts[REST])
        pairs = [text.encode("latin-1") for text in pairs]
        headers = list(zip(pairs[::2], pairs[1::2]))
        host = next((value for name, value in headers if name == b"host"), b"localhost:9000").decode("latin-1")
        name, _, port = host.rpartition(":") if ":" in host else (host, "", "80")
        return {
            "type": "http",
            "asgi": VERSION,
            "http_version": "1.1",
            "method": texts[METHOD],
            "scheme": "http",
            "path": decoded(texts[PATH]),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": (client_ip, 0),
            "server": (name, int(port) if port.isdigit() else 80),
            "state": self.state.copy(),
            "fc.context": RequestContext(texts),
        }


class Exchange:
    """One request and its answer."""

    def __init__(self, body: bytes):
        self.body = body
        self.is_read = False
        self.status = None
        self.headers = []
        self.chunks = []
        self.complete = asyncio.Event()

    async def receive(self) -> dict:
        if not self.is_read:
            self.is_read = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        # The client is there until it has the answer.
        await self.complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        match message["type"]:
            case "http.response.start":
                self.status = message["status"]
                self.headers = list(message.get("headers", ()))
            case "http.response.body":
                self.chunks.append(message.get("body", b""))
                if not message.get("more_body", False):
                    self.complete.set()
            case other:
                raise RuntimeError(f"functions cannot send ASGI's {other}")

    def finish(self):
        if self.status is None:
            raise RuntimeError("the application ended without an answer")
        return Response(checked_status(self.status), packed_bytes(self.headers), b"".join(self.chunks))


class Lifespan:
    """The task in which an application waits between its startup and its shutdown."""

    def __init__(self, application, state: dict):
        self.application = application
        self.scope = {"type": "lifespan", "asgi": VERSION, "state": state}
        self.answer: asyncio.Future | None = None

    async def start(self) -> None:
        self.inbox = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self._run())
        await self._say("startup")

    async def stop(self) -> None:
        if not self.task.done():
            await self._say("shutdown")

    async def _run(self) -> None:
        await self.application(self.scope, self.inbox.get, self._send)

    async def _say(self, what: str) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        self.inbox.put_nowait({"type": f"lifespan.{what}"})
        await asyncio.wait((self.answer, self.task), return_when=asyncio.FIRST_COMPLETED)
        # An application that knows no lifespan raises or returns at once: that is allowed.
        if self.answer.done():
            self.answer.result()

    async def _send(self, message: dict) -> None:
        if not self.answer.done():
            if message["type"].endswith(".failed"):
                self.answer.set_exception(RuntimeError(f"{message['type']}: {message.get('message', '')}"))
            else:
                self.answer.set_result(None)
