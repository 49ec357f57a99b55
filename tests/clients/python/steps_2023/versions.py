import re

from alibabacloud_fc20230330 import models

from report import has, recent, same
from steps_2023.shared import attempt, call, create, gone, refusal, refused, update, wire

NAME = "py3-versions"


def run(step, fc, _client):
    attempt(lambda: create(fc, NAME, environment_variables={"AGE": "one"}))

    def alias(**fields):
        return wire(fc.create_alias(NAME, models.CreateAliasRequest(body=models.CreateAliasInput(**fields))))

    @step("publish_function_version freezes the function; list_function_versions tells")
    def _():
        body = models.PublishVersionInput(description="the first")
        made = wire(fc.publish_function_version(NAME, models.PublishFunctionVersionRequest(body=body)))
        has(made, {"versionId": "1", "description": "the first"})
        recent(made["createdTime"], "createdTime")
        update(fc, NAME, environment_variables={"AGE": "two"})
        has(wire(fc.publish_function_version(NAME, models.PublishFunctionVersionRequest(body=models.PublishVersionInput()))), {"versionId": "2"})
        same([call(fc, NAME, b"env:AGE", qualifier="1"), call(fc, NAME, b"env:AGE")], ["one", "two"])
        for direction, ids in (("FORWARD", ["1", "2"]), ("BACKWARD", ["2", "1"])):
            page = wire(fc.list_function_versions(NAME, models.ListFunctionVersionsRequest(direction=direction)))
            same([it["versionId"] for it in page["versions"]], ids)

    @step("create_alias, get_alias, update_alias and list_aliases")
    def _():
        has(alias(alias_name="prod", version_id="1", additional_version_weight={"2": 0.25}), {"additionalVersionWeight": {"2": 0.25}})
        has(wire(fc.get_alias(NAME, "prod")), {"aliasName": "prod", "versionId": "1"})
        body = models.UpdateAliasInput(version_id="2", additional_version_weight={})
        has(wire(fc.update_alias(NAME, "prod", models.UpdateAliasRequest(body=body))), {"versionId": "2"})
        same(call(fc, NAME, b"env:AGE", qualifier="prod"), "two")
        alias(alias_name="canary", version_id="1")
        first = wire(fc.list_aliases(NAME, models.ListAliasesRequest(limit=1)))
        same([it["aliasName"] for it in first["aliases"]], ["canary"])
        second = wire(fc.list_aliases(NAME, models.ListAliasesRequest(limit=1, next_token=first["nextToken"])))
        same([it["aliasName"] for it in second["aliases"]], ["prod"])

    @step("what is wrong with a version or an alias is named")
    def _():
        refused(lambda: alias(alias_name="prod", version_id="1"), 409, "AliasAlreadyExists", re.compile("prod"))
        refused(lambda: alias(alias_name="bad", version_id="9"), 404, "VersionNotFound")
        refused(lambda: fc.get_alias(NAME, "none"), 404, "AliasNotFound")
        assert "alias" in refusal(lambda: fc.delete_function_version(NAME, "2")).data["Message"]

    @step("delete_alias and delete_function_version answer 204")
    def _():
        for name in ("canary", "prod"):
            gone(fc.delete_alias(NAME, name))
        for version in ("1", "2"):
            gone(fc.delete_function_version(NAME, version))

    attempt(lambda: fc.delete_function(NAME))
