"""The indexes of an Indexed Job as text: `1,3-5,7`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Intervals = Sequence[tuple[int, int]]


def parse(text: str, completions: int) -> Intervals:
    """Return the intervals of a text, both ends included; ValueError, in Kubernetes' words, where it is none."""
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        low, high = _interval(part, completions)
        if found and found[-1][1] >= low:
            raise ValueError(f"non-increasing order, previous: {found[-1][1]}, current: {low}")
        found.append((low, high))
    return found


def count(intervals: Intervals) -> int:
    """Return how many indexes intervals have."""
    return sum(high - low + 1 for low, high in intervals)


def overlap(left: Intervals, right: Intervals) -> int | None:
    """Return the lowest index that two have in common; None where there is none."""
    common = [max(a, c) for a, b in left for c, d in right if a <= d and c <= b]
    return min(common, default=None)


def _interval(text: str, completions: int) -> tuple[int, int]:
    ends = text.split("-")
    if len(ends) > 2:
        rule = "that an index interval can have at most two parts separated by '-'"
        raise ValueError(f'the fragment "{text}" violates the requirement {rule}')
    low, high = _index(ends[0], completions), _index(ends[-1], completions)
    if len(ends) == 2 and low >= high:
        raise ValueError(f"non-increasing order, previous: {low}, current: {high}")
    return low, high


def _index(text: str, completions: int) -> int:
    if not text.isascii() or not text.isdecimal():
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)
