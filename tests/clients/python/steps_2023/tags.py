from alibabacloud_fc20230330 import models

from report import ACCOUNT, REGION, same
from steps_2023.shared import attempt, create, refused, wire

NAME = "py3-tagged"
ARN = f"acs:fc:{REGION}:{ACCOUNT}:functions/{NAME}"


def run(step, fc, _client):
    attempt(lambda: create(fc, NAME))

    def listed(**fields):
        page = wire(fc.list_tag_resources(models.ListTagResourcesRequest(resource_type="function", **fields)))
        # A resource comes back by its name or by its ARN.
        found = [(it["ResourceId"].rpartition("/")[2], it["TagKey"], it["TagValue"]) for it in page.get("TagResources") or []]
        return sorted(found)

    def tag(resource, **tags):
        pairs = [models.Tag(key=key, value=value) for key, value in tags.items()]
        body = models.TagResourcesInput(resource_type="function", resource_id=[resource], tag=pairs)
        return fc.tag_resources(models.TagResourcesRequest(body=body))

    @step("tag_resources, list_tag_resources and untag_resources")
    def _():
        tag(ARN, team="blue", stage="test")
        same(listed(resource_id=[ARN]), [(NAME, "stage", "test"), (NAME, "team", "blue")])
        fc.untag_resources(models.UntagResourcesRequest(resource_type="function", resource_id=[ARN], tag_key=["stage"]))
        same(listed(resource_id=[ARN]), [(NAME, "team", "blue")])
        refused(lambda: tag(ARN.replace(NAME, "py3-none"), a="b"), 404, "FunctionNotFound")

    attempt(lambda: fc.delete_function(NAME))
