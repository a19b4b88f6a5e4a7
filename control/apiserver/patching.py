"""Patches applied to objects: the object's JSON, changed by the patch, read back as a message. Pure."""

from __future__ import annotations

import copy

import orjson
from google.protobuf.message import Message

from fairlead.api import codec, errors, objects, patches
from fairlead.client.interface import Patch, PatchType

NO_STRATEGIC = (
    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json,"
    " application/merge-patch+json, application/apply-patch+yaml"
)


def apply(patch: Patch, old: Message) -> Message:
    """Return a new message: the old one, changed by the patch.

    errors.BadRequest for a patch that cannot be read, errors.Invalid for one that does not fit the object.
    """
    try:
        document = orjson.loads(patch.body)
    except orjson.JSONDecodeError as error:
        raise errors.BadRequest(f"error decoding patch: {error}") from None
    current = codec.to_json(old)
    if isinstance(old, objects.Unstructured):
        current = copy.deepcopy(current)
        if patch.type is PatchType.STRATEGIC:
            raise errors.UnsupportedMediaType(NO_STRATEGIC)
    try:
        match patch.type:
            case PatchType.JSON:
                changed = patches.apply_json_patch(current, document)
            case PatchType.MERGE:
                changed = patches.apply_merge_patch(current, _object(document))
            case PatchType.STRATEGIC:
                changed = patches.apply_strategic_merge_patch(current, _object(document), type(old))
            case _:
                raise errors.UnsupportedMediaType(f"the patch type {patch.type.value} is not served")
    except patches.PatchError as error:
        raise errors.Invalid(f"the server rejected our request due to an error in our request: {error}") from None
    try:
        return codec.from_json(changed, type(old), strict=False)
    except codec.DecodeError as error:
        raise errors.BadRequest(f"the patched object cannot be read: {error}") from None


def _object(document: object) -> dict[str, object]:
    if not isinstance(document, dict):
        raise errors.BadRequest("error decoding patch: expected an object")
    return document
