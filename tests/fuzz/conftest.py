"""Tests marked `full` run where FUZZ_TIMES is more than 1, as `deploy/test --full` sets it."""

from __future__ import annotations

import os
import pathlib

import pytest

HERE = pathlib.Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker."""
    config.addinivalue_line("markers", "full: runs in full runs only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for."""
    if int(os.environ.get("FUZZ_TIMES", "1")) > 1:
        return
    left_out = [item for item in items if item.get_closest_marker("full") and item.path.is_relative_to(HERE)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
