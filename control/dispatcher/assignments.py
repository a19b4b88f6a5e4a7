"""What each node needs of the cluster's state, and what has changed of it since it was told.

`Cluster` holds what the informers show and indexes it by node; `Cursor` is what one session has been sent. The feed
puts objects in, a session's writer takes `complete` once and `incremental` whenever its node is among the changed.
A node needs its pods, the ConfigMaps and Secrets that these name, and every Service, EndpointSlice, NetworkPolicy
and (in part) Node. Pure: no I/O and no clock. Nothing waits in queues: what is sent is always the newest state, so
that a slow session costs no memory.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message

from control.dispatcher import references, wire
from control.dispatcher.references import Key
from fairlead.api import objects
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1

PODS = "pods"
NODES = "nodes"
SHARED = frozenset({"services", "endpointslices", "networkpolicies", NODES})
FINAL_PHASES = ("Succeeded", "Failed")

# Removed shared objects are remembered for sessions that lag; above this many it is worth looking who does.
TOMBSTONES = 1000

# Objects are sent in this order, so that a pod finds what it needs; removals follow in the opposite one.
_ORDER = {references.CONFIG_MAPS: 0, references.SECRETS: 0, PODS: 1}


@dataclass(frozen=True, slots=True)
class Effect:
    """Whom a change concerns: every node, or those named."""

    everyone: bool = False
    nodes: frozenset[str] = frozenset()


NOBODY = Effect()
EVERYONE = Effect(everyone=True)


@dataclass(slots=True)
class Cursor:
    """What one session's agent has been sent; made by `Cluster.open`, changed only by `Cluster`."""

    node: str
    sequence: int = 0
    shared: int = 0
    revision: int = 0
    sent: dict[Key, str] = field(default_factory=dict)
    dirty: set[Key] = field(default_factory=set)
    ready: bool = False


