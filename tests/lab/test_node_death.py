"""A node dies, or is cut off, and comes back; its session may be held by the leader or by another process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest

from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import asking, figuring, sessions, witness
from tests.support import lab as labs

pytestmark = pytest.mark.usefixtures("the_journal")

NOT_READY_SECONDS = 4.0
REPLACED_SECONDS = 5.0
SERVICE_SECONDS = 5.0
WATCHED_SECONDS = 12.0
BACK_SECONDS = 40.0


def victim(lab: labs.Lab, api: asking.Api) -> str:
    """The node to lose: it has a replica, and is not the one where the client runs."""
    sessions.spread(lab, api)
    return next(p.spec.nodeName for p in api.living("web") if p.spec.nodeName != lab.nodes[0])


def holders(lab: labs.Lab, api: asking.Api, who: str) -> Sequence[str]:
    """The control processes that may hold the victim's session."""
    leader = sessions.leader_host(api)
    return [leader] if who == "leader" else [name for name in lab.controls if name != leader] or [leader]


class Loss:
    """One node's loss, observed: what became not ready when, what ran elsewhere when, what the client saw."""

    def __init__(self, lab: labs.Lab, api: asking.Api, figures: figuring.Figures, name: str) -> None:
        self._lab, self._api, self._figures, self._name = lab, api, figures, name
        self.old = [pod for pod in api.living("web") if pod.spec.nodeName == name]
        self.not_ready = 0.0
        self.replaced = 0.0

    def watch(self, what: str, lose: Callable[[str], None]) -> None:
        """Lose the node and see it through until others run in place of what it had."""
        api, name = self._api, self._name
        address = api.get(corev1.Service, "web", "default").spec.clusterIP
        through = self._lab.address(next(c for c in self._lab.controls if c == api.holder(name)))
        caller = self._lab.call_steadily(self._lab.nodes[0], f"http://{address}/")
        with witness.Witness(api, through) as eyes:
            lost, lost_at = time.monotonic(), time.time()
            lose(name)
            labs.wait_until(lambda: "" if eyes.when(name, "Unknown", lost) else f"{name} is ready", 15.0)
            labs.wait_until(self._replaced, 30.0)
            self.replaced = time.monotonic() - lost
            self.not_ready = (eyes.when(name, "Unknown", lost) or lost) - lost
            labs.wait_until(lambda: "" if time.monotonic() - lost > WATCHED_SECONDS else "the client goes on", 30.0)
            others = {seen for seen in eyes.statuses(0.0) if seen[0] != name and seen[1] != "True"}
        answers = caller.stop()
        late = [a.sent - lost_at for a in answers if a.error and a.sent - lost_at > SERVICE_SECONDS]
        around = [
            f"{a.sent - lost_at:.2f} +{a.took:.2f} {a.body or a.error}"
            for a in sorted(answers, key=lambda one: one.sent)
            if late and late[0] - 1.0 < a.sent - lost_at < late[-1] + 2.0
        ]
        last = max((a.sent - lost_at for a in answers if a.error), default=0.0)
        assert (late, others) == ([], set()), "\n".join(around)
        self._figures.note(f"{what}: it is NotReady", self.not_ready, NOT_READY_SECONDS)
        self._figures.note(f"{what}: replacements run, after that", self.replaced - self.not_ready, REPLACED_SECONDS)
        self._figures.note(f"{what}: last request of a client on node-1 that fails", last, SERVICE_SECONDS)
        assert len([a for a in answers if a.sent > lost_at]) > 15 * WATCHED_SECONDS

    def _replaced(self) -> str:
        running = [
            p for p in self._api.living("web") if p.status.phase == "Running" and p.spec.nodeName != self._name
        ]
        return "" if len(running) == 3 else f"{len(running)} replicas run elsewhere"

    def assert_old_pods_wait(self) -> None:
        """The lost node's pods are Terminating, behind no Service, not counted, and no connection is led to them."""
        labs.wait_until(self._counted, 15.0)
        uids = {pod.metadata.uid for pod in self.old}
        left = [pod for pod in self._api.pods("web") if pod.metadata.uid in uids]
        assert {pod.metadata.uid for pod in left} == uids
        assert all(pod.metadata.HasField("deletionTimestamp") for pod in left)
        assert {pod.status.podIP for pod in left} & self._api.endpoints("web") == set()

        for pod in left:
            tracked = ("conntrack", "-L", "-p", "tcp", "--state", "SYN_SENT", "--reply-src", pod.status.podIP)
            assert self._lab.run(self._lab.nodes[0], *tracked) == ""

    def _counted(self) -> str:
        status = self._api.get(appsv1.Deployment, "web", "default").status
        counts = (status.replicas, status.readyReplicas, status.availableReplicas, len(self._api.endpoints("web")))
        return "" if counts == (3, 3, 3, 3) else f"replicas, ready, available, endpoints: {counts}"

    def see_return(self, what: str) -> None:
        """The node is ready again, its old pods go, on it too, and the replacements stay."""
        started = time.monotonic()
        stays = {pod.metadata.uid for pod in self._api.living("web")}

        def probe() -> str:
            uids = {pod.metadata.uid for pod in self._api.pods("web")}
            left = [pod.metadata.name for pod in self.old if pod.metadata.uid in uids]
            status = self._api.readiness().get(self._name)
            return "" if not left and status == "True" else f"{self._name} is {status}; {left} are left"

        labs.wait_until(probe, BACK_SECONDS)
        self._figures.note(f"{what}: it is ready and rid of its old pods", time.monotonic() - started, BACK_SECONDS)
        for pod in self.old:
            label = f"label=io.kubernetes.pod.uid={pod.metadata.uid}"
            assert self._lab.run(self._name, "podman", "ps", "--all", "--quiet", "--filter", label) == ""
        assert {pod.metadata.uid for pod in self._api.living("web")} == stays


