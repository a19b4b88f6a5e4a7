"""Adoption and release: which objects a controller owns, by selector and owner reference.

ReplicaSet and Deployment decide with `claim`, which is pure, and write it with `carry_out`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import orjson
from google.protobuf.message import Message

from fairlead.api import codec, objects, selectors
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client import interface

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Claim(Generic[M]):
    """What is owned, and changed copies of what is to be adopted or released."""

    owned: Sequence[M]
    adopt: Sequence[M]
    release: Sequence[M]


def reference_to(owner: Message) -> metav1.OwnerReference:
    """Return the reference that makes `owner` an object's controller."""
    kind, meta = objects.kind_of(cast(Any, owner)), cast(Any, owner).metadata
    return metav1.OwnerReference(
        apiVersion=kind.api_version,
        kind=kind.kind,
        name=meta.name,
        uid=meta.uid,
        controller=True,
        blockOwnerDeletion=True,
    )


def claim(owner: Message, selector: selectors.Selector, owned: Iterable[M], orphans: Iterable[M]) -> Claim[M]:
    """Decide on what the owner controls and on what nobody does; an owner being deleted takes nothing new."""
    meta = cast(Any, owner).metadata
    keep: list[M] = []
    adopt: list[M] = []
    release: list[M] = []
    leaving = meta.HasField("deletionTimestamp")
    for obj in owned:
        if selector.matches(cast(Any, obj).metadata.labels):
            keep.append(obj)
        elif not leaving:
            release.append(_released(obj, meta.uid))
    for obj in orphans:
        candidate = cast(Any, obj).metadata
        if leaving or candidate.HasField("deletionTimestamp") or not selector.matches(candidate.labels):
            continue
        adopted = objects.copy(obj)
        cast(Any, adopted).metadata.ownerReferences.append(reference_to(owner))
        adopt.append(adopted)
    return Claim(keep, adopt, release)


def _released(obj: M, uid: str) -> M:
    fresh = objects.copy(obj)
    references = cast(Any, fresh).metadata.ownerReferences
    for index in reversed(range(len(references))):
        if references[index].uid == uid:
            del references[index]
    return fresh


def patch_of(changed: Message) -> interface.Patch:
    """Return the patch that writes an object's owner references, if it is still what was decided on."""
    meta = cast(Any, changed).metadata
    references = [codec.to_json(reference) for reference in meta.ownerReferences]
    body = {"uid": meta.uid, "resourceVersion": meta.resourceVersion, "ownerReferences": references}
    return interface.Patch(interface.PatchType.MERGE, orjson.dumps({"metadata": body}))


async def carry_out(client: interface.Client, changed: M) -> M:
    """Write an adoption or a release; Conflict where the object has changed since."""
    meta = cast(Any, changed).metadata
    return await client.patch(type(changed), meta.name, meta.namespace, patch_of(changed))
