import re

from alibabacloud_fc20230330 import models

from report import eventually, has, same
from steps_2023.shared import attempt, create, gone, invoke, refused, wire

NAME = "py3-tasks"


def run(step, fc, _client):
    attempt(lambda: create(fc, NAME, timeout=60))

    def put(**fields):
        body = models.PutAsyncInvokeConfigInput(async_task=True, max_async_retry_attempts=0, max_async_event_age_in_seconds=300, **fields)
        return wire(fc.put_async_invoke_config(NAME, models.PutAsyncInvokeConfigRequest(qualifier="LATEST", body=body)))

    def task(name):
        return wire(fc.get_async_task(NAME, name, models.GetAsyncTaskRequest()))

    def submit(name, event):
        return invoke(fc, NAME, event, x_fc_invocation_type="Async", x_fc_async_task_id=name)

    @step("async invoke configs: put, get and list")
    def _():
        has(put(), {"asyncTask": True, "maxAsyncRetryAttempts": 0, "maxAsyncEventAgeInSeconds": 300})
        has(wire(fc.get_async_invoke_config(NAME, models.GetAsyncInvokeConfigRequest(qualifier="LATEST"))), {"asyncTask": True})
        has(wire(fc.list_async_invoke_configs(models.ListAsyncInvokeConfigsRequest(function_name=NAME)))["configs"], [{"asyncTask": True}])
        far = models.DestinationConfig(on_success=models.Destination(destination="over there"))
        refused(lambda: put(destination_config=far), 400, "InvalidArgument", re.compile("(?i)destination"))

    @step("an asynchronous task tells how it went")
    def _():
        answer, _ = submit("py3-good", b"echo the payload")
        same((answer.status_code, answer.headers["x-fc-async-task-id"]), (202, "py3-good"))
        eventually("it succeeds", lambda: task("py3-good")["status"] == "Succeeded")
        has(task("py3-good"), {"taskPayload": "echo the payload", "returnPayload": "echo the payload"})
        listed = wire(fc.list_async_tasks(NAME, models.ListAsyncTasksRequest(prefix="py3-", status="Succeeded", limit=5)))["tasks"]
        has(listed, [{"taskId": "py3-good"}])

    @step("stop_async_task stops a running task")
    def _():
        submit("py3-long", b"sleep:60000")
        eventually("it runs", lambda: task("py3-long")["status"] == "Running")
        gone(fc.stop_async_task(NAME, "py3-long", models.StopAsyncTaskRequest()))
        eventually("it is stopped", lambda: task("py3-long")["status"] == "Stopped")
        refused(lambda: fc.stop_async_task(NAME, "py3-good", models.StopAsyncTaskRequest()), 400, "InvalidArgument")

    @step("delete_async_invoke_config answers 204")
    def _():
        gone(fc.delete_async_invoke_config(NAME, models.DeleteAsyncInvokeConfigRequest(qualifier="LATEST")))
        get = models.GetAsyncInvokeConfigRequest(qualifier="LATEST")
        refused(lambda: fc.get_async_invoke_config(NAME, get), 404, "AsyncConfigNotExists")

    attempt(lambda: fc.delete_function(NAME))
