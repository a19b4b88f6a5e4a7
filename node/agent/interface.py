"""What the session with the control plane and the pod machinery see of each other.

The session hands Assignments to `Pods` and takes from it what it reports in Hello and whom it streams with;
`Pods` calls `PodSink`, which the session carries out. All calls are made in the event loop and none of the
sink's may block: the session keeps its own bounded queues, one status a pod being the newest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.api.pb import agent_pb2, metrics_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.runtime import interface as runtime


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """What Welcome says that pods depend on."""

    pod_cidrs: tuple[str, ...] = ()
    cluster_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """The node itself: its name and addresses, as its Node object has them, and where pods' folders lie."""

    name: str
    addresses: tuple[str, ...]
    root: str = "/var/lib/fairlead"
    # Sysctls that pods may set beside the safe ones.
    allowed_sysctls: tuple[str, ...] = ()
    lowest_oom_score: int = -1000


@dataclass(frozen=True, slots=True)
class Fault:
    """A part of the node that fails: `part` is `runtime`, `network` or `disk`. An empty message: it works again.

    The session shows it as the node's Ready condition (`container runtime is down: …`, `network is not ready: …`).
    """

    part: str
    message: str = ""


class PodSink(Protocol):
    """Where the pod machinery's news go. Messages are the sink's to keep; nobody changes them afterwards."""

    def status(self, pod: corev1.Pod, status: corev1.PodStatus) -> None:
        """Take a pod's new status. It is repeated after nothing: keep the newest until it is sent."""
        ...

    def terminated(self, namespace: str, name: str, uid: str) -> None:
        """Learn that nothing is left of a pod that was to be deleted."""
        ...

    def event(self, event: corev1.Event) -> None:
        """Take an Event about a pod; one with the same name is the same one, counted up."""
        ...

    def token_needed(self, request: agent_pb2.TokenNeeded) -> None:
        """Ask for a service-account token; it is repeated until the token comes among the changes."""
        ...

    def fault(self, fault: Fault) -> None:
        """Learn that a part of the node fails, or works again."""
        ...


class Pods(Protocol):
    """The pods of a node. `node.agent.manager.PodManager` carries it out.

    `run` is the root task of all workers; until it is started, nothing happens. The other methods may be called
    before, too. Before the first COMPLETE nothing that runs is touched.
    """

    async def run(self) -> None:
        """Carry out what is desired until cancelled. Pods go on running afterwards."""
        ...

    def configure(self, info: ClusterInfo) -> None:
        """Take what Welcome says."""
        ...

    def apply(self, changes: Sequence[agent_pb2.Change], *, complete: bool) -> None:
        """Take assignments: everything at once (all parts of a COMPLETE, joined) or what changed.

        Of interest are pods, config maps, secrets, services, tokens, nodes and what is removed; others are
        passed over. After a COMPLETE, containers and sandboxes of pods that it does not name are removed.
        """
        ...

    async def running(self) -> Sequence[agent_pb2.RunningPod]:
        """Return the pods whose containers exist on the node, for Hello."""
        ...

    def statuses(self) -> Sequence[tuple[corev1.Pod, corev1.PodStatus]]:
        """Return the newest status of every pod, for a new session."""
        ...

    def waiting_tokens(self) -> Sequence[agent_pb2.TokenNeeded]:
        """Return the tokens that were asked for and have not come, for a new session."""
        ...

    async def stats(self) -> Sequence[metrics_pb2.PodMetrics]:
        """Return what each pod uses, over the window since the call before."""
        ...

    async def images(self) -> Sequence[runtime.Image]:
        """Return the images on the node, for the Node's status."""
        ...

    def logs(self, uid: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Iterate over a container's log; fairlead.api.errors.BadRequest or NotFound where there is none."""
        ...

    async def exec(self, uid: str, container: str, options: runtime.ExecOptions) -> runtime.Stream:
        """Run a command in a pod's container; errors as for `logs`."""
        ...

    async def attach(self, uid: str, container: str, *, stdin: bool, tty: bool) -> runtime.Stream:
        """Connect to a container's main process; errors as for `logs`."""
        ...

    async def port_forward(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port of the pod's loopback, or of its address; errors as for `logs`."""
        ...
