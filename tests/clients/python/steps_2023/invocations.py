import base64
import json
import re

from alibabacloud_fc20230330 import models

from report import request_id, same
from steps_2023.shared import attempt, call, create, invoke, refused, wire

NAME = "py3-invoke"


def run(step, fc, _client):
    attempt(lambda: create(fc, NAME, timeout=2))

    @step("invoke_function takes bytes and nothing, and gives back what the function answered")
    def _():
        answer, body = invoke(fc, NAME, b"echo\0\xff\x80")
        same((answer.status_code, body), (200, b"echo\0\xff\x80"))
        request_id(answer.headers["x-fc-request-id"])
        same(fc.invoke_function(NAME, models.InvokeFunctionRequest()).status_code, 200)

    @step("the log comes back on request, failures are answers with x-fc-error-type")
    def _():
        answer, _ = invoke(fc, NAME, b"print:a line of the log", x_fc_log_type="Tail")
        assert b"\na line of the log\n" in base64.b64decode(answer.headers["x-fc-log-result"])
        failed, body = invoke(fc, NAME, b"handled:oops")
        same((failed.status_code, failed.headers["x-fc-error-type"], json.loads(body)), (200, "HandledInvocationError", {"errorMessage": "oops"}))

    @step("what is wrong with an invocation is named")
    def _():
        refused(lambda: invoke(fc, NAME, x_fc_log_type="Invalid"), 400, "InvalidArgument", re.compile("actual: 'Invalid'"))
        refused(lambda: call(fc, "py3-none"), 404, "FunctionNotFound")
        refused(lambda: call(fc, NAME, qualifier="prod"), 404, "AliasNotFound")

    @step("an asynchronous invocation is accepted with a request id and no body")
    def _():
        answer, body = invoke(fc, NAME, b"echo", x_fc_invocation_type="Async")
        same((answer.status_code, body), (202, b""))
        request_id(answer.headers["x-fc-request-id"])

    @step("list_instances names the instances that live")
    def _():
        answer, _ = invoke(fc, NAME, b"echo")
        instances = wire(fc.list_instances(NAME, models.ListInstancesRequest(qualifier="LATEST")))["instances"]
        assert answer.headers["x-fc-instance-id"] in [it["instanceId"] for it in instances], instances

    attempt(lambda: fc.delete_function(NAME))
