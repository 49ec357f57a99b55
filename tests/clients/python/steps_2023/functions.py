import re
import urllib.parse

from alibabacloud_fc20230330 import models

from report import ACCOUNT, REGION, crc64, eventually, has, package_bytes, plain, recent, request_id, same
from steps_2023.shared import call, code, create, gone, refusal, refused, update, wire

FULL = {
    "description": "a function with everything",
    "runtime": "python3.10",
    "handler": "index.handler",
    "memorySize": 512,
    "cpu": 0.35,
    "diskSize": 512,
    "timeout": 10,
    "environmentVariables": {"GREETING": "hello"},
    "instanceConcurrency": 1,
    "internetAccess": False,
    "instanceLifecycleConfig": {"initializer": {"handler": "index.initializer", "timeout": 60}},
    "logConfig": {"project": "p", "logstore": "l", "enableRequestMetrics": True, "enableInstanceMetrics": True},
    "role": "acs:ram::1234:role/fc-test",
}


def run(step, fc, _client):
    bytes_ = package_bytes("misbehave")

    def get(name, qualifier=None):
        return wire(fc.get_function(name, models.GetFunctionRequest(qualifier=qualifier)))

    @step("create_function answers the function with its defaults, size, checksum and state")
    def _():
        answer = create(fc, "py3-plain")
        request_id(answer.headers["x-fc-request-id"])
        it = wire(answer)
        has(it, {"functionName": "py3-plain", "description": "", "timeout": 3, "internetAccess": True, "codeSize": len(bytes_)})
        has(it, {"codeChecksum": crc64(bytes_), "functionArn": f"acs:fc:{REGION}:{ACCOUNT}:functions/py3-plain"})
        recent(it["createdTime"], "createdTime")
        eventually("the function is Active", lambda: get("py3-plain").get("state") == "Active")

    @step("get_function reads back every field that create_function set")
    def _():
        body = models.CreateFunctionInput().from_map({"functionName": "py3-full", **FULL})
        body.code = code()
        has(wire(fc.create_function(models.CreateFunctionRequest(body=body))), FULL)
        has(get("py3-full", "LATEST"), FULL)

    @step("update_function changes what it is given and nothing else")
    def _():
        after = wire(update(fc, "py3-full", timeout=20, environment_variables={"GREETING": "bye"}))
        has(after, {**FULL, "timeout": 20, "environmentVariables": {"GREETING": "bye"}})
        same(call(fc, "py3-full", b"env:GREETING"), "bye")

    @step("get_function_code gives a URL that has the bytes that were sent")
    def _():
        data = wire(fc.get_function_code("py3-plain", models.GetFunctionCodeRequest()))
        same(data["checksum"], crc64(bytes_))
        url = urllib.parse.urlsplit(data["url"])
        answer = plain(data["url"], f"{url.path}?{url.query}")
        assert answer.status == 200 and answer.body == bytes_, f"{answer.status}, {len(answer.body)} bytes"

    @step("list_functions pages and filters")
    def _():
        def listed(**fields):
            return wire(fc.list_functions(models.ListFunctionsRequest(prefix="py3-", **fields)))

        first = listed(limit=1)
        same([it["functionName"] for it in first["functions"]], ["py3-full"])
        second = listed(limit=1, next_token=first["nextToken"])
        same([it["functionName"] for it in second["functions"]], ["py3-plain"])
        same([it["functionName"] for it in listed(runtime="custom")["functions"]], ["py3-plain"])

    @step("what is wrong with a function is named")
    def _():
        refused(lambda: create(fc, "py3-plain"), 409, "FunctionAlreadyExists", re.compile("py3-plain"))
        refused(lambda: create(fc, "py3-bad", memory_size=100), 400, "InvalidArgument", re.compile("(?i)memorySize"))
        refused(lambda: create(fc, "py3-bad", code=None), 400, "InvalidArgument", re.compile("(?i)code"))
        refused(lambda: get("py3-none"), 404, "FunctionNotFound", "function 'py3-none' does not exist")

    @step("a function that is disabled is not called until it is enabled")
    def _():
        has(wire(fc.disable_function_invocation("py3-plain", models.DisableFunctionInvocationRequest(reason="for the test"))), {"success": True})
        assert 400 <= refusal(lambda: call(fc, "py3-plain", b"echo")).status_code < 500
        has(wire(fc.enable_function_invocation("py3-plain")), {"success": True})
        same(call(fc, "py3-plain", b"echo"), "echo")

    @step("delete_function answers 204 and the function is gone")
    def _():
        for name in ("py3-plain", "py3-full"):
            gone(fc.delete_function(name))
            refused(lambda: get(name), 404, "FunctionNotFound")
