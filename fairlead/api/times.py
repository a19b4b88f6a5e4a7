"""Kubernetes' times and durations: RFC 3339 in JSON, seconds or microseconds in messages.

Time is UTC throughout. `Time` keeps whole seconds and `MicroTime` microseconds, as Kubernetes stores them; a
`Time` without seconds is Go's zero time, which JSON writes as null.
"""

from __future__ import annotations

import datetime
import functools
import re
import time

from fairlead import memo
from fairlead.api.pb import meta_v1_pb2 as metav1

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9,
    "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
SAYABLE = range(-62_135_596_800, 253_402_300_800)  # seconds since the epoch of the years that RFC 3339 has
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@functools.lru_cache(maxsize=16384)
def format_seconds(seconds: int) -> str:
    """Return seconds since the epoch as `2026-01-02T03:04:05Z`."""
    moment = time.gmtime(seconds)
    return f"{moment.tm_year:04}-" + time.strftime("%m-%dT%H:%M:%SZ", moment)


def format_micros(seconds: int, nanos: int) -> str:
    """Return seconds and nanoseconds as `2026-01-02T03:04:05.000006Z`."""
    return f"{format_seconds(seconds)[:-1]}.{nanos // 1000:06}Z"


@memo.remembered(16384, longest=64)
def parse(text: str) -> tuple[int, int]:
    """Return (seconds since the epoch, nanoseconds) of an RFC 3339 time; ValueError where it is none."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f'parsing time "{text}": not an RFC 3339 time')
    try:
        elapsed = datetime.datetime.fromisoformat(text.upper()) - _EPOCH
    except ValueError as error:
        raise ValueError(f'parsing time "{text}": {error}') from None
    return elapsed.days * 86400 + elapsed.seconds, elapsed.microseconds * 1000


def from_seconds(seconds: float) -> metav1.Time:
    """Return a `Time` of seconds since the epoch; fractions are dropped."""
    return metav1.Time(seconds=int(seconds))


def from_seconds_micro(seconds: float) -> metav1.MicroTime:
    """Return a `MicroTime` of seconds since the epoch."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return metav1.MicroTime(seconds=whole, nanos=micros * 1000)


def now() -> metav1.Time:
    """Return the wall clock's time; only for stamping objects, never for judging how long something took."""
    return from_seconds(time.time())


def is_zero(moment: metav1.Time | metav1.MicroTime) -> bool:
    """Whether a time is Go's zero time, that is, was never set."""
    return not moment.HasField("seconds") and not moment.nanos


def to_seconds(moment: metav1.Time | metav1.MicroTime) -> float:
    """Return a time as seconds since the epoch; 0.0 where it was never set."""
    return moment.seconds + moment.nanos / 1e9


def format_duration(nanoseconds: int) -> str:
    """Return a duration as Go prints it: `1m0s`, `1.5s`, `100ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if left < size * 1000:
            return f"{sign}{_decimal(left, size)}{unit}"
    minutes, seconds = divmod(left, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(seconds, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else f"{sign}{text}"


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a duration as Go writes it (`1h2m3.5s`); ValueError where it is none."""
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0
    total = end = 0
    for match in _DURATION.finditer(body):
        if match.start() != end:
            break
        end = match.end()
        whole, _, fraction = match[1].partition(".")
        size = _UNIT_NANOSECONDS[match[2]]
        total += int(whole or 0) * size + (int(fraction) * size // 10 ** len(fraction) if fraction else 0)
    if not body or end != len(body):
        raise ValueError(f'time: invalid duration "{text}"')
    return -total if text[0] == "-" else total


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(size)) - 1).rstrip('0')}"
