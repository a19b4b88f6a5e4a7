"""When an object goes at once, and when it is marked and stays."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver import deletion
from control.apiserver.strategies import configmap, namespace, pod
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from tests.unit.apiserver import yamls

NOW = 1000


def decide(strategy: Any, obj: Any, **options: Any) -> Any:
    """Decide with these options; returns the marked object, or None where it goes."""
    decided = deletion.decide(strategy, obj, metav1.DeleteOptions(**options), NOW)
    return decided.obj if isinstance(decided, deletion.Mark) else None


def a_pod(text: str = "{}") -> corev1.Pod:
    """A pod on a node, with a grace of 30 s."""
    made = yamls.read("{metadata: {name: web}, spec: {nodeName: n, terminationGracePeriodSeconds: 30}}", corev1.Pod)
    made.MergeFrom(yamls.read(text, corev1.Pod))
    return made


def test_a_pod_that_runs_is_marked_for_its_grace() -> None:
    """deletionTimestamp is when the grace ends."""
    marked = decide(pod.PodStrategy(), a_pod())

    assert (marked.metadata.deletionTimestamp.seconds, marked.metadata.deletionGracePeriodSeconds) == (NOW + 30, 30)


@pytest.mark.parametrize(
    "text",
    ["{status: {phase: Succeeded}}", "{status: {phase: Failed}}"],
)
def test_a_pod_that_has_ended_goes_at_once(text: str) -> None:
    """There is nothing to end."""
    assert decide(pod.PodStrategy(), a_pod(text)) is None


def test_a_pod_without_a_node_goes_at_once() -> None:
    """It never ran."""
    unbound = a_pod()
    unbound.spec.nodeName = ""

    assert decide(pod.PodStrategy(), unbound) is None


def test_grace_0_removes_a_pod_and_a_negative_one_means_a_second() -> None:
    """As kubectl's --force, and as Kubernetes reads -1."""
    assert decide(pod.PodStrategy(), a_pod(), gracePeriodSeconds=0) is None
    assert decide(pod.PodStrategy(), a_pod(), gracePeriodSeconds=-1).metadata.deletionGracePeriodSeconds == 1


def test_only_a_shorter_grace_changes_a_deletion_that_has_begun() -> None:
    """It counts from when the deletion began."""
    marked = decide(pod.PodStrategy(), a_pod())

    longer = decide(pod.PodStrategy(), marked, gracePeriodSeconds=60)
    shorter = decide(pod.PodStrategy(), marked, gracePeriodSeconds=10)

    assert longer == marked
    assert (shorter.metadata.deletionTimestamp.seconds, shorter.metadata.deletionGracePeriodSeconds) == (NOW + 10, 10)


def test_a_finalizer_holds_an_object() -> None:
    """It is marked with no grace, and is over when the finalizer goes."""
    held = corev1.ConfigMap()
    held.metadata.finalizers.append("example.com/mine")

    marked = decide(configmap.ConfigMapStrategy(), held)

    assert (marked.metadata.deletionTimestamp.seconds, marked.metadata.deletionGracePeriodSeconds) == (NOW, 0)
    assert not deletion.is_over(configmap.ConfigMapStrategy(), marked)
    del marked.metadata.finalizers[:]
    assert deletion.is_over(configmap.ConfigMapStrategy(), marked)


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"orphanDependents": True}, ["orphan"]),
    ],
)
def test_a_policy_holds_the_object_by_its_finalizer(options: dict[str, Any], want: list[str]) -> None:
    """For the garbage collector, which takes it away."""
    marked = decide(configmap.ConfigMapStrategy(), corev1.ConfigMap(), **options)

    assert list(marked.metadata.finalizers) == want


@pytest.mark.parametrize("options", [{}, {"propagationPolicy": "Background"}, {"orphanDependents": False}])
def test_in_the_background_an_object_goes_at_once(options: dict[str, Any]) -> None:
    """Also what happens where nothing is said."""
    assert decide(configmap.ConfigMapStrategy(), corev1.ConfigMap(), **options) is None


def test_a_namespace_terminates_until_it_is_finalised() -> None:
    """spec.finalizers hold it."""
    made = yamls.read("{metadata: {name: lab}, spec: {finalizers: [kubernetes]}}", corev1.Namespace)

    marked = decide(namespace.NamespaceStrategy(), made)

    assert marked.status.phase == "Terminating"
    del marked.spec.finalizers[:]
    assert deletion.is_over(namespace.NamespaceStrategy(), marked)


def test_generations_count_deletions() -> None:
    """An object with a generation that begins to be deleted has a new one."""
    held = corev1.ConfigMap()
    held.metadata.generation = 3
    held.metadata.finalizers.append("example.com/mine")

    assert decide(configmap.ConfigMapStrategy(), held).metadata.generation == 4
