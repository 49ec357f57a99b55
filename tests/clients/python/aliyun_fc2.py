"""API 2016-08-15 through PyPI's aliyun-fc2: every method of its client is called."""

import importlib
import inspect
import sys

import fc2

from report import ADMIN, API, ONLY, Recorded, Subject, subject

SUBJECTS = ["signatures", "services", "functions", "invocations", "versions", "triggers", "domains", "configs", "tags"]

# `do_http_request` calls an HTTP trigger; the rest of these is what the operations are made of.
PARTS = ["websocket"]
OPERATIONS = [
    name for name, _ in inspect.getmembers(fc2.Client, inspect.isfunction) if not name.startswith("_") and name not in PARTS
]

called = set()


def client(key, endpoint=API):
    """A client with a key."""
    made = fc2.Client(endpoint=endpoint, accessKeyID=key.id, accessKeySecret=key.secret, securityToken=key.token, Timeout=120)
    return Recorded(made, called)


def main():
    if "--operations" in sys.argv:
        print("\n".join(OPERATIONS))
        return
    fc = client(ADMIN)
    for name in SUBJECTS:
        subject(name, importlib.import_module(f"steps_2016.{name}").run, fc, client)
    if not ONLY:

        @Subject("coverage")("every method of the client was called")
        def _():
            missed = [name for name in OPERATIONS if name not in called]
            assert not missed, ", ".join(missed)


main()
