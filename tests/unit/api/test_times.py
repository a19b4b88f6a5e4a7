"""Times and durations as Kubernetes writes and reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api import times
from fairlead.api.pb import meta_v1_pb2 as metav1


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1970-01-01T00:00:00Z", (0, 0)),
        ("2026-01-02T03:04:05Z", (1767323045, 0)),
        ("2026-01-02T04:04:05+01:00", (1767323045, 0)),
        ("2026-01-02T03:04:05.000006Z", (1767323045, 6000)),
        ("1969-12-31T23:59:59.5Z", (-1, 500_000_000)),
        ("0001-01-01T00:00:00Z", (-62135596800, 0)),
    ],
)
def test_a_time_is_read(text: str, want: tuple[int, int]) -> None:
    """Any offset is understood; the fraction counts forward from the second."""
    assert times.parse(text) == want


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "20260102T030405Z"],
)
def test_what_is_not_rfc_3339_is_refused(text: str) -> None:
    """ISO 8601 has more forms than Kubernetes takes."""
    with pytest.raises(ValueError, match="parsing time"):
        times.parse(text)


@given(st.integers(-62135596800, 253402300799))
def test_seconds_survive_their_text(seconds: int) -> None:
    """From the year 1 to 9999."""
    assert times.parse(times.format_seconds(seconds)) == (seconds, 0)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (100_000_000, "100ms"),
        (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (-5_430_000_000_000, "-1h30m30s"),
        (3_601_000_000_001, "1h0m1.000000001s"),
    ],
)
def test_a_duration_is_written_as_go_writes_it(nanoseconds: int, text: str) -> None:
    """And its text means the same."""
    assert times.format_duration(nanoseconds) == text
    assert times.parse_duration(text) == nanoseconds


@given(st.integers(-(2**62), 2**62))
def test_every_duration_survives_its_text(nanoseconds: int) -> None:
    """To the nanosecond."""
    assert times.parse_duration(times.format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1h 2m", "-", "1.s.", "+"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number needs its unit."""
    with pytest.raises(ValueError, match="invalid duration"):
        times.parse_duration(text)


def test_a_time_that_was_never_set_is_zero() -> None:
    """The epoch itself is a time."""
    assert times.is_zero(metav1.Time())
    assert not times.is_zero(metav1.Time(seconds=0))


def test_times_are_made_of_seconds() -> None:
    """Time drops fractions, MicroTime keeps six digits."""
    assert times.from_seconds_micro(1767323045.000006) == metav1.MicroTime(seconds=1767323045, nanos=6000)
    assert times.to_seconds(times.from_seconds(1.9)) == 1.0
