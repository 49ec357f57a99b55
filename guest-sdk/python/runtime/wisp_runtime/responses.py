"""Answers of applications → the record that the host takes.

The record is checked here: what does not fit it would end the instance, where an exception only fails the call.
"""

SEPARATOR = b"\xff"


class Response:
    """What the marshaller reads of an answer."""

    __slots__ = ("status_code", "headers", "body")

    def __init__(self, status: int, headers: bytes, body: bytes):
        self.status_code = status
        self.headers = headers
        self.body = body


def checked_status(status: int) -> int:
    if not isinstance(status, int) or not 100 <= status <= 999:
        raise ValueError(f"{status!r} is no HTTP status")
    return status


def packed(headers: list[tuple[str, str]]) -> bytes:
    """Names and values in UTF-8, with a byte 0xFF between each two. Texts are bytes read as Latin-1, as in WSGI."""
    if not headers:
        return b""
    try:
        joined = "\n".join([text for name, value in headers for text in (name, value)])
        # ASCII, and no text is two: so nearly all are. UTF-8 has no byte 0xFF, so no text can become two afterwards.
        if joined.isascii() and joined.count("\n") == 2 * len(headers) - 1:
            return joined.encode().replace(b"\n", SEPARATOR)
    except TypeError:
        pass
    return SEPARATOR.join(text for name, value in headers for text in encoded_pair(name, value))


def packed_bytes(headers: list[tuple[bytes, bytes]]) -> bytes:
    """As `packed`, of bytes."""
    return packed([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])


def encoded_pair(name, value) -> tuple[bytes, bytes]:
    try:
        return name.encode("ascii"), encoded(str(value))
    except (AttributeError, UnicodeError):
        raise ValueError(f"the header {name!r}: {value!r} is no pair of texts") from None


def encoded(value: str) -> bytes:
    """A text in UTF-8: its bytes in Latin-1, if those are UTF-8."""
    try:
        raw = value.encode("latin-1")
        raw.decode()
        return raw
    except UnicodeError:
        return value.encode()
