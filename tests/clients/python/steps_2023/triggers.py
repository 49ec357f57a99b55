import json
import re
import urllib.parse

from alibabacloud_fc20230330 import models

from report import has, plain, recent, same
from steps_2023.shared import attempt, create, gone, refused, wire

ANONYMOUS = {"authType": "anonymous", "methods": ["GET", "POST"], "disableURLInternet": False}


def run(step, fc, _client):
    attempt(lambda: create(fc, "py3-web"))

    def make(**fields):
        return wire(fc.create_trigger("py3-web", models.CreateTriggerRequest(body=models.CreateTriggerInput(**fields))))

    @step("create_trigger makes an HTTP trigger, whose address serves until it is switched off")
    def _():
        made = make(trigger_name="web", trigger_type="http", trigger_config=json.dumps(ANONYMOUS), description="the door")
        has(made, {"triggerName": "web", "triggerType": "http", "description": "the door"})
        has(json.loads(made["triggerConfig"]), ANONYMOUS)
        recent(made["createdTime"], "createdTime")
        url = made["httpTrigger"]["urlInternet"]
        path = urllib.parse.urlsplit(url).path.rstrip("/") + "/echo"
        same(plain(url, path, "POST", body=b"hello").body, b"hello")
        config = json.dumps({**ANONYMOUS, "disableURLInternet": True})
        fc.update_trigger("py3-web", "web", models.UpdateTriggerRequest(body=models.UpdateTriggerInput(trigger_config=config)))
        same(plain(url, path, "POST", body=b"hello").status, 403)

    @step("get_trigger, list_triggers and update_trigger")
    def _():
        has(wire(fc.get_trigger("py3-web", "web")), {"triggerName": "web", "description": "the door"})
        has(wire(fc.list_triggers("py3-web", models.ListTriggersRequest(limit=5)))["triggers"], [{"triggerName": "web"}])
        body = models.UpdateTriggerInput(description="another door", trigger_config=json.dumps(ANONYMOUS))
        has(wire(fc.update_trigger("py3-web", "web", models.UpdateTriggerRequest(body=body))), {"description": "another door"})

    @step("what is wrong with a trigger is named")
    def _():
        http = {"trigger_type": "http", "trigger_config": json.dumps(ANONYMOUS)}
        refused(lambda: make(trigger_name="web", **http), 409, "TriggerAlreadyExists", re.compile("web"))
        refused(lambda: fc.get_trigger("py3-web", "none"), 404, "TriggerNotFound")
        refused(lambda: make(trigger_name="x", trigger_type="timer", trigger_config="[]"), 400, "InvalidArgument", re.compile("(?i)triggerConfig"))

    @step("delete_trigger answers 204")
    def _():
        gone(fc.delete_trigger("py3-web", "web"))

    attempt(lambda: fc.delete_function("py3-web"))
