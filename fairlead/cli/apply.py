"""Client-side apply, as kubectl does it: a three-way patch from last-applied, the file, and the live object.

Both tools keep `last-applied-configuration`, so that they can be mixed. Applying what is there already sends
nothing; fields that others own (a scaled replica count that the file leaves out, a node port) stay.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api import codec, errors, patches
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import manifests
from fairlead.client.interface import Client, Patch, PatchType

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FIELD_MANAGER = "fairlead-client-side-apply"


@dataclass(frozen=True, slots=True)
class Step:
    """What applying one document takes: create it, patch it, or nothing (patch is empty)."""

    document: manifests.Document
    data: dict[str, Any]
    live: bool
    patch: dict[str, Any]

    @property
    def outcome(self) -> str:
        """Return kubectl's word for it."""
        if not self.live:
            return "created"
        return "configured" if self.patch else "unchanged"


def with_last_applied(data: dict[str, Any]) -> dict[str, Any]:
    """Return a document with itself recorded in the annotation, byte for byte as kubectl records it."""
    metadata = dict(data.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    recorded = {**data, "metadata": {**metadata, "annotations": annotations}}
    text = json.dumps(recorded, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    return {**data, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def plan(document: manifests.Document, live: dict[str, Any] | None) -> Step:
    """Return the step for a document, given the live object as JSON (None where there is none). Pure."""
    modified = with_last_applied(document.data)
    if live is None:
        return Step(document, modified, False, {})
    recorded = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    original = json.loads(recorded) if recorded else {}
    patch = patches.create_three_way_merge_patch(original, modified, live, type(document.object))
    return Step(document, modified, True, patch)


async def plan_all(client: Client, documents: Sequence[manifests.Document]) -> list[Step]:
    """Read what is live and plan each document; then let the server try all of it without writing.

    An object whose namespace the same input creates cannot be tried; it is tried when it is written.
    """
    steps = []
    for document in documents:
        meta = document.object.metadata  # type: ignore[attr-defined]
        try:
            live = await client.get(type(document.object), meta.name, meta.namespace)
        except errors.NotFound:
            steps.append(plan(document, None))
        else:
            steps.append(plan(document, codec.to_json(live)))
    coming = {s.document.data["metadata"]["name"] for s in steps if isinstance(s.document.object, corev1.Namespace)}
    faults = []
    for step in steps:
        if step.document.data["metadata"].get("namespace") in coming and not step.live:
            continue
        try:
            await carry_out(client, step, dry_run=True)
        except errors.ApiError as error:
            faults.append(f"{step.document.place}, {step.document.name}: {error}")
    if faults:
        raise manifests.ManifestError("\n".join(faults))
    return steps


async def carry_out(client: Client, step: Step, *, dry_run: bool = False) -> None:
    """Write one step; nothing is sent for an unchanged object."""
    if not step.live:
        message = codec.from_json(step.data, type(step.document.object))
        await client.create(message, dry_run=dry_run, field_manager=FIELD_MANAGER)
        return
    if not step.patch:
        return
    meta = step.document.object.metadata  # type: ignore[attr-defined]
    patch = Patch(PatchType.STRATEGIC, json.dumps(step.patch).encode())
    kind = type(step.document.object)
    await client.patch(kind, meta.name, meta.namespace, patch, dry_run=dry_run, field_manager=FIELD_MANAGER)
