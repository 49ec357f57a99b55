"""Time zones by name for `zoneinfo`, which elsewhere takes them from the system's files."""

import importlib.resources
import io
import sys
import zlib
import zoneinfo
from zoneinfo import _common

# Compressed one by one: a function needs one or two of 600.
packed: dict[str, bytes] = {}

load_of_package = _common.load_tzdata
available_of_package = zoneinfo.available_timezones


def pack() -> None:
    """While the component is made: takes in what the package tzdata has, and leaves its name to the function's own."""
    files = importlib.resources.files("tzdata")
    for key in (files / "zones").read_text().split():
        packed[key] = zlib.compress((files / "zoneinfo").joinpath(*key.split("/")).read_bytes(), 9)
    for name in [it for it in sys.modules if it.partition(".")[0] == "tzdata"]:
        del sys.modules[name]


def install() -> None:
    _common.load_tzdata = load
    zoneinfo.available_timezones = available


def load(key):
    try:
        return load_of_package(key)
    except zoneinfo.ZoneInfoNotFoundError:
        if key not in packed:
            raise
        return io.BytesIO(zlib.decompress(packed[key]))


def available():
    return available_of_package() | packed.keys()
