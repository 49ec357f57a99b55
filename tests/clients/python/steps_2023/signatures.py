import re

from alibabacloud_fc20230330 import models

from report import ADMIN, INVOKE, LENT, READER, Key, same
from steps_2023.shared import attempt, call, create, refusal, refused


def run(step, fc, client):
    def listing(key):
        return lambda: client(key).list_functions(models.ListFunctionsRequest(limit=1))

    @step("a key that is not configured, and a wrong secret, is refused")
    def _():
        refused(listing(Key("invalidAccessKeyID", "x" * 20)), 403, "InvalidAccessKeyID", "invalid access key ID 'invalidAccessKeyID'")
        refused(listing(Key(ADMIN.id, "x" * 20)), 403, "SignatureNotMatch", re.compile("does not match the signature you provided"))

    @step("a key with a security token works with that token only")
    def _():
        listing(LENT)()
        same(refusal(listing(Key(LENT.id, LENT.secret, "another"))).status_code, 403)

    @step("scopes: a reader reads, an invoker invokes")
    def _():
        create(fc, "py3-scopes")
        listing(READER)()
        refused(listing(INVOKE), 403, "AccessDenied")
        refused(lambda: create(client(READER), "py3-by-reader"), 403, "AccessDenied")
        same(call(client(INVOKE), "py3-scopes", b"echo"), "echo")
        refused(lambda: call(client(READER), "py3-scopes", b"echo"), 403, "AccessDenied")

    attempt(lambda: fc.delete_function("py3-scopes"))
