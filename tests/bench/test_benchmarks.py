"""Every benchmark runs; whether it meets its targets is for `python -m tests.bench` on a quiet machine."""

from __future__ import annotations

import os

import pytest

from tests.bench import __main__ as program
from tests.bench import report

LIMIT_SECONDS = 600.0


@pytest.mark.timeout(LIMIT_SECONDS)
@pytest.mark.parametrize("name", program.BENCHES)
def test_a_benchmark_gives_figures(name: str) -> None:
    """With a fifth of the load."""
    if name == "proxy" and os.geteuid():
        pytest.skip("only root may make network namespaces")

    rows = program.measure(name, quick=True)

    assert rows
    assert all(row.figure > 0 for row in rows)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (report.Row("rate", 50, "/s", 100, then=200), "no"),
        (report.Row("rate", 100, "/s", 100, then=200), "first"),
        (report.Row("rate", 200, "/s", 100, then=200), "then"),
        (report.Row("time", 3.0, "s", 4, "less", 2), "first"),
        (report.Row("time", 3.0, "s", better="less"), ""),
    ],
)
def test_a_row_says_which_targets_are_met(row: report.Row, met: str) -> None:
    """`then` is beyond `first`; without a target there is nothing to meet."""
    assert row.met == met


def test_the_table_is_aligned() -> None:
    """As text and as Markdown."""
    rows = [
        report.Row("pods created", 1234.5, "/s", 1000, then=1800, beside="empty handler: 1,800 /s"),
        report.Row("  p99", 0.25, "s", better="less"),
    ]

    assert report.text(rows) == (
        "what               first        then    figure    met  beside\n"
        "pods created  ≥ 1,000 /s  ≥ 1,800 /s  1,234 /s  first  empty handler: 1,800 /s\n"
        "  p99                                   0.25 s"
    )
    assert report.markdown(rows[1:]) == (
        "| what | first | then | figure | met | beside |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| p99 |  |  | 0.25 s |  |  |"
    )
