"""`--gpu`: without it the tests that need an NVIDIA GPU are not selected."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; it is known where tests/gpu is named on the command line."""
    parser.addoption("--gpu", action="store_true", help="run the tests that need an NVIDIA GPU")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", "gpu: needs an NVIDIA GPU; selected by --gpu")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a GPU unless it is asked for."""
    if config.getoption("--gpu", default=False):
        return
    concerned = [item for item in items if item.get_closest_marker("gpu")]
    if concerned:
        config.hook.pytest_deselected(items=concerned)
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]
