"""What both programs share: where the host is, steps that report themselves, and assertions on what a client got.

A step is one line on standard output, `ok <name>` or `not ok <name>: <reason>`; the other lines belong to nobody.
"""

import base64
import datetime
import http.client
import logging
import os
import re
import sys
import time
import traceback
import urllib.parse
from dataclasses import dataclass

REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The SDKs log every refusal, and refusals are half of what is tested.
logging.disable(logging.CRITICAL)


def setting(name):
    """A variable that the test sets; without it no step can run."""
    value = os.environ.get(name)
    if not value:
        sys.exit(f"the environment has no {name}; the integration tests set it (tests/it/official_sdks.rs)")
    return value


@dataclass(frozen=True)
class Key:
    id: str
    secret: str
    token: str = ""


def _key(name):
    return Key(*setting(name).split(":"))


API = setting("WISP_API")
TRIGGERS = setting("WISP_TRIGGERS")
ACCOUNT = setting("WISP_ACCOUNT")
REGION = setting("WISP_REGION")
ADMIN = _key("WISP_ADMIN_KEY")
INVOKE = _key("WISP_INVOKE_KEY")
READER = _key("WISP_READ_ONLY_KEY")
LENT = _key("WISP_TOKEN_KEY")
ONLY = os.environ.get("WISP_ONLY", "")


def package(name):
    """The path of a code package that the test has packed."""
    return os.path.join(setting("WISP_PACKAGES"), f"{name}.zip")


def package_bytes(name):
    with open(package(name), "rb") as file:
        return file.read()


def package_text(name):
    """A code package in base64."""
    return base64.b64encode(package_bytes(name)).decode()


class Subject:
    """The steps of one subject: `@step("what is expected")` runs the function below it and reports how it went."""

    def __init__(self, name):
        self.name = name

    def __call__(self, text):
        def run(body):
            try:
                body()
                print(f"ok {self.name}: {text}", flush=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the step's failure
                reason = re.sub(r"\s*\n\s*", " | ", f"{type(error).__name__} {error}".strip())
                print(f"not ok {self.name}: {text}: {reason} [{_place(error)}]", flush=True)

        return run


def _place(error):
    here = os.path.dirname(os.path.abspath(__file__))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(here) and os.path.basename(frame.filename) not in ("report.py", "shared.py")
    ]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def subject(name, run, *arguments):
    """Runs the steps of one subject, unless another one was asked for."""
    if name.startswith(ONLY):
        run(Subject(name), *arguments)


def has(actual, expected, where="it"):
    """That `actual` has everything that `expected` has; objects may have more."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), f"{where}: expected {expected!r}, got {actual!r}"
        for name, value in expected.items():
            has(actual.get(name), value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert isinstance(actual, list) and len(actual) == len(expected), f"{where}: expected {expected!r}, got {actual!r}"
        for index, value in enumerate(expected):
            has(actual[index], value, f"{where}[{index}]")
    else:
        assert actual == expected, f"{where}: expected {expected!r}, got {actual!r}"


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def request_id(text):
    assert REQUEST_ID.fullmatch(str(text)), f"the request id is {text!r}"


def recent(text, where):
    """That a text is a moment not long ago."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    age = time.time() - moment.timestamp()
    assert -60 < age < 3600, f"{where} is {text!r}"


def eventually(what, read):
    """Waits until `read` returns something true."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        last = read()
        if last:
            return last
        time.sleep(0.025)
    raise AssertionError(f"it did not happen: {what}")


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()


def plain(base, target, method="GET", headers=None, body=None):
    """One plain HTTP request, with whatever `Host` the headers say."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=60)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


class Recorded:
    """A client that notes which of its methods were called."""

    def __init__(self, client, called):
        self._client = client
        self._called = called

    def __getattr__(self, name):
        self._called.add(name)
        return getattr(self._client, name)


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0xC96C5795D7870F42 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc_table()


def crc64(data):
    """The checksum of a code package, as decimal digits (CRC-64 of ECMA-182, reflected, complemented at both ends)."""
    ones = (1 << 64) - 1
    value = ones
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return str(value ^ ones)
