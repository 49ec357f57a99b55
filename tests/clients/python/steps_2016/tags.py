from report import ACCOUNT, REGION, has, same
from steps_2016.shared import attempt, refused

ARN = f"acs:fc:{REGION}:{ACCOUNT}:services/py2-tagged"


def run(step, fc, _client):
    attempt(lambda: fc.create_service("py2-tagged"))

    @step("tag_resource, get_resource_tags and the filter of list_services")
    def _():
        fc.tag_resource("services/py2-tagged", {"team": "blue", "stage": "test"})
        has(fc.get_resource_tags("services/py2-tagged").data, {"resourceArn": ARN, "tags": {"team": "blue", "stage": "test"}})
        same([it["serviceName"] for it in fc.list_services(prefix="py2-", tags={"team": "blue"}).data["services"]], ["py2-tagged"])

    @step("untag_resource takes single tags away, or all")
    def _():
        fc.untag_resource(ARN, ["team"])
        same(fc.get_resource_tags(ARN).data["tags"], {"stage": "test"})
        fc.untag_resource(ARN, [], deleteAll=True)
        same(fc.get_resource_tags(ARN).data.get("tags") or {}, {})
        refused(lambda: fc.tag_resource("services/py2-none", {"a": "b"}), 404, "ServiceNotFound")

    attempt(lambda: fc.delete_service("py2-tagged"))
