"""What depends on what, by owner references, and what the garbage collector does about it.

`Graph` keeps the dependents of every owner by uid; `decide` judges one object. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fairlead.api.pb import meta_v1_pb2 as metav1

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Node(NamedTuple):
    """An object in the graph: its kind's full message name and its key."""

    kind: str
    key: str

    def text(self) -> str:
        """Return the node as a queue's key."""
        return f"{self.kind}|{self.key}"


def parse(text: str) -> Node:
    """Return the node of a queue's key."""
    kind, _, key = text.partition("|")
    return Node(kind, key)


class Graph:
    """The dependents of each owner, and where each uid is."""

    def __init__(self) -> None:
        self._dependents: dict[str, set[Node]] = {}
        self._places: dict[str, Node] = {}

    def put(self, node: Node, old: metav1.ObjectMeta | None, new: metav1.ObjectMeta | None) -> None:
        """Take in an object's change; None for absent."""
        if old is not None:
            self._places.pop(old.uid, None)
            for owner in owners(old):
                dependents = self._dependents.get(owner, set())
                dependents.discard(node)
                if not dependents:
                    self._dependents.pop(owner, None)
        if new is not None:
            self._places[new.uid] = node
            for owner in owners(new):
                self._dependents.setdefault(owner, set()).add(node)

    def dependents(self, uid: str) -> Sequence[Node]:
        """Return the objects that name this owner."""
        return sorted(self._dependents.get(uid, ()))

    def place(self, uid: str) -> Node | None:
        """Return the object of a uid, or None."""
        return self._places.get(uid)


def owners(meta: metav1.ObjectMeta) -> list[str]:
    """Return the uids of an object's owners."""
    return [reference.uid for reference in meta.ownerReferences]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with an object: nothing, delete it by a policy, or drop its references to some owners."""

    action: Literal["keep", "delete", "drop"]
    policy: str = ""
    drop: Collection[str] = ()


def decide(meta: metav1.ObjectMeta, absent: Collection[str], waiting: Collection[str], blocks: bool) -> Decision:
    """Judge an object that has owners.

    `absent` are the uids of owners that are certainly gone, `waiting` of owners that wait for their dependents to
    go; `blocks` says whether the object has dependents that would hold it in turn.
    """
    named = owners(meta)
    solid = [uid for uid in named if uid not in absent and uid not in waiting]
    if not named or meta.HasField("deletionTimestamp"):
        return Decision("keep")
    if solid:
        going = [uid for uid in named if uid not in solid]
        return Decision("drop", drop=going) if going else Decision("keep")
    if waiting and blocks:
        return Decision("delete", "Foreground")
    if ORPHAN in meta.finalizers:
        return Decision("delete", "Orphan")
    if FOREGROUND in meta.finalizers:
        return Decision("delete", "Foreground")
    return Decision("delete", "Background")


def is_waiting(meta: metav1.ObjectMeta) -> bool:
    """Whether an object waits for its dependents to go."""
    return meta.HasField("deletionTimestamp") and FOREGROUND in meta.finalizers


def is_orphaning(meta: metav1.ObjectMeta) -> bool:
    """Whether an object waits until its dependents no longer name it."""
    return meta.HasField("deletionTimestamp") and ORPHAN in meta.finalizers


def blocking(uid: str, metas: Iterable[metav1.ObjectMeta]) -> bool:
    """Whether any of these dependents holds its owner."""
    return any(
        reference.uid == uid and reference.blockOwnerDeletion for meta in metas for reference in meta.ownerReferences
    )


def is_holding(meta: metav1.ObjectMeta) -> bool:
    """Whether an object blocks the deletion of an owner."""
    return any(reference.blockOwnerDeletion for reference in meta.ownerReferences)


def in_circle(uid: str, dependents: Callable[[str], Iterable[metav1.ObjectMeta]]) -> bool:
    """Whether an object waits for itself: for dependents that block it and wait in turn, and so on back to it."""
    seen: set[str] = set()
    left = [uid]
    while left:
        owner = left.pop()
        for meta in dependents(owner):
            if is_waiting(meta) and blocking(owner, [meta]):
                if meta.uid == uid:
                    return True
                if meta.uid not in seen:
                    seen.add(meta.uid)
                    left.append(meta.uid)
    return False


def without(references: Iterable[metav1.OwnerReference], drop: Collection[str]) -> list[metav1.OwnerReference]:
    """Return owner references but those to some uids."""
    return [reference for reference in references if reference.uid not in drop]


def meta_of(obj: Any) -> metav1.ObjectMeta:
    """Return an object's metadata."""
    meta: metav1.ObjectMeta = obj.metadata
    return meta
