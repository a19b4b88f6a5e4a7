"""A host for pods of a test's own: Podman, a network and folders; nothing of it outlives the test. Wants root."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from node import mounts
from node.pods import folders
from tests.support import isolation, podman

NAMESPACES = "ns"


@contextlib.contextmanager
def alone() -> Iterator[podman.Service]:
    """Run a Podman service in a network namespace; pins go to NAMESPACES below its root, pods' folders beside."""
    if reason := podman.missing():
        raise AssertionError(f"a node cannot be tested: {reason}")
    with isolation.private_network(), isolation.folder() as root:
        # Before the service copies the mount namespace: what is mounted there later reaches it.
        mounts.share(root / NAMESPACES)
        mounts.share(root / folders.PODS)
        with podman.service(root) as service:
            yield service
