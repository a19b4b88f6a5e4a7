"""`delete`: by name, file and selector; grace, force, waiting."""

from __future__ import annotations

import asyncio

from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.cli import deleting
from tests.support import served
from tests.unit.cli import objects as made

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"


def test_what_files_name_is_deleted(plane: served.Plane) -> None:
    """In their order; fields that are unknown do not matter."""
    plane.out("apply", "-f", "deploy/examples/web.yaml")
    plane.out("apply", "-f", "-", stdin=CONFIG)

    assert plane.out("delete", "-f", "deploy/examples/web.yaml") == (
        'deployment.apps "web" deleted\nservice "web" deleted\n'
    )
    assert plane.out("delete", "-f", "-", stdin=CONFIG + "future: 1\n") == 'configmap "settings" deleted\n'
    assert plane.out("get", "cm,deploy", "-o", "name") == ""


def test_objects_are_deleted_by_name_label_and_all(plane: served.Plane) -> None:
    """But not without any of these."""
    for name in ("one", "two", "three", "four"):
        labels = "{name: NAME, labels: {app: web}}" if name == "three" else "{name: NAME}"
        plane.out("apply", "-f", "-", stdin=CONFIG.replace("{name: settings}", labels.replace("NAME", name)))

    assert plane.out("delete", "cm", "one") == 'configmap "one" deleted\n'
    assert plane.out("delete", "cm", "-l", "app=web") == 'configmap "three" deleted\n'
    assert plane.cli("delete", "cm").exit_code == 2
    assert plane.out("delete", "cm", "--all") == 'configmap "four" deleted\nconfigmap "two" deleted\n'
    assert plane.out("delete", "cm", "--all") == "No resources found\n"


def test_what_is_missing_does_not_keep_the_rest(plane: served.Plane) -> None:
    """The exit code tells, unless it is to be ignored."""
    plane.out("apply", "-f", "-", stdin=CONFIG)

    result = plane.cli("delete", "cm/nothing", "cm/settings")
    ignored = plane.cli("delete", "cm/nothing", "--ignore-not-found")

    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        'configmap "settings" deleted\n',
        'Error from server (NotFound): configmaps "nothing" not found\n',
    )
    assert (ignored.exit_code, ignored.output) == (0, "")


def test_deleting_a_pod_waits_for_its_node(plane: served.Plane) -> None:
    """The command ends when the agent has reported the end of the containers."""
    made.pod(plane, "web-1")
    command = plane.start("delete", "pod", "web-1")
    said = command.line()
    waits = command.process.poll() is None

    options = metav1.DeleteOptions(gracePeriodSeconds=0)
    plane.call(plane.client.delete(corev1.Pod, "web-1", "default", options=options))

    assert said == 'pod "web-1" deleted'
    assert waits
    assert command.end() == (0, "", "")


def test_waiting_has_an_end(plane: served.Plane) -> None:
    """With --timeout; --no-wait does not wait at all."""
    made.pod(plane, "web-1")

    result = plane.cli("delete", "pod", "web-1", "--timeout", "0.2s")

    assert (result.exit_code, result.stdout) == (1, 'pod "web-1" deleted\n')
    assert result.stderr == 'error: timed out waiting for the condition on pod "web-1"\n'
    assert plane.out("delete", "pod", "web-1", "--no-wait") == 'pod "web-1" deleted\n'


def test_force_does_not_wait_for_the_node(plane: served.Plane) -> None:
    """It warns that the containers may run on."""
    made.pod(plane, "web-1")

    result = plane.cli("delete", "pod", "web-1", "--force")

    assert (result.exit_code, result.stdout) == (0, 'pod "web-1" force deleted\n')
    assert result.stderr == f"{deleting.AT_ONCE}\n"
    assert plane.out("get", "pods", "-o", "name") == ""


def test_the_grace_is_the_users_but_never_none_without_force(plane: served.Plane) -> None:
    """--grace-period=0 alone means 1 second, as with kubectl."""
    for name, words in {"a": ["--grace-period", "7"], "b": ["--grace-period", "0"], "c": ["--now"]}.items():
        made.pod(plane, name)
        plane.out("delete", "pod", name, "--no-wait", *words)

    async def grace(name: str) -> int:
        pod = await plane.client.get(corev1.Pod, name, "default")
        return pod.metadata.deletionGracePeriodSeconds

    async def graces() -> list[int]:
        return list(await asyncio.gather(*(grace(name) for name in "abc")))

    assert plane.call(graces()) == [7, 1, 1]


def test_cascade_becomes_the_propagation_policy(plane: served.Plane) -> None:
    """Foreground and orphan leave the work to the garbage collector, which looks for their finalizers."""
    made.deployment(plane, "one", 0)
    made.deployment(plane, "two", 0)

    plane.out("delete", "deploy", "one", "--cascade", "foreground", "--no-wait")
    plane.out("delete", "deploy", "two", "--cascade", "orphan", "--no-wait")

    text = plane.out("get", "deploy", "-o", "yaml")
    assert "- foregroundDeletion" in text
    assert "- orphan" in text


def test_refusals_are_the_servers(plane: served.Plane) -> None:
    """A namespace that every cluster needs stays."""
    result = plane.cli("delete", "ns", "default")

    assert result.exit_code == 1
    assert result.stderr.startswith(
        f'Error from server ({errors.Forbidden.reason}): namespaces "default" is forbidden'
    )
