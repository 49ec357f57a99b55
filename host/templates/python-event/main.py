"""Sums up a table: lines of city and temperature in, a summary out."""

import csv
import io

columns = None


def initialize(context):
    """Runs once in every instance, before its first call."""
    global columns
    columns = ("city", "celsius")


def handler(event, context):
    rows = csv.DictReader(io.StringIO(event.decode()))
    readings = {row[columns[0]]: float(row[columns[1]]) for row in rows}
    if not readings:
        return {"count": 0}
    warmest = max(readings, key=readings.get)
    print(f"{len(readings)} readings")
    return {"count": len(readings), "warmest": warmest, "mean": sum(readings.values()) / len(readings)}
