"""`label`, `annotate`, `cordon`, `uncordon` and `drain`."""

from __future__ import annotations

from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from tests.support import served
from tests.unit.cli import objects as made


def test_labels_are_set_and_taken_away(plane: served.Plane) -> None:
    """kubectl's words; a change that changes nothing writes nothing."""
    made.pod(plane, "web-1", app="web")

    said = [plane.out("label", "pod", "web-1", "tier=front"), plane.out("label", "pod/web-1", "tier=front")]
    revision = plane.revision()
    said.append(plane.out("label", "pods", "-l", "app=web", "app=web"))
    untouched = plane.revision() == revision
    said.append(plane.out("label", "pod", "web-1", "tier-"))

    assert said == [f"pod/web-1 {word}\n" for word in ("labeled", "not labeled", "not labeled", "unlabeled")]
    assert untouched
    pod = plane.call(plane.client.get(corev1.Pod, "web-1", "default"))
    assert dict(pod.metadata.labels) == {"app": "web"}


def test_another_value_needs_overwrite(plane: served.Plane) -> None:
    """As with kubectl."""
    made.pod(plane, "web-1", app="web")

    refused = plane.cli("label", "pod", "web-1", "app=other")

    assert (refused.exit_code, refused.stderr) == (
        1,
        "error: 'app' already has a value (web), and --overwrite is false\n",
    )
    assert plane.out("label", "pod", "web-1", "app=other", "--overwrite") == "pod/web-1 labeled\n"
    assert plane.cli("label", "pod", "web-1").exit_code == 2
    assert plane.cli("label", "pods", "a=b").exit_code == 2


def test_annotations_are_set(plane: served.Plane) -> None:
    """Their values may be anything."""
    made.deployment(plane, "web", 1)

    assert plane.out("annotate", "deploy/web", "why=a = b", "when=now") == "deployment.apps/web annotated\n"
    assert "why=a = b" in plane.out("describe", "deploy/web")


def test_a_node_is_cordoned_and_uncordoned(plane: served.Plane) -> None:
    """Twice is told, not written."""
    made.node(plane, "node-1")

    said = [plane.out(verb, "node-1") for verb in ("cordon", "cordon", "uncordon", "uncordon")]

    assert said == [
        f"node/node-1 {word}\n" for word in ("cordoned", "already cordoned", "uncordoned", "already uncordoned")
    ]


def test_a_node_is_drained(plane: served.Plane) -> None:
    """Pods of a controller are evicted, and the command ends when they are gone."""
    made.node(plane, "node-1")
    pod = objects.copy(made.pod(plane, "web-1"))
    pod.metadata.ownerReferences.add(apiVersion="apps/v1", kind="ReplicaSet", name="web", uid="u", controller=True)
    plane.call(plane.client.update(pod))
    made.pod(plane, "elsewhere", node="node-2")

    draining = plane.start("drain", "node-1")
    said = [draining.line(), draining.line()]
    options = metav1.DeleteOptions(gracePeriodSeconds=0)
    plane.call(plane.client.delete(corev1.Pod, "web-1", "default", options=options))

    assert said == ["node/node-1 cordoned", "evicting pod default/web-1"]
    assert draining.end() == (0, "pod/web-1 evicted\nnode/node-1 drained\n", "")
    assert plane.out("get", "pods", "-o", "name") == "pod/elsewhere\n"


def test_what_would_be_lost_is_not_drained(plane: served.Plane) -> None:
    """A pod that nothing replaces, unless forced."""
    made.node(plane, "node-1")
    made.pod(plane, "web-1")

    result = plane.cli("drain", "node-1")

    assert (result.exit_code, result.stderr) == (
        1,
        'error: unable to drain node "node-1": cannot delete Pods that declare no controller '
        "(use --force to override): default/web-1\n",
    )
    forced = plane.start("drain", "node-1", "--force", "--grace-period", "0")
    assert forced.end() == (
        0,
        "node/node-1 already cordoned\nevicting pod default/web-1\npod/web-1 evicted\nnode/node-1 drained\n",
        "",
    )
