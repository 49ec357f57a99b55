"""A report of temperatures: GET /?format=html or json shows it, POST / {"station": "…", "celsius": 21.5} adds to it.

The readings live in the instance: another instance has its own, so a real service would keep them in a database.
"""

import html
import json
import time
from collections import defaultdict

from wit_world import exports
from wit_world.imports.types import Context, HttpRequest, HttpResponse

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Temperatures</title>
<h1>Temperatures</h1>
<table>
<tr><th>Station<th>Readings<th>Mean
{rows}
</table>
<p>Since {since}
"""

# Filled by the initializer; they live as long as the instance.
readings: dict[str, list[float]] = defaultdict(list)
since = ""


class Initializer(exports.Initializer):
    def initialize(self, context: Context) -> None:
        global since
        readings["harbour"] += [17.5, 18.0]
        readings["hill"] += [12.25]
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class HttpHandler(exports.HttpHandler):
    def handle(self, request: HttpRequest, context: Context) -> HttpResponse:
        if request.path not in ("", "/"):
            return refuse(404, f"there is nothing at {request.path}")
        match request.method:
            case "GET":
                return report(dict(request.queries).get("format", "html"))
            case "POST":
                return add(request.body)
        return refuse(405, "use GET or POST", (("allow", "GET, POST"),))


def report(form: str) -> HttpResponse:
    stations = [
        {"station": name, "readings": len(values), "mean": round(sum(values) / len(values), 2)}
        for name, values in sorted(readings.items())
    ]
    if form == "json":
        return answer(200, {"stations": stations, "since": since})
    if form == "html":
        rows = "\n".join(
            f"<tr><td>{html.escape(it['station'])}<td>{it['readings']}<td>{it['mean']}" for it in stations
        )
        body = PAGE.format(rows=rows, since=since).encode()
        return HttpResponse(200, [("content-type", "text/html; charset=utf-8")], body)
    return refuse(400, "format is html or json")


def add(body: bytes) -> HttpResponse:
    try:
        reading = json.loads(body)
        station, celsius = str(reading["station"]), float(reading["celsius"])
    except (ValueError, KeyError, TypeError) as error:
        return refuse(400, f"the body must be a JSON object with station and celsius: {error!r}")
    if not -90 <= celsius <= 60:
        return refuse(400, f"{celsius} °C was never measured on earth")
    readings[station].append(celsius)
    return answer(201, {"station": station, "readings": len(readings[station])})


def refuse(status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    return answer(status, {"errorMessage": message}, headers)


def answer(status: int, document: dict, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    body = json.dumps(document, ensure_ascii=False).encode()
    return HttpResponse(status, [("content-type", "application/json"), *headers], body)
