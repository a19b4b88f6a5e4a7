"""What Kubernetes' conformance tests look at, asked of a cluster as it is by default: docs/conformance.md.

Each test takes the steps of one conformance test, or of several that only differ in their kind; where those wait to
see that nothing happens, these let something happen that must be seen next. Full runs take each in protobuf, too.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any

import kubernetes
import pytest

from fairlead.testing import cluster as testing
from tests.clients.whole.conftest import Kubectl, cluster, define, discovered, python
from tests.clients.whole.conftest import kubectl as every_kubectl
from tests.support import hooks, rawprotobuf
from tests.support import kubectl as programs
from tests.support.rawrest import Rest

__all__ = ["cluster", "define", "discovered", "every_kubectl", "python"]

FULL = int(os.environ.get("FUZZ_TIMES", "1")) > 1


@pytest.fixture(scope="session")
def running() -> Iterator[testing.Threaded]:
    """One cluster for the whole run, with two nodes."""
    with testing.in_thread(testing.Settings(nodes=2)) as made:
        yield made


@pytest.fixture
def kubectl(cluster: testing.Threaded, tmp_path: pathlib.Path) -> Kubectl:
    """The newest kubectl that there is, as the conformance tests come with one; it knows nothing of the API yet."""
    return Kubectl(max(programs.every(), key=lambda each: each.minor), cluster.kubeconfig, tmp_path / "discovered")


@pytest.fixture(params=[Rest, rawprotobuf.Rest] if FULL else [Rest], ids=["json", "protobuf"] if FULL else ["json"])
def rest(request: pytest.FixtureRequest, python: kubernetes.client.ApiClient) -> Rest:
    """Plain requests as administrator; in full runs also as Go's clients make them."""
    made: Rest = request.param(python)
    return made


@pytest.fixture
def hook(cluster: testing.Threaded) -> Iterator[Callable[..., hooks.Hook]]:
    """Serve webhooks to the end of the test, each answering as a function says."""
    with ExitStack() as stack:

        def served(answer: hooks.Answer, **more: Any) -> hooks.Hook:
            running: AbstractAsyncContextManager[hooks.Hook] = hooks.serving(answer, **more)
            made = cluster.call(running.__aenter__())
            stack.callback(lambda: cluster.call(running.__aexit__(None, None, None)))
            return made

        yield served
