"""Control processes and control hosts die: others take over, no node suffers, nothing acknowledged is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import asking, figuring, journal, sessions, witness
from tests.support import lab as labs

pytestmark = pytest.mark.usefixtures("the_journal")

TAKEOVER_SECONDS = 8.0
TAKEOVER_WITH_ETCD_SECONDS = 15.0
GRACE_SECONDS = 3.0
ROLLOUT_SECONDS = 30.0
UNAVAILABLE_SECONDS = 5.0
RECOVERY_SECONDS = 30.0


def etcd_members(lab: labs.Lab) -> dict[str, tuple[int, int]]:
    """Every member that answers, by its host: its own id and the one that it takes for the leader's."""
    found = {}
    for entry in json.loads(journal.etcdctl(lab, "endpoint", "status", "--write-out=json")):
        host = next(name for name in lab.controls if f"//{lab.address(name)}:" in entry["Endpoint"])
        found[host] = (entry["Status"]["header"]["member_id"], entry["Status"]["leader"])
    return found


def move_etcd_leader(lab: labs.Lab, host: str) -> None:
    """Make a host's member the leader of etcd."""
    member, leader = etcd_members(lab)[host]
    if member != leader:
        journal.etcdctl(lab, "move-leader", f"{member:x}")
    labs.wait_until(lambda: "" if len(set(etcd_members(lab)[host])) == 1 else "etcd's leader has not moved", 10.0)


def etcd_is_whole(lab: labs.Lab) -> str:
    """A probe: every member answers and knows the same leader."""
    try:
        members = etcd_members(lab)
    except Exception as error:  # a member that is not there makes etcdctl fail
        return str(error)
    same = len({leader for _, leader in members.values()}) == 1 and set(members) == set(lab.controls)
    return "" if same else f"members {members}"


@pytest.fixture
def whole_etcd(lab: labs.Lab, api: asking.Api) -> Iterator[None]:
    """A test begins with all members and ends when they are all there again."""
    labs.wait_until(lambda: etcd_is_whole(lab), RECOVERY_SECONDS)
    yield
    lab.mend()
    labs.wait_until(lambda: etcd_is_whole(lab), RECOVERY_SECONDS)


def deployment(name: str) -> appsv1.Deployment:
    """A Deployment of two replicas."""
    made = appsv1.Deployment()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.replicas = 2
    made.spec.selector.matchLabels["app"] = name
    made.spec.template.metadata.labels["app"] = name
    made.spec.template.spec.terminationGracePeriodSeconds = 0
    made.spec.template.spec.containers.add(name="main", image="registry.fairlead.lab:5000/web:1")
    return made


def roll_out(api: asking.Api, name: str) -> float:
    """Create a new Deployment and return the seconds until its replicas are available; it is deleted again."""
    started = time.monotonic()
    api.create(deployment(name))

    def probe() -> str:
        status = api.get(appsv1.Deployment, name, "default").status
        return "" if status.availableReplicas == 2 else f"{status.availableReplicas} of 2 replicas are available"

    labs.wait_until(probe, ROLLOUT_SECONDS)
    took = time.monotonic() - started
    api.delete(appsv1.Deployment, name, "default")
    return took


def wait_for_another(api: asking.Api, before: str, through: str, since: float) -> float:
    """The seconds until another process than before holds the leader's lease."""

    def probe() -> str:
        now = api.leader(through=through)
        return "" if now not in ("", before) else f"the leader is {now or 'nobody'}"

    labs.wait_until(probe, 3 * TAKEOVER_WITH_ETCD_SECONDS)
    return time.monotonic() - since


def test_killed_leading_process_is_succeeded_within_8_s_and_no_node_suffers(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures
) -> None:
    """SIGKILL of the process that leads and holds sessions: another leads in time, every node stays Ready."""
    before, host = api.leader(), sessions.leader_host(api)
    for node in lab.nodes:
        sessions.move(lab, api, node, [host])
    through = lab.address(next((name for name in lab.controls if name != host), host))
    web = {pod.metadata.uid for pod in api.pods("web")}

    with witness.Witness(api, through) as eyes:
        killed = time.monotonic()
        lab.run(host, "systemctl", "kill", "--kill-who=main", "--signal=SIGKILL", "fairlead-control")
        took = wait_for_another(api, before, through, killed)
        held = {node: epoch for node in lab.nodes for epoch in [api.epoch(node)]}
        labs.wait_until(
            lambda: "" if time.monotonic() - killed > 3 * GRACE_SECONDS else f"sessions are at epochs {held}", 30.0
        )

    figures.note("kill -9 of the leading control process: another leads", took, TAKEOVER_SECONDS)
    assert {status for _, status in eyes.statuses(0.0)} == {"True"}
    assert {pod.metadata.uid for pod in api.pods("web")} == web


