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

    assert columns.pod_status(pod) == ("CrashLoopBackOff", 0, 2)


def test_a_deleted_pod_is_terminating() -> None:
    """Whatever its containers do."""
    pod = make_pod()
    pod.metadata.deletionTimestamp.seconds = 1

    assert columns.pod_status(pod)[0] == "Terminating"
