"""What one session's agent reports, on its way into the API.

Reports are kept as desired state, the newest a pod, and written where the stored object differs: after a report,
and also after another has overwritten it. Every write passes the fence: it is guarded by the resourceVersion of an
object that was read *before* the node's Lease was found to be still at this session's epoch. Whoever takes the next
epoch writes the Lease first; so either this read has seen that, or the guard fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from control.dispatcher import assignments, leases, settings, statuses
from fairlead import bells
from fairlead.api import errors, objects
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

if TYPE_CHECKING:
    from fairlead.client import interface

log = logging.getLogger(__name__)

CONFLICT_TRIES = 5
# Errors that pass; any other refusal is logged, and the report is dropped: it must not end the session, which would
# only bring it back.
LATER = (errors.ServiceUnavailable, errors.Timeout, errors.TooManyRequests)
WRITES_IN_FLIGHT = 8
RETRY_SECONDS = 0.5
# Events are hints: the oldest go where the API cannot take them fast enough.
EVENTS_KEPT = 1000


class Superseded(Exception):
    """The node's Lease shows another holder or epoch: nothing of this session may be written any more."""


class PodName(NamedTuple):
    """A pod by name and uid."""

    namespace: str
    name: str
    uid: str


@dataclass(slots=True)
class Work:
    """What is to be looked at next."""

    pods: set[PodName] = field(default_factory=set)
    terminated: set[PodName] = field(default_factory=set)
    tokens: list[agent.TokenNeeded] = field(default_factory=list)
    node: bool = False

    def __bool__(self) -> bool:
        return bool(self.pods or self.terminated or self.tokens or self.node)


