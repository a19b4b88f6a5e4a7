"""What can be told from a Pod alone."""

from __future__ import annotations

import pytest

from fairlead.api import errors, pods
from fairlead.api.pb import core_v1_pb2 as corev1


def _pod(*containers: str, init: tuple[str, ...] = (), ephemeral: tuple[str, ...] = ()) -> corev1.Pod:
    pod = corev1.Pod()
    pod.metadata.name = "web"
    for name in containers:
        pod.spec.containers.add(name=name)
    for name in init:
        pod.spec.initContainers.add(name=name)
    for name in ephemeral:
        pod.spec.ephemeralContainers.add().ephemeralContainerCommon.name = name
    return pod


def test_a_container_is_the_one_that_is_named_or_the_only_one() -> None:
    """Init and ephemeral containers are meant only by name."""
    pod = _pod("main", init=("prepare",), ephemeral=("debugger",))
    assert [pods.container_of(pod, name) for name in ("", "main", "prepare", "debugger")] == [
        "main",
        "main",
        "prepare",
        "debugger",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no", "container no is not valid for pod web"),
        ("", "a container name must be specified for pod web, choose one of: [prepare main helper debugger]"),
    ],
)
def test_a_container_that_is_not_clear_is_refused(name: str, message: str) -> None:
    """Kubernetes lists all containers in the order in which they start."""
    with pytest.raises(errors.BadRequest) as refused:
        pods.container_of(_pod("main", "helper", init=("prepare",), ephemeral=("debugger",)), name)
    assert refused.value.message == message
