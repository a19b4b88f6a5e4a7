"""Parts of a node fail (agent, Podman, disk, rules): pods stay, the node says what is wrong, it recovers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import asking, figuring, sessions, witness
from tests.support import lab as labs

pytestmark = pytest.mark.usefixtures("the_journal")

NOTICED_SECONDS = 15.0
RECOVERED_SECONDS = 30.0
UNTOLD_SECONDS = 8.0  # longer than the agent keeps a silent Podman to itself


def containers(lab: labs.Lab, node: str) -> set[str]:
    """Every container of a node with the time of its start."""
    return set(lab.run(node, "podman", "ps", "--no-trunc", "--format", "{{.ID}} {{.StartedAt}}").splitlines())


def agent(lab: labs.Lab, node: str) -> tuple[str, str]:
    """What tells one run of the agent from another: its process id, and how often systemd has restarted it."""
    show = ("systemctl", "show", "--property=MainPID,NRestarts", "--value", "fairlead-node")
    pid, restarts = lab.run(node, *show).split()
    return pid, restarts


def restarts(api: asking.Api) -> dict[str, int]:
    """How often each replica's container was started anew."""
    return {pod.metadata.uid: pod.status.containerStatuses[0].restartCount for pod in api.pods("web")}


def has_event(api: asking.Api, node: str, reason: str, since: int) -> str:
    """A probe: there is an Event about the node that is younger than a time."""
    every = [event for event in api.list(corev1.Event) if event.involvedObject.name == node]
    young = {event.reason for event in every if event.lastTimestamp.seconds >= since}
    return "" if reason in young else f"events about {node}: {sorted(young)}"


def has_condition(api: asking.Api, node: str, type_: str, status: str, text: str = "") -> str:
    """A probe: a node's condition has a status and says something."""
    found = asking.condition(api.get(corev1.Node, node), type_)
    return "" if found.status == status and text in found.message else f"{type_}={found.status} ({found.message})"


def test_killed_agent_leaves_its_pods_running_and_the_next_adopts_them(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures
) -> None:
    """SIGKILL: the same containers run on, none is started anew, and the node never counts as lost."""
    node = lab.nodes[0]
    sessions.spread(lab, api)
    before, counts, epoch = containers(lab, node), restarts(api), api.epoch(node)
    with witness.Witness(api, lab.address(api.holder(node))) as eyes:
        started = time.monotonic()

        lab.run(node, "systemctl", "kill", "--kill-who=main", "--signal=SIGKILL", "fairlead-node")
        labs.wait_until(lambda: "" if api.epoch(node) > epoch else "no new session", RECOVERED_SECONDS)
        figures.note("kill -9 of an agent: the next one has a session", time.monotonic() - started, RECOVERED_SECONDS)
        labs.wait_until(lambda: sessions.steady(lab, api), RECOVERED_SECONDS)

    assert containers(lab, node) == before
    assert restarts(api) == counts
    assert {status for name, status in eyes.statuses(0.0) if name == node} == {"True"}


def test_restarted_agent_notices_what_happened_while_it_was_away(lab: labs.Lab, api: asking.Api) -> None:
    """A container that was killed meanwhile runs again once the agent is back."""
    node = lab.nodes[0]
    sessions.spread(lab, api)
    pod = next(pod for pod in api.living("web") if pod.spec.nodeName == node)
    container = pod.status.containerStatuses[0].containerID.rpartition("/")[2]
    lab.run(node, "systemctl", "stop", "fairlead-node")
    try:
        lab.run(node, "podman", "kill", container)
    finally:
        lab.run(node, "systemctl", "start", "fairlead-node")

    def started_anew() -> str:
        now = api.find(corev1.Pod, pod.metadata.name, "default")
        if now is None or now.metadata.HasField("deletionTimestamp"):
            return ""  # the agent was away for so long that others took over
        count = now.status.containerStatuses[0].restartCount
        return "" if count == 1 and asking.ready(now) == "True" else f"restarted {count} times"

    labs.wait_until(started_anew, RECOVERED_SECONDS)
    labs.wait_until(lambda: sessions.steady(lab, api), RECOVERED_SECONDS)
    assert container not in lab.run(node, "podman", "ps", "--quiet", "--no-trunc")


