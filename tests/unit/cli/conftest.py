"""A control plane for command lines: the certificates are made once, the API is fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from control import config as configs
from tests.support import served


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> configs.Config:
    """Return a configuration whose keys and certificates exist."""
    return served.make_pki(tmp_path_factory.mktemp("control"))


@pytest.fixture
def plane(certificates: configs.Config) -> Iterator[served.Plane]:
    """Serve an empty cluster."""
    with served.control_plane(certificates) as running:
        yield running
