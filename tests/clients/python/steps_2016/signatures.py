import email.utils
import re
import time

from report import ADMIN, INVOKE, LENT, READER, Key, plain, API, same
from steps_2016.shared import refusal, refused


def run(step, fc, client):
    @step("a key that is not configured, and a wrong secret, is refused")
    def _():
        stranger = client(Key("invalidAccessKeyID", "x" * 20))
        refused(stranger.list_services, 403, "InvalidAccessKeyID", "invalid access key ID 'invalidAccessKeyID'")
        wrong = client(Key(ADMIN.id, "x" * 20))
        refused(wrong.list_services, 403, "SignatureNotMatch", re.compile("does not match the signature you provided"))

    @step("a clock that is 16 minutes off is refused, one that is 14 minutes off is not")
    def _():
        def at(minutes):
            return {"date": email.utils.formatdate(time.time() + minutes * 60, usegmt=True)}

        for minutes in (-16, 16):
            same(refusal(lambda: fc.list_services(headers=at(minutes))).status_code, 403)
        for minutes in (-14, 14):
            fc.list_services(headers=at(minutes))

    @step("an error without a signature is JSON as well")
    def _():
        answer = plain(API, "/2016-08-15/services")
        assert answer.status == 400 and b"MissingRequiredHeader" in answer.body, answer

    @step("a key with a security token works with that token only")
    def _():
        client(LENT).list_services()
        same(refusal(client(Key(LENT.id, LENT.secret, "another")).list_services).status_code, 403)
        same(refusal(client(Key(LENT.id, LENT.secret)).list_services).status_code, 403)

    @step("a read-only key reads and changes nothing, an invoke key does neither")
    def _():
        client(READER).list_services()
        refused(lambda: client(READER).create_service("py2-by-reader"), 403, "AccessDenied")
        refused(client(INVOKE).list_services, 403, "AccessDenied")
