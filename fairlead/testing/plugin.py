"""Fixtures for pytest: a cluster that starts once and is as new for each test.

    pytest_plugins = ["fairlead.testing.plugin"]  # in the outermost conftest.py

    def test_my_manifest(fairlead_cluster):
        kubectl = ["kubectl", "--kubeconfig", fairlead_cluster.kubeconfig]
        subprocess.run([*kubectl, "apply", "-f", "web.yaml"], check=True)

Override `fairlead_settings` for other nodes, or to leave rooms out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fairlead.testing import cluster


@pytest.fixture(scope="session")
def fairlead_settings() -> cluster.Settings:
    """What the cluster has: two nodes whose containers pretend, scheduler and controllers."""
    return cluster.Settings(nodes=2)


@pytest.fixture(scope="session")
def fairlead_session(fairlead_settings: cluster.Settings) -> Iterator[cluster.Threaded]:
    """One cluster for the whole run."""
    with cluster.in_thread(fairlead_settings) as running:
        yield running


@pytest.fixture
def fairlead_cluster(fairlead_session: cluster.Threaded) -> Iterator[cluster.Threaded]:
    """The cluster, taken back to its beginning after each test."""
    yield fairlead_session
    fairlead_session.reset()