class Cluster:
    """The state of the cluster as nodes need it, and the sessions that are told of it."""

    def __init__(self) -> None:
        self.revision = 0
        self._objects: dict[Key, Message] = {}
        self._pods_of: dict[str, set[Key]] = {}
        self._references: dict[Key, frozenset[Key]] = {}
        self._named: dict[str, Counter[Key]] = {}
        self._cursors: dict[str, list[Cursor]] = {}
        self._shared = SharedLog()

    # What the informers show.

    def put(self, obj: Message) -> Effect:
        """Take an object that is new or changed; returns whom it concerns."""
        key = key_of(obj)
        self._see(obj)
        old = self._objects.get(key)
        self._objects[key] = obj
        if key.resource in SHARED:
            return EVERYONE if self._put_shared(key, obj) else NOBODY
        if isinstance(obj, corev1.Pod):
            return self._put_pod(key, old, obj)
        return self._concerned(key)

    def remove(self, obj: Message) -> Effect:
        """Take an object that is gone, at its last state; returns whom that concerns."""
        key = key_of(obj)
        self._see(obj)
        old = self._objects.pop(key, None)
        if old is None:
            return NOBODY
        if key.resource in SHARED:
            self._shared.remove(key)
            if self._shared.tombstones > TOMBSTONES:
                self._forget()
            return EVERYONE
        if isinstance(old, corev1.Pod):
            node = old.spec.nodeName
            self._unbind(key, node)
            return self._mark(node, {key}) if node else NOBODY
        return self._concerned(key)

    def pod(self, namespace: str, name: str) -> corev1.Pod | None:
        """Return a pod, or None."""
        found = self._objects.get(Key(PODS, namespace, name))
        return found if isinstance(found, corev1.Pod) else None

    def node(self, name: str) -> corev1.Node | None:
        """Return a Node, or None."""
        found = self._objects.get(Key(NODES, "", name))
        return found if isinstance(found, corev1.Node) else None

    def pods_on(self, node: str) -> list[corev1.Pod]:
        """Return the pods that are bound to a node."""
        found = (self._objects[key] for key in sorted(self._pods_of.get(node, ())))
        return [pod for pod in found if isinstance(pod, corev1.Pod)]

    # What sessions are told.

    def open(self, node: str) -> Cursor:
        """Begin a session; the first that it takes is `complete`."""
        cursor = Cursor(node)
        self._cursors.setdefault(node, []).append(cursor)
        return cursor

    def close(self, cursor: Cursor) -> None:
        """End a session."""
        left = [other for other in self._cursors.get(cursor.node, []) if other is not cursor]
        if left:
            self._cursors[cursor.node] = left
        else:
            self._cursors.pop(cursor.node, None)
        self._forget()

    def complete(self, cursor: Cursor, revision: int) -> Iterator[bytes]:
        """Return the whole state, in parts, as ControlMessages; `revision` is what the informers have reached."""
        private = sorted(self._needed(cursor.node), key=_sending_order)
        present = [(key, self._objects[key]) for key in private if key in self._objects]
        cursor.sent = {key: _uid(obj) for key, obj in present}
        cursor.dirty.clear()
        cursor.shared = self._shared.head
        cursor.revision = max(revision, cursor.revision)
        cursor.ready = True
        own = list(wire.parts([wire.change(wire.published(obj)) for _, obj in present]))
        return self._number(cursor, agent.Assignments.COMPLETE, [*self._shared.everything(), *own])

    def incremental(self, cursor: Cursor) -> Iterator[bytes]:
        """Return what changed since the last call, as ControlMessages; none where nothing did."""
        changes = [*self._shared.since(cursor.shared), *self._private(cursor)]
        cursor.shared = self._shared.head
        cursor.revision = max(cursor.revision, self.revision)
        if not changes:
            return iter(())
        return self._number(cursor, agent.Assignments.INCREMENTAL, list(wire.parts(changes)))

    def extra(self, cursor: Cursor, content: Message) -> bytes:
        """Return a ControlMessage of one change that is no object of the API (a token)."""
        (message,) = self._number(cursor, agent.Assignments.INCREMENTAL, [[wire.change(content)]])
        return message

    def pending(self, cursor: Cursor) -> bool:
        """Tell whether `incremental` would return anything."""
        return bool(cursor.dirty) or cursor.shared < self._shared.head

    def _private(self, cursor: Cursor) -> Iterator[bytes]:
        dirty = sorted(cursor.dirty, key=_sending_order)
        cursor.dirty.clear()
        gone = []
        for key in dirty:
            obj = self._objects.get(key) if self._needs(cursor.node, key) else None
            before = cursor.sent.get(key, "")
            if obj is None:
                if cursor.sent.pop(key, None) is not None:
                    gone.append(wire.removed(*key, before))
                continue
            if before not in ("", _uid(obj)):
                yield wire.removed(*key, before)  # another object has taken the name
            cursor.sent[key] = _uid(obj)
            yield wire.change(wire.published(obj))
        yield from reversed(gone)

    @staticmethod
    def _number(cursor: Cursor, type_: agent.Assignments.Type, found: Sequence[Sequence[bytes]]) -> Iterator[bytes]:
        for index, changes in enumerate(found, 1):
            cursor.sequence += 1
            header = agent.Assignments(
                type=type_,
                sequence=cursor.sequence,
                revision=cursor.revision,
                last=type_ == agent.Assignments.COMPLETE and index == len(found),
            )
            yield wire.assignments(header, changes)

    # The index.

    def _put_shared(self, key: Key, obj: Message) -> bool:
        if isinstance(obj, corev1.Node) and not obj.spec.podCIDRs:
            return False  # nothing leads there yet
        return self._shared.put(key, obj)

    def _put_pod(self, key: Key, old: Message | None, pod: corev1.Pod) -> Effect:
        was = old if isinstance(old, corev1.Pod) else None
        node = pod.spec.nodeName
        if was is not None and was.spec.nodeName == node and not _concerns_node(was, pod):
            return NOBODY
        nodes: set[str] = set()
        if was is not None and was.spec.nodeName not in ("", node):
            self._unbind(key, was.spec.nodeName)
            nodes |= self._mark(was.spec.nodeName, {key}).nodes
        if node:
            nodes |= self._bind(key, pod, node).nodes
        return Effect(nodes=frozenset(nodes))

    def _bind(self, key: Key, pod: corev1.Pod, node: str) -> Effect:
        self._pods_of.setdefault(node, set()).add(key)
        new, old = references.of_pod(pod), self._references.get(key, frozenset())
        self._references[key] = new
        return self._mark(node, {key, *self._count(node, new, old)})

    def _unbind(self, key: Key, node: str) -> None:
        pods = self._pods_of.get(node, set())
        pods.discard(key)
        if not pods:
            self._pods_of.pop(node, None)
        left = self._references.pop(key, frozenset())
        self._mark(node, self._count(node, frozenset(), left))

    def _count(self, node: str, new: frozenset[Key], old: frozenset[Key]) -> set[Key]:
        """Count references of a node's pods; returns those that the node begins or ceases to need."""
        named = self._named.setdefault(node, Counter())
        begun = {key for key in new - old if not named[key]}
        named.update(new - old)
        named.subtract(old - new)
        ended = {key for key in old - new if not named[key]}
        for key in ended:
            del named[key]
        if not named:
            del self._named[node]
        return begun | ended

    def _concerned(self, key: Key) -> Effect:
        nodes = frozenset(node for node in self._cursors if self._needs(node, key))
        for node in nodes:
            self._mark(node, {key})
        return Effect(nodes=nodes)

    def _mark(self, node: str, keys: Iterable[Key]) -> Effect:
        for cursor in self._cursors.get(node, ()):
            cursor.dirty.update(keys)
        return Effect(nodes=frozenset({node}))

    def _needs(self, node: str, key: Key) -> bool:
        if key.resource == PODS:
            return key in self._pods_of.get(node, ())
        return key in self._named.get(node, ())

    def _needed(self, node: str) -> set[Key]:
        return set(self._pods_of.get(node, ())) | set(self._named.get(node, ()))

    def _forget(self) -> None:
        cursors = itertools.chain.from_iterable(self._cursors.values())
        self._shared.forget(min((cursor.shared for cursor in cursors), default=self._shared.head))

    def _see(self, obj: Message) -> None:
        self.revision = max(self.revision, int(obj.metadata.resourceVersion or 0))  # type: ignore[attr-defined]