@pytest.mark.parametrize("who", ["leader", "another process"])
def test_killed_node_is_not_ready_in_4_s_and_replaced_in_5_s_more(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures, who: str
) -> None:
    """Whoever holds its session says so in time; the Service answers again within 5 s; the node comes back clean."""
    name = victim(lab, api)
    sessions.move(lab, api, name, holders(lab, api, who))
    loss = Loss(lab, api, figures, name)

    loss.watch(f"kill of a node ({who} holds its session)", lab.kill)
    loss.assert_old_pods_wait()
    lab.start(name)

    loss.see_return("start of the killed node, after its boot")


def test_node_that_is_cut_off_is_replaced_and_cleans_up_once_healed(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures
) -> None:
    """A partition counts as death; the node itself keeps its pods running until it hears that they are to go."""
    name = victim(lab, api)
    loss = Loss(lab, api, figures, name)

    loss.watch("cut of a node", lab.cut)
    loss.assert_old_pods_wait()
    label = f"label=io.kubernetes.pod.uid={loss.old[0].metadata.uid}"
    assert lab.run(name, "podman", "ps", "--quiet", "--filter", label) != ""
    lab.heal(name)

    loss.see_return("heal of the cut node")


@pytest.mark.full
def test_node_that_reboots_in_order_comes_back_ready(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures
) -> None:
    """A clean reboot ends its pods in time; the node is ready again and gets pods that work."""
    name = victim(lab, api)
    epoch, started = api.epoch(name), time.monotonic()

    lab.call(name, "systemctl", "reboot")
    labs.wait_until(lambda: "" if api.epoch(name) > epoch else "no new session", 60.0)
    labs.wait_until(lambda: "" if api.readiness()[name] == "True" else f"{name} is not ready", 30.0)
    figures.note("reboot of a node: it is ready again", time.monotonic() - started, 60.0)
    labs.wait_until(lambda: sessions.steady(lab, api), 60.0)

    sessions.spread(lab, api)
    pod = next(pod for pod in api.living("web") if pod.spec.nodeName == name)
    said = lab.run(lab.nodes[0], "curl", "-sS", "-m", "3", f"http://{pod.status.podIP}:8080/")
    assert said.split()[0] == pod.metadata.name
