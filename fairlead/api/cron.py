"""Cron schedules as CronJobs write them: five fields, `@daily` and its like, `@every`, a zone in front.

The rules and the errors' texts are those of robfig/cron's standard parser, which Kubernetes uses. Pure.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass

from fairlead import memo
from fairlead.api import times

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


class ScheduleError(ValueError):
    """A text that is no schedule; the message says why."""


@dataclass(frozen=True, slots=True)
class _Field:
    low: int
    high: int
    names: Mapping[str, int]


_FIELDS = (
    _Field(0, 59, {}),
    _Field(0, 23, {}),
    _Field(1, 31, {}),
    _Field(1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
    _Field(0, 6, {name: number for number, name in enumerate(WEEKDAYS)}),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due: at the times whose parts are in the sets, or every so many seconds.

    `any_day` and `any_weekday` tell a `*`: a time is due if both its day and its weekday fit, but if neither is
    `*`, one of them is enough.
    """

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    any_weekday: bool = False
    every_seconds: int = 0
    zone: str = ""


def parse(text: str) -> Schedule:
    """Return the schedule of a text; ScheduleError where it is none."""
    if not text:
        raise ScheduleError("empty spec string")
    zone = ""
    if text.startswith(("TZ=", "CRON_TZ=")):
        head, _, text = text.partition(" ")
        zone = head.partition("=")[2]
        if not is_zone(zone):
            raise ScheduleError(f"provided bad location {zone}: unknown time zone {zone}")
        text = text.strip()
    if text.startswith("@every "):
        return Schedule(every_seconds=_every(text), zone=zone)
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ScheduleError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    minutes, hours, days, months, weekdays = (_field(part, known) for part, known in zip(parts, _FIELDS, strict=True))
    return Schedule(
        minutes, hours, days, months, weekdays, _is_star(parts[2]), _is_star(parts[4]), every_seconds=0, zone=zone
    )


def _every(text: str) -> int:
    body = text.removeprefix("@every ")
    try:
        nanoseconds = times.parse_duration(body)
    except ValueError as error:
        raise ScheduleError(f"failed to parse duration {text}: {error}") from None
    return max(nanoseconds // 10**9, 1)


def _is_star(part: str) -> bool:
    return any(piece.partition("/")[0] in ("*", "?") and not piece.partition("/")[2] for piece in part.split(","))


def _field(part: str, known: _Field) -> frozenset[int]:
    return frozenset(value for piece in part.split(",") if piece for value in _range(piece, known))


def _range(piece: str, known: _Field) -> range:
    """Return the values of `*`, `3`, `1-5` or `1-5/2`."""
    span, *steps = piece.split("/")
    bounds = span.split("-")
    if bounds[0] in ("*", "?"):
        low, high, single = known.low, known.high, False
    else:
        if len(bounds) > 2:
            raise ScheduleError(f"too many hyphens: {piece}")
        low = _number(bounds[0], known)
        high = _number(bounds[1], known) if len(bounds) == 2 else low
        single = len(bounds) == 1
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {piece}")
    step = _integer(steps[0]) if steps else 1
    if steps and single:
        high = known.high  # `N/step` means `N-max/step`
    if low < known.low:
        raise ScheduleError(f"beginning of range ({low}) below minimum ({known.low}): {piece}")
    if high > known.high:
        raise ScheduleError(f"end of range ({high}) above maximum ({known.high}): {piece}")
    if low > high:
        raise ScheduleError(f"beginning of range ({low}) beyond end of range ({high}): {piece}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {piece}")
    return range(low, high + 1, step)


def _number(text: str, known: _Field) -> int:
    return known.names[text.lower()] if text.lower() in known.names else _integer(text)


LONGEST_NUMBER = 20  # digits of 64 bits, and a sign


def _integer(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdecimal():
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if len(text) > LONGEST_NUMBER:
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if int(text) < 0:
        raise ScheduleError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


@memo.remembered(1024, longest=64)
def is_zone(name: str) -> bool:
    """Say whether a name is one of the IANA time zones, `UTC` or nothing at all, which is UTC too."""
    if name in ("", "UTC", "Local"):
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
