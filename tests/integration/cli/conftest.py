"""A whole cluster in memory: API, dispatcher, scheduler, controllers, and three hollow nodes with two GPUs each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support import driver, whole


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[whole.Cluster]:
    """Run the cluster for all tests here."""
    library = driver.build(tmp_path_factory.mktemp("nvml"))
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library), "FAKE_NVML_GPUS": "2"}
    with whole.cluster(tmp_path_factory.mktemp("cluster"), 3, environment) as running:
        yield running
