"""Rows of the budgets' table: what was measured, its target, the figure, met or not."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["more", "less"]
UNITS_WITH_DIGITS = 10.0
HEADER = ("what", "first", "then", "figure", "met", "beside")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `target` is the budget's first, `then` its second, 0 where there is none.

    `better` tells which side of a target is met. `beside` is what the figure is to be seen beside: an empty handler
    under the same load, another system.
    """

    what: str
    figure: float
    unit: str
    target: float = 0.0
    better: Better = "more"
    then: float = 0.0
    beside: str = ""

    @property
    def met(self) -> str:
        """Return which targets are met: `then`, `first`, `no`; nothing where there is none."""
        if not self.target:
            return ""
        if self.then and self._reaches(self.then):
            return "then"
        return "first" if self._reaches(self.target) else "no"

    def _reaches(self, target: float) -> bool:
        return self.figure >= target if self.better == "more" else self.figure <= target

    def cells(self) -> Sequence[str]:
        """Return the row's cells in HEADER's order."""
        sign = "≥" if self.better == "more" else "≤"
        targets = [f"{sign} {number(target)} {self.unit}" if target else "" for target in (self.target, self.then)]
        return self.what, *targets, f"{number(self.figure)} {self.unit}", self.met, self.beside

    def __str__(self) -> str:
        return "  ".join(cell for cell in self.cells() if cell)


def number(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    if value == int(value):
        return f"{value:,.0f}"
    return (
        f"{value:,.2f}"
        if abs(value) < 1
        else f"{value:,.1f}"
        if abs(value) < 10 * UNITS_WITH_DIGITS
        else f"{value:,.0f}"
    )


def text(rows: Sequence[Row]) -> str:
    """Return rows as an aligned text."""
    whole = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(row[index]) for row in whole) for index in range(len(HEADER))]
    lines = []
    for row in whole:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True)),
        ]
        lines.append("  ".join([*cells, row[5]]).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table."""
    whole = [HEADER, ("---",) * len(HEADER), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in whole)


def machine() -> str:
    """Return what the figures were measured on."""
    cpu = re.search(r"^model name\s*: (.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = os.getloadavg()[0]
    cores = f"{len(os.sched_getaffinity(0))} cores ({cpu[1] if cpu else platform.machine()})"
    versions = f"Linux {platform.release()}, Python {platform.python_version()}, etcd {_etcd_version()}"
    return f"{cores}, {memory:.0f} GiB, {versions}, load before {load:.1f}"


def _etcd_version() -> str:
    binary = shutil.which("etcd")
    if binary is None:
        return "not installed"
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"etcd Version: (\S+)", said)
    return found[1] if found else "unknown"
