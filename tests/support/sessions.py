"""Which control process holds which node's session, and how a test moves one where it wants it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from tests.support import asking
from tests.support import lab as labs

GRPC_PORT = 7443
MOVE_SECONDS = 20.0


def leader_host(api: asking.Api, *, through: str = "") -> str:
    """The host whose control process runs the controllers."""
    return api.leader(through=through).rpartition("-")[0]


@contextlib.contextmanager
def _refused(lab: labs.Lab, node: str, controls: Collection[str]) -> Iterator[None]:
    """A stretch in which some control processes seem to be gone for one node."""
    rules = [
        f"OUTPUT -p tcp -d {lab.address(name)} --dport {GRPC_PORT} -j REJECT --reject-with tcp-reset".split()
        for name in controls
    ]
    for rule in rules:
        lab.run(node, "iptables", "-w", "-I", *rule)
    try:
        yield
    finally:
        for rule in rules:
            lab.run(node, "iptables", "-w", "-D", *rule)


def move(lab: labs.Lab, api: asking.Api, node: str, holders: Collection[str]) -> str:
    """Bring a node's session to one of some control processes; returns which."""
    if api.holder(node) not in holders:
        with _refused(lab, node, [name for name in lab.controls if name not in holders]):
            labs.wait_until(
                lambda: "" if api.holder(node) in holders else f"held by {api.holder(node)}", MOVE_SECONDS
            )
    return api.holder(node)


def spread(lab: labs.Lab, api: asking.Api) -> None:
    """Bring a replica of the example to each node that has none, from one that has several."""
    for _ in lab.nodes:
        hosts = [pod.spec.nodeName for pod in api.living("web")]
        bare = [node for node in lab.nodes if node not in hosts]
        crowded = next((pod for pod in api.living("web") if hosts.count(pod.spec.nodeName) > 1), None)
        if not bare or crowded is None:
            return
        api.delete(type(crowded), crowded.metadata.name, "default")
        labs.wait_until(lambda: steady(lab, api), MOVE_SECONDS)
    raise AssertionError(f"replicas stay on {[pod.spec.nodeName for pod in api.living('web')]}")


def steady(lab: labs.Lab, api: asking.Api, replicas: int = 3) -> str:
    """A probe: exactly the wanted replicas exist, stay, are ready, and are what the Service leads to."""
    pods, behind = api.pods("web"), api.endpoints("web")
    ready = {pod.status.podIP for pod in pods if asking.ready(pod) == "True"}
    ending = [pod.metadata.name for pod in pods if pod.metadata.HasField("deletionTimestamp")]
    if len(pods) == len(ready) == replicas and behind == ready and not ending:
        return ""
    return f"{len(pods)} pods, ready {sorted(ready)}, ending {ending}, endpoints {sorted(behind)}"
