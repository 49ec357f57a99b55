"""API 2023-03-30 through PyPI's alibabacloud-fc20230330: every method of its client is called."""

import importlib
import sys
import urllib.parse

from alibabacloud_fc20230330.client import Client
from alibabacloud_tea_openapi.models import Config

from report import ADMIN, API, ONLY, REGION, Recorded, Subject, subject

SUBJECTS = ["signatures", "functions", "sources", "invocations", "versions", "triggers", "domains", "configs", "tasks", "tags", "elsewhere"]

# Each operation has further methods: one that takes headers and options, and both again for asyncio.
OPERATIONS = [
    name
    for name in vars(Client)
    if not name.startswith("_") and name != "get_endpoint" and not name.endswith(("with_options", "_async"))
]

called = set()


def client(key):
    """A client with a key."""
    config = Config(
        access_key_id=key.id,
        access_key_secret=key.secret,
        security_token=key.token or None,
        endpoint=urllib.parse.urlsplit(API).netloc,
        protocol="HTTP",
        region_id=REGION,
        read_timeout=120_000,
    )
    return Recorded(Client(config), called)


def main():
    if "--operations" in sys.argv:
        print("\n".join(OPERATIONS))
        return
    fc = client(ADMIN)
    for name in SUBJECTS:
        subject(name, importlib.import_module(f"steps_2023.{name}").run, fc, client)
    if not ONLY:

        @Subject("coverage")("every method of the client was called")
        def _():
            missed = [name for name in OPERATIONS if name not in called and f"{name}_with_options" not in called]
            assert not missed, ", ".join(missed)


main()
