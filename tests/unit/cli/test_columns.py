"""What `get` prints."""

from __future__ import annotations

import datetime

import pytest

from fairlead.api import columns, scheme
from fairlead.api.pb import core_v1_pb2 as corev1

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (192, "3m12s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (5 * 3600 + 180, "5h3m"),
        (47 * 3600, "47h"),
        (2 * 86400 + 4 * 3600, "2d4h"),
        (8 * 86400 + 4 * 3600, "8d"),
        (3 * 365 * 86400 + 20 * 86400, "3y20d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_read_as_kubectl_writes_them(seconds: int, text: str) -> None:
    """The rule is apimachinery's HumanDuration."""
    assert columns.human_duration(seconds) == text


def make_pod() -> corev1.Pod:
    pod = corev1.Pod()
    pod.metadata.name = "web-1"
    pod.metadata.creationTimestamp.seconds = int(NOW.timestamp()) - 60
    pod.spec.nodeName = "node-1"
    pod.spec.containers.add(name="web")
    pod.status.phase = "Running"
    pod.status.podIP = "10.128.0.5"
    pod.status.containerStatuses.add(name="web", ready=True, restartCount=2).state.running.SetInParent()
    return pod


def test_a_running_pods_row() -> None:
    """Every column of the wide table, in order."""
    names = [column.name for column in columns.of_kind(scheme.DEFAULT.find("pods"))]

    row = dict(zip(names, columns.row(make_pod(), NOW), strict=True))

    assert row == {
        "Name": "web-1",
        "Ready": "1/1",
        "Status": "Running",
        "Restarts": "2",
        "Age": "60s",
        "IP": "10.128.0.5",
        "Node": "node-1",
        "Nominated Node": "<none>",
        "Readiness Gates": "<none>",
    }


def test_a_waiting_containers_reason_is_the_pods_status() -> None:
    """CrashLoopBackOff is what users look for."""
    pod = make_pod()
    status = pod.status.containerStatuses[0]
    status.ready = False
    status.state.waiting.reason = "CrashLoopBackOff"
    status.state.ClearField("running")

    found = columns.summary(pod)
    assert (found.reason, found.ready, found.restarts) == ("CrashLoopBackOff", 0, 2)


def test_a_deleted_pod_is_terminating() -> None:
    """Whatever its containers do, until it has ended."""
    pod = make_pod()
    pod.metadata.deletionTimestamp.seconds = 1
    before = columns.summary(pod).reason
    pod.status.phase = "Succeeded"

    assert (before, columns.summary(pod).reason) == ("Terminating", "Succeeded")


def test_a_gated_pod_says_so() -> None:
    """Its status names the gate's reason, not Pending."""
    pod = corev1.Pod()
    pod.status.phase = "Pending"
    pod.status.conditions.add(type="PodScheduled", status="False", reason="SchedulingGated")

    assert columns.summary(pod).reason == "SchedulingGated"


def test_sidecars_count_among_the_containers() -> None:
    """Ready ones too, and their restarts with the last one's time; those of other init containers are forgotten."""
    pod = make_pod()
    pod.spec.initContainers.add(name="setup")
    pod.spec.initContainers.add(name="proxy", restartPolicy="Always")
    setup = pod.status.initContainerStatuses.add(name="setup", restartCount=7)
    setup.state.terminated.exitCode = 0
    proxy = pod.status.initContainerStatuses.add(name="proxy", restartCount=1, ready=True, started=True)
    proxy.lastState.terminated.finishedAt.seconds = int(NOW.timestamp()) - 300

    assert columns.row(pod, NOW)[1:4] == ("2/2", "Running", "3 (5m ago)")


def test_a_failed_init_container_is_the_pods_status() -> None:
    """With its own restarts, and when it last did."""
    pod = make_pod()
    pod.spec.initContainers.add(name="setup")
    setup = pod.status.initContainerStatuses.add(name="setup", restartCount=7)
    setup.state.waiting.reason = "CrashLoopBackOff"
    setup.lastState.terminated.finishedAt.seconds = int(NOW.timestamp()) - 300

    assert columns.row(pod, NOW)[1:4] == ("0/1", "Init:CrashLoopBackOff", "7 (5m ago)")


def test_a_row_of_a_pod_that_has_ended_has_a_condition() -> None:
    """By which clients of tables tell it; the others have none."""
    pod = make_pod()
    before = columns.row_conditions(pod)
    pod.status.phase = "Failed"

    assert before == ()
    assert columns.row_conditions(pod) == [
        {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}
    ]
