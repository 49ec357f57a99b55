"""Requests, errors and the function that most subjects of API 2023-03-30 need."""

import io
import re

from alibabacloud_fc20230330 import models
from darabonba.exceptions import DaraException
from darabonba.runtime import RuntimeOptions

from report import package_text, request_id


def wire(answer):
    """The body of an answer as it is on the wire."""
    return answer.body.to_map()


def refused(call, status, code, message=None):
    """That a call is refused with a status, a code and a message (a text, or a pattern to be found)."""
    got = refusal(call)
    assert (got.status_code, got.code) == (status, code), f"expected {status} {code}, got {got.status_code} {got.message}"
    said = got.data["Message"]
    if isinstance(message, re.Pattern):
        assert message.search(said), f"{message.pattern!r} is not in {said!r}"
    elif message is not None:
        assert said == message, f"expected {message!r}, got {said!r}"
    else:
        assert len(said) > 10, f"the message says nothing: {said!r}"


def refusal(call):
    try:
        call()
    except DaraException as error:
        if not hasattr(error, "status_code"):
            raise
        # The SDK adds the status to what came.
        assert sorted(error.data) == ["Code", "Message", "RequestId", "statusCode"], error.data
        request_id(error.data["RequestId"])
        return error
    raise AssertionError("it was not refused")


def gone(answer):
    """That an answer is a 204 with a request id."""
    assert answer.status_code == 204, answer.status_code
    request_id(answer.headers["x-fc-request-id"])


def attempt(call):
    """What prepares or tidies up; what it is for fails by itself."""
    try:
        call()
    except DaraException:
        pass


def code(name="misbehave"):
    return models.InputCodeLocation(zip_file=package_text(name))


def create(fc, name, **fields):
    """Creates a function of the test guest."""
    fields = {"runtime": "custom", "handler": "index.handler", "code": code(), **fields}
    return fc.create_function(models.CreateFunctionRequest(body=models.CreateFunctionInput(function_name=name, **fields)))


def update(fc, name, **fields):
    return fc.update_function(name, models.UpdateFunctionRequest(body=models.UpdateFunctionInput(**fields)))


def invoke(fc, name, event=b"", qualifier=None, **headers):
    """Invokes a function; returns the answer and its body."""
    request = models.InvokeFunctionRequest(body=io.BytesIO(event), qualifier=qualifier)
    answer = fc.invoke_function_with_options(name, request, models.InvokeFunctionHeaders(**headers), RuntimeOptions())
    return answer, answer.body.read()


def call(fc, name, event=b"", **options):
    return invoke(fc, name, event, **options)[1].decode()
