"""Schedules: what they mean, and what is wrong with those that are none."""

from __future__ import annotations

import pytest

from fairlead.api import cron


@pytest.mark.parametrize(
    ("text", "minutes", "hours"),
    [
        ("*/20 1-3 * * *", {0, 20, 40}, {1, 2, 3}),
        ("5,10 */12 * * *", {5, 10}, {0, 12}),
        ("50/5 0 * * *", {50, 55}, {0}),
        ("@hourly", {0}, set(range(24))),
        ("CRON_TZ=UTC 7 8 * * *", {7}, {8}),
    ],
)
def test_a_schedule_is_read(text: str, minutes: set[int], hours: set[int]) -> None:
    """Lists, ranges, steps, descriptors and a zone in front."""
    found = cron.parse(text)

    assert (found.minutes, found.hours) == (minutes, hours)


def test_names_of_months_and_days_are_numbers() -> None:
    """In any case; and a `*` among them is told."""
    found = cron.parse("0 0 * JAN-mar mon")

    assert (found.months, found.weekdays) == ({1, 2, 3}, {1})
    assert (found.any_day, found.any_weekday) == (True, False)


def test_every_is_a_duration() -> None:
    """At least a second."""
    assert cron.parse("@every 1m30s").every_seconds == 90


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("0 0 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
        ("TZ=Mars 0 * * * *", "provided bad location Mars: unknown time zone Mars"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str, why: str) -> None:
    """In the words of the parser that Kubernetes uses."""
    with pytest.raises(cron.ScheduleError) as caught:
        cron.parse(text)

    assert str(caught.value) == why