class Intake:
    """The reports of one session. `take` and `stored_*` never block; `run` writes until cancelled or Superseded."""

    def __init__(
        self,
        node: str,
        epoch: int,
        client: interface.Client,
        cluster: assignments.Cluster,
        made: settings.Settings,
    ) -> None:
        self._node = node
        self._epoch = epoch
        self._client = client
        self._cluster = cluster
        self._settings = made
        # a part of a message keeps the whole of it in memory: what stays is bytes and digests
        self._pods: dict[PodName, bytes] = {}
        self._settled: dict[PodName, bytes] = {}
        self._node_status = b""
        self._node_settled = b""
        self._events: deque[corev1.Event] = deque(maxlen=EVENTS_KEPT)
        self._work = Work()
        self._wake = bells.Bell()
        self.judged_alive = True
        self.on_token: Callable[[agent.ServiceAccountToken], None] = lambda token: None

    # What is reported.

    def take(self, message: agent.AgentMessage) -> None:
        """Take one message of the agent; what is not for the API is passed over."""
        match message.WhichOneof("message"):
            case "pod_status":
                report = message.pod_status
                name = PodName(report.namespace, report.name, report.uid)
                self._pods[name] = report.status.SerializeToString()
                self._work.pods.add(name)
            case "pod_terminated":
                gone = message.pod_terminated
                self._work.terminated.add(PodName(gone.namespace, gone.name, gone.uid))
            case "node_status":
                self.take_node(message.node_status.status)
            case "event":
                self._events.append(message.event)
            case "token_needed":
                self._work.tokens.append(message.token_needed)
            case _:
                return
        self._wake.set()

    def take_node(self, status: corev1.NodeStatus) -> None:
        """Take what the agent says of its node, on top of what it said before."""
        before = corev1.NodeStatus.FromString(self._node_status)
        self._node_status = statuses.overlaid(before, status).SerializeToString()
        self._node_settled = b""
        self.check_node()

    def check_node(self) -> None:
        """Look again whether the stored Node says what the agent does."""
        self._work.node = True
        self._wake.set()

    # What is stored.

    def stored_pod(self, pod: corev1.Pod, there: bool) -> None:
        """Learn of a pod's stored state, which another may have written."""
        name = PodName(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)
        if not there:
            self._pods.pop(name, None)
            self._settled.pop(name, None)
        elif name in self._pods and self._settled.get(name) != statuses.digest(pod.status):
            self._work.pods.add(name)
            self._wake.set()

    def stored_node(self, node: corev1.Node) -> None:
        """Learn of the Node's stored state."""
        if self._node_settled and self._node_settled != statuses.node_digest(node.status):
            self.check_node()

    # What is written.

    async def run(self) -> None:
        """Write what differs, for ever; while the API is away, wait and try again."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            work, self._work = self._work, Work()
            try:
                await self._carry_out(work)
            except LATER as error:
                log.warning("reports wait for the API", extra={"node": self._node, "error": error.message})
                self._put_back(work)
                await asyncio.sleep(RETRY_SECONDS)
            del work  # a session mostly waits

    def _put_back(self, work: Work) -> None:
        self._work.pods |= {name for name in work.pods if name in self._pods}
        self._work.terminated |= work.terminated
        self._work.tokens = work.tokens + self._work.tokens
        self._work.node |= work.node
        self._wake.set()

    async def _carry_out(self, work: Work) -> None:
        if work.node and self.judged_alive:
            await self._write_node()
        names = sorted(work.pods)
        for start in range(0, len(names), WRITES_IN_FLIGHT):
            some = names[start : start + WRITES_IN_FLIGHT]
            outcomes = await asyncio.gather(*(self._write_pod(name) for name in some), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        for name in sorted(work.terminated):
            await self._delete_pod(name)
            work.terminated.discard(name)
        while work.tokens:
            await self._fetch_token(work.tokens[0])
            del work.tokens[0]
        while self._events:
            await self._write_event(self._events[0])
            self._events.popleft()

    async def _write_pod(self, name: PodName) -> str:
        stored = self._cluster.pod(name.namespace, name.name)
        for _ in range(CONFLICT_TRIES):
            reported = self._pods.get(name)
            if reported is None or stored is None or stored.metadata.uid != name.uid:
                return "the pod is gone"
            if stored.spec.nodeName != self._node:
                return "the pod is not this node's"
            fresh = statuses.pod(stored, corev1.PodStatus.FromString(reported))
            if fresh is None:
                self._settled[name] = statuses.digest(stored.status)
                return "the status is stored already"
            try:
                await self._fence()
                written = await self._client.update(fresh, subresource="status")
            except errors.Conflict:
                stored = await self._read_pod(name)
                continue
            except LATER:
                raise
            except errors.ApiError as error:
                return self._refused("status", name.name, error)
            self._settled[name] = statuses.digest(written.status)
            return f"wrote phase {written.status.phase}"
        raise errors.ServiceUnavailable(f"pod {name.name}: too many conflicts")

    async def _read_pod(self, name: PodName) -> corev1.Pod | None:
        try:
            return await self._client.get(corev1.Pod, name.name, name.namespace)
        except errors.NotFound:
            return None

    async def _delete_pod(self, name: PodName) -> str:
        """Let a pod's object go once nothing is left of it; never one that nobody has deleted."""
        stored = await self._read_pod(name)
        if stored is None or stored.metadata.uid != name.uid:
            return "the pod is gone"
        if not stored.metadata.HasField("deletionTimestamp"):
            return "the pod is not being deleted"
        options = metav1.DeleteOptions(gracePeriodSeconds=0)
        options.preconditions.uid = name.uid
        try:
            await self._fence()
            await self._client.delete(corev1.Pod, name.name, name.namespace, options=options)
        except (errors.NotFound, errors.Conflict):
            return "the pod is gone"
        except LATER:
            raise
        except errors.ApiError as error:
            return self._refused("deletion", name.name, error)
        return "deleted"

    async def _write_node(self) -> str:
        for _ in range(CONFLICT_TRIES):
            try:
                stored = await self._client.get(corev1.Node, self._node)
                fresh = statuses.node(stored, corev1.NodeStatus.FromString(self._node_status))
                if fresh is None:
                    self._node_settled = statuses.node_digest(stored.status)
                    return "the node's status is stored already"
                await self._fence()
                written = await self._client.update(fresh, subresource="status")
            except errors.Conflict:
                continue
            except LATER:
                raise
            except errors.ApiError as error:
                return self._refused("node status", self._node, error)
            self._node_settled = statuses.node_digest(written.status)
            return "wrote the node's status"
        raise errors.ServiceUnavailable(f"node {self._node}: too many conflicts")

    async def _write_event(self, event: corev1.Event) -> str:
        """Create an Event, or count one up that exists."""
        try:
            await self._client.create(event)
        except errors.AlreadyExists:
            return await self._count_event(event)
        except LATER:
            raise
        except errors.ApiError as error:
            return self._refused("event", event.metadata.name, error)
        return "recorded"

    async def _count_event(self, event: corev1.Event) -> str:
        """Replace an Event with its newest; a node may update events but not read them."""
        fresh = objects.copy(event)
        fresh.metadata.ClearField("resourceVersion")
        try:
            await self._client.update(fresh)
        except LATER:
            raise
        except errors.ApiError as error:
            return self._refused("event", event.metadata.name, error)
        return "counted"

    async def _fetch_token(self, needed: agent.TokenNeeded) -> str:
        request = authenticationv1.TokenRequest()
        request.spec.audiences.extend(needed.audiences)
        request.spec.expirationSeconds = needed.expiration_seconds
        bound = request.spec.boundObjectRef
        bound.apiVersion, bound.kind, bound.name, bound.uID = "v1", "Pod", needed.pod_name, needed.pod_uid
        try:
            granted = await self._client.post(
                corev1.ServiceAccount, needed.service_account, needed.namespace, "token", request
            )
        except LATER:
            raise
        except errors.ApiError as error:
            return self._refused("token", needed.pod_name, error)
        answer = agent.ServiceAccountToken(namespace=needed.namespace, pod_name=needed.pod_name)
        answer.pod_uid = needed.pod_uid
        answer.request.CopyFrom(granted)
        self.on_token(answer)
        return "granted"

    async def _fence(self) -> None:
        """Raise Superseded unless the node's Lease, as this process' cache has it, is at this session's epoch."""
        lease = await self._lease("0")
        if leases.epoch(lease) < self._epoch:
            lease = await self._lease("")  # the cache has not seen this session begin
        if not leases.holds(lease, self._settings.holder, self._epoch):
            raise Superseded(f"epoch {self._epoch} of node {self._node} is over")

    async def _lease(self, resource_version: str) -> coordinationv1.Lease | None:
        try:
            return await self._client.get(
                coordinationv1.Lease, self._node, leases.NAMESPACE, resource_version=resource_version
            )
        except errors.NotFound:
            return None

    def _refused(self, what: str, name: str, error: errors.ApiError) -> str:
        fields = {"node": self._node, "what": what, "object": name, "error": error.message}
        log.warning("report refused", extra=fields)
        return f"{what} of {name} refused: {error.message}"