def test_restart_of_podmans_service_touches_no_pod(lab: labs.Lab, api: asking.Api) -> None:
    """Podman's API process is only a process: containers run on, and the agent takes up with the new one."""
    node = lab.nodes[0]
    sessions.spread(lab, api)
    before, counts, was = containers(lab, node), restarts(api), agent(lab, node)

    with witness.Witness(api, lab.address(api.holder(node))) as eyes:
        started = time.monotonic()
        lab.run(node, "systemctl", "restart", "fairlead-podman")
        labs.wait_until(
            lambda: "" if time.monotonic() - started > UNTOLD_SECONDS else "the witness goes on", RECOVERED_SECONDS
        )
    assert {status for name, status in eyes.statuses(0.0) if name == node} == {"True"}
    assert (containers(lab, node), restarts(api), agent(lab, node)) == (before, counts, was)


@contextlib.contextmanager
def podman_gone(lab: labs.Lab, node: str) -> Iterator[None]:
    """A stretch in which nothing listens on Podman's socket."""
    lab.run(node, "systemctl", "stop", "fairlead-podman")
    try:
        lab.run(node, "rm", "-f", "/run/podman/podman.sock")
        yield
    finally:
        lab.run(node, "systemctl", "start", "fairlead-podman")


def test_podman_that_does_not_answer_is_told_and_survived(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures
) -> None:
    """Ready turns False and says why, an Event too; the agent goes on, and all is well once Podman is back."""
    sessions.spread(lab, api)
    node, since, was = lab.nodes[-1], int(time.time()), agent(lab, lab.nodes[-1])
    with podman_gone(lab, node):
        probe = labs.wait_until(
            lambda: has_condition(api, node, "Ready", "False", "container runtime is down"), NOTICED_SECONDS
        )
        labs.wait_until(lambda: has_event(api, node, "NodeNotReady", since), NOTICED_SECONDS)
    figures.note("Podman's socket gone: Ready is False", probe, NOTICED_SECONDS)

    back = labs.wait_until(lambda: has_condition(api, node, "Ready", "True"), RECOVERED_SECONDS)
    labs.wait_until(lambda: sessions.steady(lab, api), RECOVERED_SECONDS)

    figures.note("Podman's socket back: Ready is True", back, RECOVERED_SECONDS)
    assert agent(lab, node) == was


@contextlib.contextmanager
def failing_iptables(lab: labs.Lab, node: str) -> Iterator[None]:
    """A stretch in which every iptables-restore on a node fails, whatever its flavour."""
    programs = "/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi"  # what every iptables program is
    make = f"set -e; for program in {programs}; do mount --bind /bin/false $program; done"
    undo = f"set -e; for program in {programs}; do umount --lazy $program; done"
    lab.run(node, "sh", "-c", make)
    try:
        yield
    finally:
        lab.run(node, "sh", "-c", undo)


@pytest.fixture
def late_service(the_api: asking.Api) -> Iterator[corev1.Service]:
    """A Service that leads to the example's pods, to be created, and removed after the test."""
    made = corev1.Service()
    made.metadata.name, made.metadata.namespace = "late", "default"
    made.spec.selector["app"] = "web"
    made.spec.ports.add(port=80).targetPort.intVal = 8080
    yield made
    the_api.delete(corev1.Service, "late", "default")


def test_failing_iptables_restore_is_told_retried_and_mended(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures, late_service: corev1.Service
) -> None:
    """The node says that its rules are not written; the agent goes on trying; then the rules are there."""
    node, since, was = lab.nodes[0], int(time.time()), agent(lab, lab.nodes[0])
    with failing_iptables(lab, node):
        made = api.create(late_service)
        noticed = labs.wait_until(lambda: has_condition(api, node, "NetworkUnavailable", "True"), NOTICED_SECONDS)
        labs.wait_until(lambda: has_event(api, node, "ServiceRulesFailed", since), NOTICED_SECONDS)
    figures.note("iptables-restore fails: the node says so", noticed, NOTICED_SECONDS)

    url = f"http://{made.spec.clusterIP}/"
    back = labs.wait_until(
        lambda: "" if lab.call(node, "curl", "-sm", "2", url).stdout else f"{url} is silent", RECOVERED_SECONDS
    )
    labs.wait_until(lambda: has_condition(api, node, "NetworkUnavailable", "False"), RECOVERED_SECONDS)

    figures.note("iptables-restore works again: the new Service answers", back, RECOVERED_SECONDS)
    assert agent(lab, node) == was