@pytest.mark.parametrize(
    ("how", "etcd"), [("kill", "and etcd's leader"), ("kill", "but not etcd's leader"), ("cut", "and etcd's leader")]
)
def test_lost_leading_host_is_succeeded_within_its_deadline(
    lab: labs.Lab, api: asking.Api, whole_etcd: None, figures: figuring.Figures, how: str, etcd: str
) -> None:
    """8 s, or 15 s if etcd loses its leader too; then a new Deployment rolls out; no node becomes NotReady."""
    before, host = api.leader(), sessions.leader_host(api)
    others = [name for name in lab.controls if name != host]
    assert others, "this test needs several control hosts: deploy/lab up --controls 3"
    both = etcd == "and etcd's leader"
    move_etcd_leader(lab, host if both else others[0])
    through = lab.address(others[-1])

    with witness.Witness(api, through) as eyes:
        killed = time.monotonic()
        (lab.kill if how == "kill" else lab.cut)(host)
        took = wait_for_another(api, before, through, killed)
        rolled = roll_out(api, "after-the-loss")

    limit = TAKEOVER_WITH_ETCD_SECONDS if both else TAKEOVER_SECONDS
    figures.note(f"{how} of the leader's host ({etcd}): another leads", took, limit)
    figures.note(f"{how} of the leader's host ({etcd}): then 2 new replicas are available", rolled, ROLLOUT_SECONDS)
    assert {status for _, status in eyes.statuses(0.0)} == {"True"}


def test_without_etcds_majority_calls_fail_within_5_s_and_the_service_goes_on(
    lab: labs.Lab, api: asking.Api, whole_etcd: None, figures: figuring.Figures
) -> None:
    """Calls fail with Unavailable, pods and rules stay; once a member is back, calls work again by themselves."""
    left, *lost = lab.controls
    through, address = lab.address(left), api.get(corev1.Service, "web", "default").spec.clusterIP
    pods = {pod.metadata.uid for pod in api.pods("web")}
    for name in lost or [left]:
        lab.run(name, "systemctl", "stop", "fairlead-etcd")
    caller = lab.call_steadily(lab.nodes[0], f"http://{address}/", rate=5.0)
    client = api.client(through)

    async def attempt() -> float:
        """The seconds after which a call fails as it should."""
        started = time.monotonic()
        with pytest.raises(errors.ServiceUnavailable):
            await client.list(corev1.Pod, "default")
        return time.monotonic() - started

    try:
        took = [api.loop.start(attempt()).result(30.0) for _ in range(3)]
    finally:
        for name in lost or [left]:
            lab.run(name, "systemctl", "start", "--no-block", "fairlead-etcd")
    started = time.monotonic()
    api.ask(lambda client: client.list(corev1.Pod, "default"), through=through, seconds=RECOVERY_SECONDS)
    back = time.monotonic() - started
    labs.wait_until(lambda: sessions.steady(lab, api), RECOVERY_SECONDS)

    figures.note("etcd without its majority: a call fails with Unavailable", max(took), UNAVAILABLE_SECONDS)
    assert [answer for answer in caller.stop() if answer.error] == []
    assert {pod.metadata.uid for pod in api.pods("web")} == pods
    figures.note("etcd has its majority again: a call succeeds", back, RECOVERY_SECONDS)


def test_every_acknowledged_write_is_in_etcd(
    lab: labs.Lab, api: asking.Api, the_journal: journal.Journal, figures: figuring.Figures
) -> None:
    """After all faults of this run etcd holds each uid and resourceVersion that the API ever acknowledged."""
    the_journal.stop()

    stored = journal.stored(lab)

    assert the_journal.notes.differences(stored) == []
    assert len(the_journal.notes.acknowledged) > 0
    figures.note("objects written through all faults, all of them in etcd", len(stored), unit="")
