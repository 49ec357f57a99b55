from alibabacloud_fc20230330 import models

from report import ACCOUNT, REGION, eventually, has, same
from steps_2023.shared import attempt, call, create, gone, refused, wire

NAME = "py3-configs"
ARN = f"acs:fc:{REGION}:{ACCOUNT}:functions/{NAME}"


def run(step, fc, _client):
    attempt(lambda: create(fc, NAME))

    @step("provision configs: put, get, list and delete")
    def _():
        request = models.PutProvisionConfigRequest(qualifier="LATEST", body=models.PutProvisionConfigInput(target=1))
        has(wire(fc.put_provision_config(NAME, request)), {"target": 1})
        get = models.GetProvisionConfigRequest(qualifier="LATEST")
        eventually("an instance is kept", lambda: wire(fc.get_provision_config(NAME, get)).get("current") == 1)
        listed = wire(fc.list_provision_configs(models.ListProvisionConfigsRequest(function_name=NAME)))["provisionConfigs"]
        has(listed, [{"target": 1, "current": 1}])
        gone(fc.delete_provision_config(NAME, models.DeleteProvisionConfigRequest(qualifier="LATEST")))

    @step("reserved concurrency: put, get, list, its effect, and delete")
    def _():
        def reserve(count):
            return wire(fc.put_concurrency_config(NAME, models.PutConcurrencyConfigRequest(body=models.PutConcurrencyInput(reserved_concurrency=count))))

        has(reserve(7), {"functionArn": ARN, "reservedConcurrency": 7})
        has(wire(fc.get_concurrency_config(NAME)), {"reservedConcurrency": 7})
        has(wire(fc.list_concurrency_configs(models.ListConcurrencyConfigsRequest(function_name=NAME)))["configs"], [{"reservedConcurrency": 7}])
        reserve(0)
        refused(lambda: call(fc, NAME, b"echo"), 429, "ResourceExhausted")
        gone(fc.delete_concurrency_config(NAME))
        same(call(fc, NAME, b"echo"), "echo")

    @step("scaling: put, get, list and delete")
    def _():
        body = models.PutScalingConfigInput(min_instances=1)
        fc.put_scaling_config(NAME, models.PutScalingConfigRequest(qualifier="LATEST", body=body))
        fc.get_scaling_config(NAME, models.GetScalingConfigRequest(qualifier="LATEST"))
        listed = wire(fc.list_scaling_configs(models.ListScalingConfigsRequest(function_name=NAME)))["scalingConfigs"]
        has(listed, [{"minInstances": 1}])
        gone(fc.delete_scaling_config(NAME, models.DeleteScalingConfigRequest(qualifier="LATEST")))

    attempt(lambda: fc.delete_function(NAME))
