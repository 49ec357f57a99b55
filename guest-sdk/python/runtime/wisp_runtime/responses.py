"""Answers of applications → the record that the host takes.

The record is checked here: what does not fit it would end the instance, where an exception only fails the call.
"""

from wit_world.imports.wisp_function_types import HttpResponse


def response(status: int, headers: list[tuple[str, str]], body: bytes) -> HttpResponse:
    if not 100 <= status <= 999:
        raise ValueError(f"{status} is no HTTP status")
    for name, value in headers:
        if type(name) is str and type(value) is str and name.isascii():
            if value.isascii() or not has_surrogates(value):
                continue
        raise ValueError(f"the header {name!r}: {value!r} is no pair of texts")
    return HttpResponse(status, headers, body)


def has_surrogates(text: str) -> bool:
    """Half a character, which UTF-8 has no form for."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
