"""Operations on what one host does not have: networks, layers, sessions, snapshots of sessions, resource groups."""

import re

from alibabacloud_fc20230330 import models

from report import ACCOUNT, REGION, has, same
from steps_2023.shared import attempt, create, gone, refusal, refused, wire

NAME = "py3-elsewhere"


def run(step, fc, _client):
    attempt(lambda: create(fc, NAME))

    @step("describe_regions names the one region")
    def _():
        has(wire(fc.describe_regions(models.DescribeRegionsRequest()))["Regions"]["Region"], [{"RegionId": REGION}])

    @step("the name of a network is kept and read back")
    def _():
        bind = models.CreateVpcBindingRequest(body=models.CreateVpcBindingInput(vpc_id="vpc-x"))
        same(fc.create_vpc_binding(NAME, bind).status_code, 204)
        same(wire(fc.list_vpc_bindings(NAME))["vpcIds"], ["vpc-x"])
        gone(fc.delete_vpc_binding(NAME, "vpc-x"))
        same(refusal(lambda: fc.delete_vpc_binding(NAME, "vpc-x")).status_code, 404)

    @step("there are no layers, and none can be made")
    def _():
        same(wire(fc.list_layers(models.ListLayersRequest())).get("layers") or [], [])
        same(wire(fc.list_layer_versions("none", models.ListLayerVersionsRequest())).get("layers") or [], [])
        arn = f"acs:fc:{REGION}:{ACCOUNT}:layers/none/versions/1"
        refused(lambda: fc.get_layer_version("none", "1"), 404, "LayerNotFound")
        refused(lambda: fc.get_layer_version_by_arn(arn), 404, "LayerNotFound")
        refused(lambda: fc.delete_layer_version("none", "1"), 400, "InvalidArgument", re.compile("(?i)layer"))
        refused(lambda: fc.put_layer_acl("none", models.PutLayerACLRequest(public="true")), 400, "InvalidArgument", re.compile("(?i)layer"))
        body = models.CreateLayerVersionInput(code=models.InputCodeLocation(zip_file="UEsFBg=="), compatible_runtime=["custom"])
        refused(lambda: fc.create_layer_version("py3", models.CreateLayerVersionRequest(body=body)), 400, "InvalidArgument", re.compile("(?i)layer"))

    @step("there are no sessions, and the answer says so")
    def _():
        create_ = models.CreateSessionRequest(body=models.CreateSessionInput(session_ttlin_seconds=60))
        change = models.UpdateSessionRequest(body=models.UpdateSessionInput(session_ttlin_seconds=60))
        for ask in (
            lambda: fc.list_sessions(NAME, models.ListSessionsRequest()),
            lambda: fc.create_session(NAME, create_),
            lambda: fc.get_session(NAME, "s", models.GetSessionRequest()),
            lambda: fc.update_session(NAME, "s", change),
            lambda: fc.pause_session(NAME, "s", models.PauseSessionRequest()),
            lambda: fc.resume_session(NAME, "s", models.ResumeSessionRequest()),
            lambda: fc.delete_session(NAME, "s", models.DeleteSessionRequest()),
        ):
            refused(ask, 400, "InvalidArgument", re.compile("(?i)session"))

    @step("there are no snapshots of sessions, and none can be made")
    def _():
        same(wire(fc.list_snapshots(models.ListSnapshotsRequest())).get("snapshots") or [], [])
        make = models.CreateSnapshotRequest(body=models.CreateSnapshotInput(session_id="s"))
        for ask in (
            lambda: fc.create_snapshot(NAME, make),
            lambda: fc.get_snapshot(NAME, "s", models.GetSnapshotRequest()),
            lambda: fc.delete_snapshot(NAME, "s", models.DeleteSnapshotRequest()),
        ):
            refused(ask, 400, "InvalidArgument", re.compile("(?i)snapshot"))

    @step("there are no resource groups to move a function to")
    def _():
        body = models.ChangeResourceGroupInput(new_resource_group_id="rg-x", resource_id=NAME, resource_type="function")
        request = models.ChangeResourceGroupRequest(body=body)
        refused(lambda: fc.change_resource_group(request), 400, "InvalidArgument", re.compile("(?i)resource group"))

    attempt(lambda: fc.delete_function(NAME))
