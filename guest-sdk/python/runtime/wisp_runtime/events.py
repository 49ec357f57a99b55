"""Event handlers: `handler(event, context)`, plain or async."""

import json
from datetime import date, datetime, time
from decimal import Decimal
from inspect import iscoroutine

encode_json = json.JSONEncoder(ensure_ascii=False, default=lambda value: plain(value)).encode


class EventHandler:
    def __init__(self, function):
        self.function = function

    def handle(self, event: bytes, context) -> bytes:
        result = self.function(event, context)
        if iscoroutine(result):
            from . import event_loop

            result = event_loop.run(result)
        return to_bytes(result)


def to_bytes(result) -> bytes:
    """bytes and texts as they are, everything else as JSON."""
    if type(result) is str:
        return result.encode()
    if type(result) is bytes:
        return result
    if isinstance(result, (bytearray, memoryview)):
        return bytes(result)
    if isinstance(result, str):
        return str(result).encode()
    if isinstance(result, bytes):
        return bytes(result)
    return encode_json(result).encode()


def plain(value):
    """What JSON has no form for, as FC writes it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    to_json = getattr(value, "to_json", None)
    if callable(to_json):
        return to_json()
    raise TypeError(
        f"the handler returned {type(value).__name__}, which is no JSON: return str, bytes, or what json.dumps takes"
    )
