import base64
import json
import re

from report import INVOKE, READER, has, request_id, same
from steps_2016.shared import attempt, function, refusal, refused

SERVICE = "py2-invoke"


def run(step, fc, client):
    function(fc, SERVICE, "f", timeout=2)

    @step("invoke_function takes bytes and nothing, and gives back what the function answered")
    def _():
        answer = fc.invoke_function(SERVICE, "f", b"echo\0\xff\x80")
        same(answer.data, b"echo\0\xff\x80")
        request_id(answer.headers["x-fc-request-id"])
        assert int(answer.headers["x-fc-invocation-duration"]) >= 0
        assert float(answer.headers["x-fc-max-memory-usage"]) > 0
        same(fc.invoke_function(SERVICE, "f", b"echo", qualifier="LATEST").data, b"echo")

    @step("the log comes back on request")
    def _():
        answer = fc.invoke_function(SERVICE, "f", b"print:a line of the log", headers={"x-fc-log-type": "Tail"})
        log = base64.b64decode(answer.headers["x-fc-log-result"]).decode()
        assert "\na line of the log\n" in log and "Billed Duration" in log and "Memory Size: 256 MB" in log, log

    @step("failures of the function are errors that carry its document")
    def _():
        error = refusal(lambda: fc.invoke_function(SERVICE, "f", b"handled:oops"))
        same(error.status_code, 200)
        has(json.loads(error.message), {"errorMessage": "oops"})
        late = json.loads(refusal(lambda: fc.invoke_function(SERVICE, "f", b"spin")).message)
        assert late["errorMessage"].startswith("Function timed out after 2 seconds"), late

    @step("what is wrong with an invocation is named")
    def _():
        def invoke(**headers):
            return lambda: fc.invoke_function(SERVICE, "f", b"echo", headers={key.replace("_", "-"): it for key, it in headers.items()})

        refused(invoke(x_fc_log_type="Invalid"), 400, "InvalidArgument", re.compile("allowed: Tail | None, actual: 'Invalid'"))
        refused(invoke(x_fc_invocation_type="Later"), 400, "InvalidArgument", re.compile("Later"))
        refused(lambda: fc.invoke_function(SERVICE, "none", b""), 404, "FunctionNotFound")
        refused(lambda: fc.invoke_function(SERVICE, "f", b"", qualifier="9"), 404, "VersionNotFound")

    @step("an asynchronous invocation is accepted with a request id and no body")
    def _():
        answer = fc.invoke_function(SERVICE, "f", b"echo", headers={"x-fc-invocation-type": "Async"})
        same(answer.data, b"")
        request_id(answer.headers["x-fc-request-id"])

    @step("an invoke key invokes, a read-only key does not")
    def _():
        same(client(INVOKE).invoke_function(SERVICE, "f", b"echo").data, b"echo")
        refused(lambda: client(READER).invoke_function(SERVICE, "f", b"echo"), 403, "AccessDenied")

    @step("list_instances names the instances that live")
    def _():
        name = fc.invoke_function(SERVICE, "f", b"instance-id").headers["x-fc-instance-id"]
        instances = fc.list_instances(SERVICE, "LATEST", "f").data["instances"]
        assert name in [it["instanceId"] for it in instances], instances

    @step("instance_exec is refused, because an instance has no shell")
    def _():
        errors = []
        session = fc.instance_exec(SERVICE, "LATEST", "f", "some-instance", hooks={"on_error": lambda _, error: errors.append(error)})
        session.start()
        assert errors and getattr(errors[0], "status_code", 0) in (400, 404, 501), errors

    attempt(lambda: fc.delete_function(SERVICE, "f"))
    attempt(lambda: fc.delete_service(SERVICE))
