"""What is kept of a virtual machine's session."""

from __future__ import annotations

from testkit import vagrant


def test_colours_and_progress_bars_are_left_out() -> None:
    """Only lines that say something stay."""
    raw = b"\x1b[0m==> control-1: Box\x1b[K\r\x1b[KProgress: 10%\r\x1b[KProgress: 20%\r\n\n==> control-1: done\n"

    assert vagrant.readable(raw) == "==> control-1: Box\n==> control-1: done\n"
