"""The string formats that Kubernetes checks in schemas; one that is not listed here lets everything pass. Pure."""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import re
import urllib.parse
import uuid
from collections.abc import Callable

_DATE_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})", re.ASCII
)
_STEP = r"(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"[+-]?{_STEP}({_STEP})*")
_WORDED = re.compile(
    r"\d+(\.\d+)?\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?"
    r"|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)"
)
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+", re.ASCII)
_COLOUR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", re.ASCII)
_PART = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
_RGB = re.compile(rf"rgb\({_PART},{_PART},{_PART}\)", re.ASCII)
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){2}", re.ASCII)
_SSN = re.compile(r"\d{3}[- ]?\d{2}[- ]?\d{4}", re.ASCII)
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)


def _works(function: Callable[[str], object]) -> Callable[[str], bool]:
    """Return a check that passes where a parser does not refuse."""

    def check(text: str) -> bool:
        try:
            function(text)
        except ValueError:
            return False
        return True

    return check


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second = (int(match[index]) for index in range(1, 7))
    return bool(year) and _works(lambda _: datetime.datetime(year, month, day, hour, minute, min(second, 59)))("")


def _hostname(text: str) -> bool:
    name = text.removesuffix(".")
    return 0 < len(name) <= 255 and all(_LABEL.fullmatch(label) for label in name.split("."))


def _uri(text: str) -> bool:
    parsed = urllib.parse.urlsplit(text)
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError(text)
    if not (parsed.scheme or text.startswith("/")):
        raise ValueError(text)
    return True


def _uuid(version: int | None) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            found = uuid.UUID(text)
        except ValueError:
            return False
        return version is None or found.version == version

    return check


def _base64(text: str) -> object:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


def _network(text: str) -> object:
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_interface(text)


def _duration(text: str) -> bool:
    return text == "0" or bool(_DURATION.fullmatch(text) or _WORDED.fullmatch(text))


def _isbn(*lengths: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        digits = text.replace("-", "").replace(" ", "").upper()
        if len(digits) not in lengths or not re.fullmatch(r"\d+X?", digits, re.ASCII):
            return False
        values = [10 if digit == "X" else int(digit) for digit in digits]
        if len(digits) == 10:
            return sum((10 - place) * value for place, value in enumerate(values)) % 11 == 0
        return "X" not in digits and sum((1, 3)[place % 2] * value for place, value in enumerate(values)) % 10 == 0

    return check


def _card(text: str) -> bool:
    digits = [int(each) for each in re.sub(r"\D", "", text)]
    doubled = [(2 * each if place % 2 else each) for place, each in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


_CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(_OBJECT_ID),
    "byte": _works(_base64),
    "cidr": _works(_network),
    "creditcard": _card,
    "date": _works(lambda text: datetime.datetime.strptime(text, "%Y-%m-%d")),
    "datetime": _date_time,
    "duration": _duration,
    "email": _matches(_EMAIL),
    "hexcolor": _matches(_COLOUR),
    "hostname": _hostname,
    "ipv4": _works(ipaddress.IPv4Address),
    "ipv6": _works(ipaddress.IPv6Address),
    "isbn": _isbn(10, 13),
    "isbn10": _isbn(10),
    "isbn13": _isbn(13),
    "mac": _matches(_MAC),
    "rgbcolor": _matches(_RGB),
    "ssn": _matches(_SSN),
    "uri": _works(_uri),
    "uuid": _uuid(None),
    "uuid3": _uuid(3),
    "uuid4": _uuid(4),
    "uuid5": _uuid(5),
}


def is_good(name: str, text: str) -> bool:
    """Say whether a text has a format; dashes in a format's name do not count."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(text)
