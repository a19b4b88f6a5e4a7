"""Client-side apply, as kubectl does it: a three-way patch from last-applied, the file, and the live object.

Both tools keep `last-applied-configuration`, so that they can be mixed. Applying what is there already sends
nothing; fields that others own (a scaled replica count that the file leaves out, a node port) stay.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fairlead.api import codec, errors, patches
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import manifests
from fairlead.client import rpcerrors
from fairlead.client.interface import Client, Patch, PatchType

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FIELD_MANAGER = "fairlead-client-side-apply"
# Where objects are tried whose own namespace the same input is about to create.
TRIAL_NAMESPACE = "default"
# Go's encoder, which kubectl uses, escapes what could end a script in a web page.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class Step:
    """What applying one document takes: create it (`live` is None), patch it, or nothing (`patch` is empty)."""

    document: manifests.Document
    data: dict[str, Any]
    live: Any | None
    patch: dict[str, Any]

    @property
    def outcome(self) -> str:
        """Return kubectl's word for it."""
        if self.live is None:
            return "created"
        return "configured" if self.patch else "unchanged"


def with_last_applied(data: dict[str, Any]) -> dict[str, Any]:
    """Return a document with itself recorded in the annotation, byte for byte as kubectl records it."""
    metadata = dict(data.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    recorded = {**data, "metadata": {**metadata, "annotations": annotations}}
    text = json.dumps(recorded, separators=(",", ":"), sort_keys=True, ensure_ascii=False).translate(_ESCAPES) + "\n"
    return {**data, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def plan(document: manifests.Document, live: Any | None) -> Step:
    """Return the step for a document, given the live object (None where there is none). Pure."""
    modified = with_last_applied(document.data)
    if live is None:
        return Step(document, modified, None, {})
    current = codec.to_json(live)
    recorded = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    original = json.loads(recorded) if recorded else {}
    if document.kind.message is None:  # a custom resource has no merge keys
        patch = patches.create_three_way_json_merge_patch(original, modified, current)
    else:
        patch = patches.create_three_way_merge_patch(original, modified, current, document.kind.message)
    return Step(document, modified, live, patch)


async def plan_all(client: Client, documents: Sequence[manifests.Document]) -> list[Step]:
    """Plan each document, namespaces first, and let the server try all of them without writing.

    ManifestError tells every fault that it finds.
    """
    ordered = sorted(documents, key=lambda document: not isinstance(document.object, corev1.Namespace))
    steps, faults = [], []
    coming: set[str] = set()
    for document in ordered:
        try:
            step = plan(document, await _live(client, document))
            if step.live is None and isinstance(document.object, corev1.Namespace):
                coming.add(document.object.metadata.name)
            tried = await _try(client, step, coming)
        except rpcerrors.Unreachable:
            raise
        except errors.ApiError as error:
            faults += manifests.faults_of(document, error)
            continue
        # the server may understand both texts as the same, `cpu: 1` and `cpu: "1"` for example
        steps.append(replace(step, patch={}) if step.live is not None and tried == step.live else step)
    if faults:
        raise manifests.ManifestError("\n".join(faults))
    return steps


async def _live(client: Client, document: manifests.Document) -> Any | None:
    meta = document.metadata
    try:
        return await client.get(document.carrier, meta.name, meta.namespace)
    except errors.NotFound:
        return None


async def _try(client: Client, step: Step, coming: set[str]) -> Any | None:
    """Let the server do everything but write; returns the object as it would be."""
    if step.live is not None or step.document.metadata.namespace not in coming:
        return await carry_out(client, step, dry_run=True)
    metadata = {**step.data["metadata"], "namespace": TRIAL_NAMESPACE}
    try:
        return await carry_out(client, replace(step, data={**step.data, "metadata": metadata}), dry_run=True)
    except errors.AlreadyExists:
        return None  # another object of the same name in the namespace that we tried it in


async def carry_out(client: Client, step: Step, *, dry_run: bool = False) -> Any | None:
    """Write one step and return the object; nothing is sent for an unchanged one."""
    kind, meta = step.document.carrier, step.document.metadata
    if step.live is None:
        message = codec.from_json(step.data, kind)
        return await client.create(message, dry_run=dry_run, field_manager=FIELD_MANAGER)
    if not step.patch:
        return step.live
    merge = PatchType.STRATEGIC if step.document.kind.message is not None else PatchType.MERGE
    patch = Patch(merge, json.dumps(step.patch).encode())
    return await client.patch(kind, meta.name, meta.namespace, patch, dry_run=dry_run, field_manager=FIELD_MANAGER)
