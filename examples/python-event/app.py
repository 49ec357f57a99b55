"""Sums up a table: CSV with a header line in, per numeric column count, least, greatest and mean out, as JSON.

The initializer prepares what every event uses.
"""

import csv
import io
import json
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Context, Failure, FailureKind

# Set by the initializer; they live as long as the instance.
decimal_point: dict[int, int] = {}
initialized_at = 0
calls = 0


class Initializer(exports.Initializer):
    def initialize(self, context: Context) -> None:
        global decimal_point, initialized_at
        # Numbers may be written with a point or a comma.
        decimal_point = str.maketrans(",", ".")
        initialized_at = time.time_ns() // 1_000_000
        print("ready to read tables")


class EventHandler(exports.EventHandler):
    def handle(self, event: bytes, context: Context) -> bytes:
        global calls
        header, *rows = read(event)
        calls += 1
        columns = {name: summary(row[index] for row in rows) for index, name in enumerate(header)}
        answer = {
            "rows": len(rows),
            "columns": {name: column for name, column in columns.items() if column},
            "initializedAt": initialized_at,
            "calls": calls,
        }
        return json.dumps(answer).encode()


def read(event: bytes) -> list[list[str]]:
    try:
        text = event.decode()
    except UnicodeDecodeError as error:
        raise failure("InvalidTable", f"the event is no UTF-8 text: {error}") from error
    delimiter = ";" if text.count(";") > text.count(",") else ","
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if len(rows) < 2:
        raise failure("InvalidTable", "the table needs a header line and at least one row")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise failure("InvalidTable", f"row {number} has {len(row)} cells, the header has {len(rows[0])}")
    return rows


def summary(cells) -> dict | None:
    """None for a column that holds anything but numbers."""
    try:
        numbers = [float(cell.translate(decimal_point)) for cell in cells]
    except ValueError:
        return None
    mean = sum(numbers) / len(numbers)
    return {"count": len(numbers), "min": min(numbers), "max": max(numbers), "mean": round(mean, 6)}


def failure(kind: str, message: str) -> Err:
    """An error that the function reports on purpose. The caller receives the document."""
    document = json.dumps({"errorType": kind, "errorMessage": message})
    return Err(Failure(FailureKind.HANDLED, document))
