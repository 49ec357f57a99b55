import re

from report import TRIGGERS, has, plain, recent, same
from steps_2016.shared import attempt, function, refused

SERVICE = "py2-domains"
DOMAIN = "py2.example.com"


def run(step, fc, _client):
    function(fc, SERVICE, "f", environmentVariables={"AGE": "one"})
    attempt(lambda: fc.create_trigger(SERVICE, "f", "web", "http", {"authType": "anonymous", "methods": ["GET"]}, None, None))
    routes = {"routes": [{"path": "/env:AGE", "serviceName": SERVICE, "functionName": "f"}]}

    @step("create_custom_domain, get_custom_domain, update_custom_domain and list_custom_domains")
    def _():
        made = fc.create_custom_domain(DOMAIN, protocol="HTTP", routeConfig=routes).data
        has(made, {"domainName": DOMAIN, "protocol": "HTTP", "routeConfig": routes})
        recent(made["createdTime"], "createdTime")
        has(fc.get_custom_domain(DOMAIN).data, {"routeConfig": routes})
        same(plain(TRIGGERS, "/env:AGE", headers={"host": DOMAIN}).body, b"one")
        other = {"routes": [{"path": "/*", "serviceName": SERVICE, "functionName": "f", "qualifier": "LATEST"}]}
        has(fc.update_custom_domain(DOMAIN, routeConfig=other).data, {"routeConfig": other, "protocol": "HTTP"})
        has(fc.list_custom_domains(prefix="py2.", limit=5, startKey="py2").data["customDomains"], [{"domainName": DOMAIN}])

    @step("a certificate reads back without its private key")
    def _():
        cert = {"certName": "c", "certificate": "-----BEGIN CERTIFICATE-----\nbad\n-----END CERTIFICATE-----", "privateKey": "secret"}
        refused(lambda: fc.update_custom_domain(DOMAIN, protocol="HTTP,HTTPS", certConfig=cert), 400, "InvalidArgument", re.compile("(?i)cert"))

    @step("what is wrong with a domain is named")
    def _():
        refused(lambda: fc.create_custom_domain(DOMAIN, protocol="HTTP"), 409, "DomainNameAlreadyExists", re.compile("py2"))
        refused(lambda: fc.get_custom_domain("none.example.com"), 404, "DomainNameNotFound", "domain name 'none.example.com' does not exist")

    @step("delete_custom_domain")
    def _():
        fc.delete_custom_domain(DOMAIN)
        refused(lambda: fc.get_custom_domain(DOMAIN), 404, "DomainNameNotFound")

    attempt(lambda: fc.delete_trigger(SERVICE, "f", "web"))
    attempt(lambda: fc.delete_function(SERVICE, "f"))
    attempt(lambda: fc.delete_service(SERVICE))
