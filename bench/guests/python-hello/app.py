"""The smallest HTTP function in Python."""

from wit_world import exports
from wit_world.imports.types import Context, HttpRequest, HttpResponse


class HttpHandler(exports.HttpHandler):
    def handle(self, request: HttpRequest, context: Context) -> HttpResponse:
        return HttpResponse(200, [("content-type", "text/plain")], b"hello, world\n")
