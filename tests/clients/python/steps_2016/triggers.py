import json
import re

from report import ADMIN, TRIGGERS, Key, has, plain, recent, same
from steps_2016.shared import attempt, clashes, function, refused

SERVICE = "py2-triggers"
ANONYMOUS = {"authType": "anonymous", "methods": ["GET", "POST"]}
TIMER = {"cronExpression": "0 0 4 * * *", "payload": "wake up", "enable": False}


def run(step, fc, client):
    function(fc, SERVICE, "f")
    function(fc, SERVICE, "g")
    path = f"/2016-08-15/proxy/{SERVICE}/f"

    @step("create_trigger makes an HTTP trigger that drops its source")
    def _():
        made = fc.create_trigger(SERVICE, "f", "web", "http", ANONYMOUS, "dropped", None, description="the door")
        has(made.data, {"triggerName": "web", "triggerType": "http", "triggerConfig": ANONYMOUS, "sourceArn": None, "description": "the door"})
        recent(made.data["createdTime"], "createdTime")
        same(plain(TRIGGERS, f"{path}/echo", "POST", body=b"hello").body, b"hello")

    @step("get_trigger, list_triggers and update_trigger")
    def _():
        has(fc.get_trigger(SERVICE, "f", "web").data, {"triggerConfig": ANONYMOUS})
        has(fc.list_triggers(SERVICE, "f", limit=5, prefix="w", startKey="a").data["triggers"], [{"triggerName": "web"}])
        refused(lambda: fc.update_trigger(SERVICE, "f", "web", description="x", headers={"if-match": "stale"}), 412, "PreconditionFailed")
        signed = {"authType": "function", "methods": ["GET", "POST"]}
        has(fc.update_trigger(SERVICE, "f", "web", triggerConfig=signed).data, {"triggerConfig": signed, "description": "the door"})

    @step("do_http_request signs for authType function, with path and query as they are")
    def _():
        same(plain(TRIGGERS, f"{path}/request").status, 400)
        for endpoint in (TRIGGERS, None):
            caller = client(ADMIN, endpoint) if endpoint else fc
            answer = caller.do_http_request("GET", SERVICE, "f", "/request", params={"aaa": "", "a": ["1", "2"]})
            same(answer.status_code, 200)
            assert json.loads(answer.text)["url"].endswith("/request?aaa=&a=1&a=2"), answer.text
            same(caller.do_http_request("POST", SERVICE, "f", "/echo", body=b"signed body").content, b"signed body")
        unicode = client(ADMIN, TRIGGERS).do_http_request("GET", SERVICE, "f", "/request:%E4%B8%AD%E6%96%87", params={})
        same((unicode.status_code, json.loads(unicode.text)["path"]), (200, "/request:中文"))
        wrong = client(Key(ADMIN.id, "x" * 20), TRIGGERS).do_http_request("GET", SERVICE, "f", "/request")
        same(wrong.status_code, 403)

    @step("a timer trigger reads back as it was made, and none stands beside an HTTP trigger")
    def _():
        has(fc.create_trigger(SERVICE, "g", "clock", "timer", TIMER, None, None).data, {"triggerType": "timer", "triggerConfig": TIMER})
        has(fc.get_trigger(SERVICE, "g", "clock").data, {"triggerConfig": TIMER})
        clashes(lambda: fc.create_trigger(SERVICE, "f", "clock", "timer", TIMER, None, None), "(?i)http trigger")

    @step("what is wrong with a trigger is named")
    def _():
        refused(lambda: fc.create_trigger(SERVICE, "f", "web", "http", ANONYMOUS, None, None), 409, "TriggerAlreadyExists", re.compile("web"))
        refused(lambda: fc.create_trigger(SERVICE, "g", "x", "pigeon", {}, None, None), 400, "InvalidArgument", re.compile("pigeon"))
        refused(lambda: fc.create_trigger("py2-none", "f", "web", "http", ANONYMOUS, None, None), 404, "ServiceNotFound")
        refused(lambda: fc.get_trigger("py2-none", "f", "web"), 404, "ServiceNotFound")
        refused(lambda: fc.update_trigger("py2-none", "f", "web"), 404, "ServiceNotFound")
        refused(lambda: fc.delete_trigger(SERVICE, "g", "none"), 404, "TriggerNotFound")

    @step("delete_trigger")
    def _():
        fc.delete_trigger(SERVICE, "f", "web")
        fc.delete_trigger(SERVICE, "g", "clock")
        same(fc.list_triggers(SERVICE, "f").data["triggers"], [])

    for name in ("f", "g"):
        attempt(lambda: fc.delete_function(SERVICE, name))
    attempt(lambda: fc.delete_service(SERVICE))
