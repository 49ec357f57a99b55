import re

from report import ACCOUNT, REGION, eventually, has, recent, same
from steps_2016.shared import attempt, function, refused

SERVICE = "py2-configs"
RESOURCE = f"{ACCOUNT}#{SERVICE}#prod#f"


def run(step, fc, _client):
    function(fc, SERVICE, "f")
    attempt(lambda: fc.publish_version(SERVICE))
    attempt(lambda: fc.create_alias(SERVICE, "prod", "1"))

    @step("put_provision_config keeps an instance; get_provision_config and list_provision_configs tell")
    def _():
        has(fc.put_provision_config(SERVICE, "prod", "f", 1).data, {"resource": RESOURCE, "target": 1})
        eventually("an instance is kept", lambda: fc.get_provision_config(SERVICE, "prod", "f").data["current"] == 1)
        listed = fc.list_provision_configs(SERVICE, "prod", limit=5).data["provisionConfigs"]
        has(listed, [{"resource": RESOURCE, "target": 1}])
        fc.put_provision_config(SERVICE, "prod", "f", 0)
        eventually("it goes", lambda: fc.get_provision_config(SERVICE, "prod", "f").data["current"] == 0)

    @step("on-demand configs: put, get, list and delete")
    def _():
        has(fc.put_on_demand_config(SERVICE, "prod", "f", 3).data, {"resource": RESOURCE, "maximumInstanceCount": 3})
        has(fc.get_on_demand_config(SERVICE, "prod", "f").data, {"maximumInstanceCount": 3})
        assert RESOURCE in [it["resource"] for it in fc.list_on_demand_config().data["configs"]]
        fc.delete_on_demand_config(SERVICE, "prod", "f")
        refused(lambda: fc.get_on_demand_config(SERVICE, "prod", "f"), 404, "OnDemandConfigNotFound")

    @step("async configs: put, get, list and delete")
    def _():
        to = f"acs:fc:{REGION}:{ACCOUNT}:services/{SERVICE}/functions/f"
        config = {"destinationConfig": {"onFailure": {"destination": to}}, "maxAsyncEventAgeInSeconds": 300, "maxAsyncRetryAttempts": 2}
        made = fc.put_function_async_invoke_config(SERVICE, "prod", "f", config).data
        has(made, {**config, "service": SERVICE, "function": "f", "qualifier": "prod"})
        recent(made["createdTime"], "createdTime")
        has(fc.get_function_async_invoke_config(SERVICE, "prod", "f").data, config)
        has(fc.list_function_async_invoke_configs(SERVICE, "f", limit=5).data["configs"], [{"qualifier": "prod"}])
        wrong = {**config, "maxAsyncRetryAttempts": 9}
        refused(lambda: fc.put_function_async_invoke_config(SERVICE, "prod", "f", wrong), 400, "InvalidArgument", re.compile("(?i)retry"))
        fc.delete_function_async_invoke_config(SERVICE, "prod", "f")
        refused(lambda: fc.get_function_async_invoke_config(SERVICE, "prod", "f"), 404, "AsyncConfigNotExists")

    @step("get_account_settings and list_reserved_capacities")
    def _():
        assert isinstance(fc.get_account_settings().data["availableAZs"], list)
        same(fc.list_reserved_capacities(limit=5).data["reservedCapacities"], [])

    attempt(lambda: fc.delete_alias(SERVICE, "prod"))
    attempt(lambda: fc.delete_version(SERVICE, "1"))
    attempt(lambda: fc.delete_function(SERVICE, "f"))
    attempt(lambda: fc.delete_service(SERVICE))
