import re

from report import has, recent, same
from steps_2016.shared import attempt, clashes, function, refused

SERVICE = "py2-versions"


def run(step, fc, _client):
    function(fc, SERVICE, "f", environmentVariables={"AGE": "one"})

    def age(qualifier=None):
        return fc.invoke_function(SERVICE, "f", b"env:AGE", qualifier=qualifier).data.decode()

    @step("publish_version freezes service and functions")
    def _():
        made = fc.publish_version(SERVICE, description="the first").data
        has(made, {"versionId": "1", "description": "the first"})
        recent(made["createdTime"], "createdTime")
        fc.update_function(SERVICE, "f", environmentVariables={"AGE": "two"})
        has(fc.publish_version(SERVICE).data, {"versionId": "2"})
        same([age("1"), age("2"), age()], ["one", "two", "two"])
        has(fc.get_function(SERVICE, "f", qualifier="1").data, {"environmentVariables": {"AGE": "one"}})
        assert fc.get_function_code(SERVICE, "f", qualifier="1").data["url"]

    @step("list_versions goes forward and backward and pages")
    def _():
        def ids(page):
            return [it["versionId"] for it in page.data["versions"]]

        same(ids(fc.list_versions(SERVICE, direction="FORWARD")), ["1", "2"])
        same(ids(fc.list_versions(SERVICE, direction="BACKWARD")), ["2", "1"])
        first = fc.list_versions(SERVICE, direction="FORWARD", limit=1)
        same(ids(fc.list_versions(SERVICE, direction="FORWARD", limit=1, nextToken=first.data["nextToken"])), ["2"])
        same(ids(fc.list_versions(SERVICE, direction="FORWARD", startKey="2")), ["2"])

    @step("create_alias, get_alias, update_alias and list_aliases")
    def _():
        made = fc.create_alias(SERVICE, "prod", "1", description="what users see", additionalVersionWeight={"2": 0.25})
        has(made.data, {"aliasName": "prod", "versionId": "1", "description": "what users see", "additionalVersionWeight": {"2": 0.25}})
        has(fc.get_alias(SERVICE, "prod").data, {"additionalVersionWeight": {"2": 0.25}})
        has(fc.update_alias(SERVICE, "prod", "2", additionalVersionWeight={}).data, {"versionId": "2", "description": "what users see"})
        same(age("prod"), "two")
        has(fc.update_alias(SERVICE, "prod", None, description="new words").data, {"versionId": "2", "description": "new words"})
        fc.create_alias(SERVICE, "canary", "1")

        def names(page):
            return [it["aliasName"] for it in page.data["aliases"]]

        first = fc.list_aliases(SERVICE, limit=1)
        same(names(first), ["canary"])
        same(names(fc.list_aliases(SERVICE, limit=1, nextToken=first.data["nextToken"])), ["prod"])
        same(names(fc.list_aliases(SERVICE, prefix="p", startKey="a")), ["prod"])

    @step("what is wrong with a version or an alias is named")
    def _():
        refused(lambda: fc.create_alias(SERVICE, "prod", "1"), 409, "AliasAlreadyExists", re.compile("prod"))
        refused(lambda: fc.create_alias(SERVICE, "bad", "9"), 404, "VersionNotFound", f"version '9' of service '{SERVICE}' does not exist")
        refused(lambda: fc.get_alias(SERVICE, "none"), 404, "AliasNotFound", f"alias 'none' of service '{SERVICE}' does not exist")
        refused(lambda: fc.delete_alias(SERVICE, "none"), 404, "AliasNotFound")
        clashes(lambda: fc.delete_version(SERVICE, "1"), "(?i)alias")
        clashes(lambda: fc.delete_service(SERVICE), "(?i)alias|version|function")

    @step("delete_alias and delete_version")
    def _():
        for name in ("canary", "prod"):
            fc.delete_alias(SERVICE, name)
        for version in ("1", "2"):
            fc.delete_version(SERVICE, version)
        refused(lambda: age("1"), 404, "VersionNotFound")

    attempt(lambda: fc.delete_function(SERVICE, "f"))
    attempt(lambda: fc.delete_service(SERVICE))
