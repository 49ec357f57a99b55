"""Local time by `TZ`, as the C library has it elsewhere: `native/zone.c` tells it from what is read here.

`TZ` is the name of a zone, or a rule of POSIX, such as `CST-8`. Anything else is UTC under the name that it begins with.
"""

import array
import os
import re
import struct
import time
import zlib
from typing import NamedTuple

import _wisp

from . import zones

# Where programs look for the files of zones elsewhere: some set `TZ` to the path of one.
SYSTEM_FILES = "/usr/share/zoneinfo/"

HOUR = 3600

# Of a rule that names daylight-saving time but not when it is: what C libraries take, the rule of the United States.
DEFAULT_CHANGES = ",M3.2.0,M11.1.0"

NAME = r"([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
TIME = r"([+-]?\d{1,3}(?::\d{1,2}){0,2})"
CHANGE = rf",(?:M(\d+)\.(\d)\.(\d)|(J?)(\d+))(?:/{TIME})?"
RULE = re.compile(rf"{NAME}{TIME}(?:{NAME}{TIME}?({CHANGE}{CHANGE})?)?")

# Forms of a change, as in `zone.h`.
DAY, DAY_WITHOUT_29_FEBRUARY, WEEKDAY = range(3)


class Zone(NamedTuple):
    """As `zone.h` has it."""

    transitions: bytes
    kind_of: bytes
    kinds: bytes
    names: bytes
    rule: bytes


def install() -> None:
    time.tzset = tzset


def tzset():
    """Makes local time follow `TZ` in `os.environ`."""
    _wisp.set_zone(*zone_of(os.environ.get("TZ", "")))
    tell()


def tell() -> None:
    """The constants of `time`: as CPython, by the first of January and the middle of the year."""
    year = (365 * 24 + 6) * HOUR
    begin = int(time.time()) // year * year
    january, july = time.localtime(begin), time.localtime(begin + year // 2)
    # South of the equator daylight-saving time is in January.
    standard, daylight = (july, january) if january.tm_gmtoff > july.tm_gmtoff else (january, july)
    time.timezone, time.altzone = -standard.tm_gmtoff, -daylight.tm_gmtoff
    time.daylight = int(standard.tm_gmtoff != daylight.tm_gmtoff)
    time.tzname = (standard.tm_zone[:9], daylight.tm_zone[:9])


def zone_of(text: str) -> Zone:
    key = text.removeprefix(":").removeprefix(SYSTEM_FILES)
    if key in zones.packed:
        return zone_of_file(zlib.decompress(zones.packed[key]))
    return zone_of_rule(key) or fixed(re.match("([A-Za-z]{3,})?", key or "UTC")[0], 0)


def fixed(name: str, offset: int) -> Zone:
    return Zone(b"", b"", kind(offset, False, 0), terminated(name), b"")


def kind(offset: int, is_dst: bool, name: int) -> bytes:
    return struct.pack("=iii", offset, is_dst, name)


def terminated(name: str) -> bytes:
    return name.encode() + b"\0"


def zone_of_file(data: bytes) -> Zone:
    """A TZif file of version 2 or later: RFC 9636, 3. The first half, for 32-bit readers, is left out."""
    second = block_length(data, 0, 4)
    utc_count, wall_count, leap_count, count, kind_count, names_length = counts(data, second)
    begin = second + HEADER.size
    transitions = array.array("q", data[begin : begin + count * 8])
    transitions.byteswap()
    begin += count * 8
    kind_of = data[begin : begin + count]
    begin += count
    kinds = b"".join(kind(*it) for it in struct.iter_unpack(">i?B", data[begin : begin + kind_count * 6]))
    begin += kind_count * 6
    names = data[begin : begin + names_length]
    footer = data[second + block_length(data, second, 8) :].decode().strip("\n")
    zone = Zone(transitions.tobytes(), kind_of, kinds, names, b"")
    rule = zone_of_rule(footer)
    if rule is None or not rule.rule:
        return zone
    # The rule's kinds come behind the file's own.
    rule_kinds = b"".join(kind(offset, is_dst, name + names_length) for offset, is_dst, name in unpacked(rule.kinds))
    rule_text = struct.pack("=ii", kind_count, kind_count + 1) + rule.rule[8:]
    return Zone(zone.transitions, kind_of, kinds + rule_kinds, names + rule.names, rule_text)


def unpacked(kinds: bytes):
    return struct.iter_unpack("=iii", kinds)


HEADER = struct.Struct(">4sc15x6I")


def counts(data: bytes, header: int) -> tuple[int, ...]:
    return HEADER.unpack_from(data, header)[2:]


def block_length(data: bytes, header: int, size: int) -> int:
    """The length of a header and of its block, whose times have `size` bytes."""
    utc_count, wall_count, leap_count, count, kind_count, names_length = counts(data, header)
    return HEADER.size + count * (size + 1) + kind_count * 6 + names_length + leap_count * (size + 4) + wall_count + utc_count


def zone_of_rule(text: str) -> Zone | None:
    """A rule of POSIX: `standard offset`, then perhaps `daylight [offset] [,start,end]`. None if it is something else."""
    match = RULE.fullmatch(text)
    if match is None:
        return None
    name, time_text, daylight_name, daylight_time, changes = match.groups()[:5]
    offset = offset_of(time_text)
    if daylight_name is None:
        return fixed(name.strip("<>"), offset)
    daylight_offset = offset + HOUR if daylight_time is None else offset_of(daylight_time)
    names = terminated(name.strip("<>")) + terminated(daylight_name.strip("<>"))
    kinds = kind(offset, False, 0) + kind(daylight_offset, True, len(name.strip("<>")) + 1)
    start, end = (change(*it) for it in re.findall(CHANGE, changes or DEFAULT_CHANGES))
    if start is None or end is None:
        return None
    return Zone(b"", b"", kinds, names, struct.pack("=ii", 0, 1) + start + end)


def change(month: str, week: str, day: str, julian: str, number: str, at: str) -> bytes | None:
    """None if there is no such day."""
    if month:
        form, numbers = WEEKDAY, (int(month), int(week), int(day))
        is_valid = 1 <= numbers[0] <= 12 and 1 <= numbers[1] <= 5 and numbers[2] <= 6
    else:
        form, numbers = DAY_WITHOUT_29_FEBRUARY if julian else DAY, (0, 0, int(number))
        is_valid = form - DAY <= numbers[2] <= 365
    return struct.pack("=5i", form, *numbers, seconds_of(at or "2")) if is_valid else None


def offset_of(text: str) -> int:
    """POSIX counts offsets westwards, and to 24 hours at most."""
    seconds = seconds_of(text)
    return -max(-24 * HOUR, min(seconds, 24 * HOUR))


def seconds_of(text: str) -> int:
    hours, minutes, seconds = (text.lstrip("+-").split(":") + ["0", "0"])[:3]
    absolute = int(hours) * HOUR + int(minutes) * 60 + int(seconds)
    return -absolute if text.startswith("-") else absolute
