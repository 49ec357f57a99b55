"""Errors of aliyun-fc2, and the function that most subjects need."""

import json
import re

import fc2

from report import package, request_id


def refused(call, status, code, message=None):
    """That a call is refused with a status, a code and a message (a text, or a pattern to be found)."""
    got = refusal(call)
    assert (got.status_code, got.err_code) == (status, code), f"expected {status} {code}, got {got.status_code} {got.message}"
    said = json.loads(got.message)["ErrorMessage"]
    if isinstance(message, re.Pattern):
        assert message.search(said), f"{message.pattern!r} is not in {said!r}"
    elif message is not None:
        assert said == message, f"expected {message!r}, got {said!r}"
    else:
        assert len(said) > 10, f"the message says nothing: {said!r}"


def clashes(call, pattern):
    """That a call is refused because of what is there already; no public document names the code."""
    got = refusal(call)
    assert got.status_code in (400, 403, 409), f"{got.status_code} {got.message}"
    said = json.loads(got.message)["ErrorMessage"]
    assert re.search(pattern, said), f"{pattern!r} is not in {said!r}"


def refusal(call):
    try:
        call()
    except fc2.FcError as error:
        request_id(error.request_id)
        return error
    raise AssertionError("it was not refused")


def attempt(call):
    """What prepares or tidies up; what it is for fails by itself."""
    try:
        call()
    except fc2.FcError:
        pass


def function(fc, service, name, **settings):
    """A service with a function of the test guest."""
    attempt(lambda: fc.create_service(service))
    settings = {"runtime": "custom", "handler": "index.handler", "codeZipFile": package("misbehave"), **settings}
    attempt(lambda: fc.create_function(service, name, **settings))