@contextlib.contextmanager
def full_disk(lab: labs.Lab, node: str) -> Iterator[None]:
    """A stretch in which the agent's folder lies on a disk of 4 MB without a byte left."""
    folder, small = "/var/lib/fairlead", "/run/small"
    make = (
        f"set -e; mkdir -p {small}; mount -t tmpfs -o size=4m,mode=755 small {small}; cp -a {folder}/. {small}/; "
        f"cat /dev/zero >{small}/filling 2>/dev/null || true; mount --bind {small} {folder}"
    )
    lab.run(node, "sh", "-c", make)
    try:
        yield
    finally:
        lab.run(node, "umount", "--lazy", folder)
        lab.run(node, "umount", "--lazy", small)


@pytest.fixture
def patient(lab: labs.Lab, the_api: asking.Api) -> Iterator[corev1.Pod]:
    """A pod for the last node that wants a file there, to be created, and removed after the test."""
    settings = corev1.ConfigMap()
    settings.metadata.name, settings.metadata.namespace = "patient", "default"
    settings.data["greeting"] = "hello"
    the_api.create(settings)
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace = "patient", "default"
    made.spec.nodeName = lab.nodes[-1]
    made.spec.terminationGracePeriodSeconds = 0
    container = made.spec.containers.add(name="main", image="registry.fairlead.lab:5000/web:1")
    container.volumeMounts.add(name="settings", mountPath="/settings")
    made.spec.volumes.add(name="settings").volumeSource.configMap.localObjectReference.name = "patient"
    yield made
    the_api.delete(corev1.Pod, "patient", "default")
    the_api.delete(corev1.ConfigMap, "patient", "default")
    labs.wait_until(lambda: "it is left" if the_api.find(corev1.Pod, "patient", "default") else "", RECOVERED_SECONDS)


def says_why(api: asking.Api, pod: str) -> str:
    """A probe: an Event about a pod says that the disk is full."""
    told = [event.message for event in api.list(corev1.Event, "default") if event.involvedObject.name == pod]
    return "" if any("No space left on device" in text for text in told) else f"events about {pod}: {told}"


def test_full_disk_is_told_and_survived(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures, patient: corev1.Pod
) -> None:
    """DiskPressure and its Event come, running pods stay, a new pod there waits and says why; then it runs."""
    sessions.spread(lab, api)
    node, since, was = lab.nodes[-1], int(time.time()), agent(lab, lab.nodes[-1])
    before = containers(lab, node)
    with full_disk(lab, node):
        noticed = labs.wait_until(lambda: has_condition(api, node, "DiskPressure", "True"), NOTICED_SECONDS)
        labs.wait_until(lambda: has_event(api, node, "NodeHasDiskPressure", since), NOTICED_SECONDS)
        api.create(patient)
        labs.wait_until(lambda: says_why(api, "patient"), NOTICED_SECONDS)
        assert before <= containers(lab, node)
    figures.note("the disk is full: DiskPressure", noticed, NOTICED_SECONDS)

    back = labs.wait_until(lambda: has_condition(api, node, "DiskPressure", "False"), RECOVERED_SECONDS)
    labs.wait_until(lambda: running(api, "patient"), RECOVERED_SECONDS)

    figures.note("the disk has room again: no DiskPressure", back, RECOVERED_SECONDS)
    assert (before <= containers(lab, node), agent(lab, node)) == (True, was)


def running(api: asking.Api, pod: str) -> str:
    """A probe: a pod runs."""
    phase = api.get(corev1.Pod, pod, "default").status.phase
    return "" if phase == "Running" else f"{pod} is {phase}"
