import re

from alibabacloud_fc20230330 import models

from report import TRIGGERS, has, plain, same
from steps_2023.shared import attempt, create, gone, refused, wire

DOMAIN = "py3.example.com"


def run(step, fc, _client):
    attempt(lambda: create(fc, "py3-domain", environment_variables={"AGE": "one"}))
    config = '{"authType": "anonymous", "methods": ["GET"]}'
    trigger = models.CreateTriggerInput(trigger_name="web", trigger_type="http", trigger_config=config)
    attempt(lambda: fc.create_trigger("py3-domain", models.CreateTriggerRequest(body=trigger)))
    routes = {"routes": [{"path": "/*", "functionName": "py3-domain", "qualifier": "LATEST", "methods": ["GET"]}]}

    def make(name, **fields):
        body = models.CreateCustomDomainInput().from_map({"domainName": name, "protocol": "HTTP", **fields})
        return wire(fc.create_custom_domain(models.CreateCustomDomainRequest(body=body)))

    @step("create_custom_domain, get_custom_domain, update_custom_domain and list_custom_domains")
    def _():
        has(make(DOMAIN, routeConfig=routes), {"domainName": DOMAIN, "routeConfig": routes})
        has(wire(fc.get_custom_domain(DOMAIN)), {"routeConfig": routes})
        same(plain(TRIGGERS, "/env:AGE", headers={"host": DOMAIN}).body, b"one")
        body = models.UpdateCustomDomainInput().from_map({"routeConfig": {"routes": [{"path": "/a", "functionName": "py3-domain"}]}})
        has(wire(fc.update_custom_domain(DOMAIN, models.UpdateCustomDomainRequest(body=body))), {"protocol": "HTTP"})
        same(plain(TRIGGERS, "/env:AGE", headers={"host": DOMAIN}).status, 404)
        listed = wire(fc.list_custom_domains(models.ListCustomDomainsRequest(prefix="py3.")))["customDomains"]
        has(listed, [{"domainName": DOMAIN}])

    @step("what is wrong with a domain is named; delete_custom_domain answers 204")
    def _():
        refused(lambda: make(DOMAIN), 409, "DomainNameAlreadyExists", re.compile("py3"))
        refused(lambda: make("no domain"), 400, "InvalidArgument", re.compile("no domain"))
        gone(fc.delete_custom_domain(DOMAIN))
        refused(lambda: fc.get_custom_domain(DOMAIN), 404, "DomainNameNotFound", f"domain name '{DOMAIN}' does not exist")

    attempt(lambda: fc.delete_trigger("py3-domain", "web"))
    attempt(lambda: fc.delete_function("py3-domain"))
