"""Figures that a run of the lab's tests measures, each with its limit where one is promised."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """Something that was measured; `limit` is None where nothing is promised."""

    what: str
    value: float
    limit: float | None
    unit: str

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"limit {self.limit:g} {self.unit}"
        return f"{self.what:78} {self.value:6.1f} {self.unit:2} {limit}".rstrip()


class Figures:
    """What the run has measured."""

    def __init__(self) -> None:
        self.noted: list[Figure] = []

    def note(self, what: str, value: float, limit: float | None = None, unit: str = "s") -> None:
        """Keep a figure for the end of the run, and fail if it is over its limit."""
        self.noted.append(Figure(what, value, limit, unit))
        assert limit is None or value <= limit, f"{what}: {value:.1f} {unit}, not within {limit:g} {unit}"
