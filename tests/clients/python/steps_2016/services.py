import re

from report import has, recent, request_id, same
from steps_2016.shared import refused

FULL = {
    "description": "a service with everything",
    "role": "acs:ram::1234:role/fc-test",
    "internetAccess": False,
    "logConfig": {"project": "p", "logstore": "l", "enableRequestMetrics": True, "enableInstanceMetrics": True},
    "vpcConfig": {"vpcId": "vpc-x", "vSwitchIds": ["vsw-x"], "securityGroupId": "sg-x"},
    "nasConfig": {"userId": 100, "groupId": 100, "mountPoints": [{"serverAddr": "h:/", "mountDir": "/home/test"}]},
    "tracingConfig": {"type": "Jaeger", "params": {"endpoint": "http://jaeger.example/api"}},
}


def run(step, fc, _client):
    @step("create_service answers the service with its defaults")
    def _():
        made = fc.create_service("py2-plain")
        has(made.data, {"serviceName": "py2-plain", "description": "", "internetAccess": True})
        recent(made.data["createdTime"], "createdTime")
        assert made.headers["etag"]
        request_id(made.headers["x-fc-request-id"])

    @step("get_service reads back every field that create_service set")
    def _():
        has(fc.create_service("py2-full", **FULL).data, FULL)
        has(fc.get_service("py2-full").data, FULL)
        has(fc.get_service("py2-full", qualifier="LATEST").data, FULL)

    @step("update_service changes what it is given and nothing else, if the etag is right")
    def _():
        etag = fc.get_service("py2-full").headers["etag"]
        refused(lambda: fc.update_service("py2-full", description="x", headers={"if-match": "stale"}), 412, "PreconditionFailed")
        changed = fc.update_service("py2-full", description="changed", headers={"if-match": etag})
        has(changed.data, {**FULL, "description": "changed"})
        assert changed.headers["etag"] != etag
        same(fc.update_service("py2-full", tracingConfig={}).data["tracingConfig"], {"type": None, "params": None})

    @step("list_services is ordered by name and pages by limit and nextToken")
    def _():
        for name in ("py2-list-b", "py2-list-a", "py2-list-c"):
            fc.create_service(name)

        def names(page):
            return [it["serviceName"] for it in page.data["services"]]

        first = fc.list_services(prefix="py2-list-", limit=2)
        same(names(first), ["py2-list-a", "py2-list-b"])
        second = fc.list_services(prefix="py2-list-", limit=2, nextToken=first.data["nextToken"])
        same(names(second), ["py2-list-c"])
        assert not second.data.get("nextToken")
        same(names(fc.list_services(prefix="py2-list-", startKey="py2-list-b")), ["py2-list-b", "py2-list-c"])

    @step("what is wrong with a service is named")
    def _():
        refused(lambda: fc.create_service("py2-plain"), 409, "ServiceAlreadyExists", re.compile("py2-plain"))
        refused(lambda: fc.create_service("1st"), 400, "InvalidArgument", re.compile("1st"))
        refused(lambda: fc.create_service("py2-bad", description="d" * 257), 400, "InvalidArgument", re.compile("(?i)description"))
        refused(lambda: fc.get_service("py2-none"), 404, "ServiceNotFound", "service 'py2-none' does not exist")
        refused(lambda: fc.delete_service("py2-none"), 404, "ServiceNotFound")

    @step("delete_service takes the service away, if the etag is right")
    def _():
        refused(lambda: fc.delete_service("py2-plain", headers={"if-match": "stale"}), 412, "PreconditionFailed")
        for name in ("py2-plain", "py2-full", "py2-list-a", "py2-list-b", "py2-list-c"):
            fc.delete_service(name)
            refused(lambda: fc.get_service(name), 404, "ServiceNotFound")