class SharedLog:
    """The objects that every node needs, each encoded once, in the order of their last change."""

    def __init__(self) -> None:
        self.head = 0
        self._encoded: dict[Key, bytes] = {}
        self._changed: dict[Key, int] = {}
        self._blocks: dict[int, list[bytes]] = {}
        self._complete: list[Sequence[bytes]] | None = None

    def put(self, key: Key, obj: Message) -> bool:
        """Take an object; returns whether anything changed that nodes see."""
        encoded = wire.change(wire.published(obj))
        if self._encoded.get(key) == encoded:
            return False
        self._encoded[key] = encoded
        self._touch(key)
        return True

    def remove(self, key: Key) -> None:
        """Take that an object is gone."""
        self._encoded.pop(key, None)
        self._touch(key)

    def _touch(self, key: Key) -> None:
        self.head += 1
        self._changed.pop(key, None)
        self._changed[key] = self.head
        self._blocks.clear()
        self._complete = None

    def everything(self) -> list[Sequence[bytes]]:
        """Return all objects, in parts that each is one piece of bytes; made once for all who begin now."""
        if self._complete is None:
            self._complete = [[b"".join(part)] for part in wire.parts(self._encoded.values()) if part]
        return self._complete

    def since(self, position: int) -> list[bytes]:
        """Return the newest state of what changed after a position of `head`; computed once for all who ask."""
        if position >= self.head:
            return []
        block = self._blocks.get(position)
        if block is None:
            keys = itertools.takewhile(lambda key: self._changed[key] > position, reversed(self._changed))
            block = [self._encoded.get(key) or wire.removed(*key) for key in reversed(list(keys))]
            self._blocks[position] = block
        return block

    @property
    def tombstones(self) -> int:
        """Return about how many removed objects are remembered."""
        return len(self._changed) - len(self._encoded)

    def forget(self, limit: int) -> None:
        """Drop the changes up to a position, which every session has been sent."""
        for key in [key for key, changed in self._changed.items() if changed <= limit]:
            del self._changed[key]


def key_of(obj: Message) -> Key:
    """Return an object's place in the API."""
    kind = objects.kind_of(obj)  # type: ignore[arg-type]
    return Key(kind.resource, obj.metadata.namespace, obj.metadata.name)  # type: ignore[attr-defined]


def _uid(obj: Message) -> str:
    return str(obj.metadata.uid)  # type: ignore[attr-defined]


def _sending_order(key: Key) -> tuple[int, Key]:
    return _ORDER[key.resource], key


def _concerns_node(old: corev1.Pod, new: corev1.Pod) -> bool:
    """Tell whether more than the status changed, which comes from the node itself.

    A final phase is news, too, and so is a readiness gate: others write both.
    """
    if old.spec != new.spec or (old.status.phase != new.status.phase and new.status.phase in FINAL_PHASES):
        return True
    return _gates(old) != _gates(new) or _identity(old) != _identity(new)


def _gates(pod: corev1.Pod) -> dict[str, str]:
    """Return the conditions that a pod's readiness waits for."""
    if not pod.spec.readinessGates:
        return {}
    gates = {gate.conditionType for gate in pod.spec.readinessGates}
    return {condition.type: condition.status for condition in pod.status.conditions if condition.type in gates}


def _identity(pod: corev1.Pod) -> bytes:
    meta = type(pod.metadata)()
    meta.CopyFrom(pod.metadata)
    for name in ("resourceVersion", "managedFields"):
        meta.ClearField(name)
    return meta.SerializeToString(deterministic=True)
