"""Patches applied to objects: the object's JSON, changed by the patch, read back. Pure but for warnings.

What does not fit is refused with the codes and words of Kubernetes' API server.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from google.protobuf.message import Message

from control.apiserver import field, otherkinds, warnings
from control.apiserver.managed import content
from fairlead.api import codec, errors, patches
from fairlead.client.interface import Patch, PatchType

Json = Any
MAX_OPERATIONS = 10_000
REJECTED = "the server rejected our request due to an error in our request"
_OPERATION = frozenset({"op", "path", "from", "value"})
# The types that custom resources take.
_CUSTOM = (PatchType.JSON, PatchType.MERGE, PatchType.APPLY)


def _nothing(_: object) -> Sequence[str]:
    return ()


def apply(patch: Patch, old: Any, unknown: Callable[[Any], Sequence[str]] = _nothing) -> Any:
    """Return a new object: the old one, changed by the patch. `unknown` finds a custom resource's unknown fields.

    errors.BadRequest for a patch that cannot be read, errors.Invalid for one that does not fit the object or leaves
    it with fields that its kind does not have, where the patch is to be judged strictly.
    """
    document = _document(patch)
    current = codec.to_json(old)
    expected = current["apiVersion"], current["kind"]
    if not isinstance(old, Message):
        current = copy.deepcopy(current)  # it shares the object's own content
    faults = _faults(patch, document)
    match patch.type:
        case PatchType.JSON:
            changed, shown = _by_operations(current, document), None
        case PatchType.MERGE:
            changed, shown = _merged(patches.apply_merge_patch, current, document), None
        case PatchType.STRATEGIC:
            if not isinstance(old, Message):
                raise unsupported(_CUSTOM)
            changed, shown = _strategic(current, document, type(old)), _go(document)
        case _:
            raise unsupported(tuple(PatchType))
    text = orjson.dumps(changed).decode() if shown is None else shown
    if shown is None and isinstance(changed, dict):
        _check_kind(changed, old, expected, text)
    try:
        found = content.from_json(changed, old)
    except codec.DecodeError as error:
        # of a strategic patch Kubernetes tells no field; ours does, in our words
        as_go = shown is None and isinstance(old, Message)
        why = codec.in_go_words(error, type(old).DESCRIPTOR.full_name) if as_go else str(error)
        raise _unreadable(text, why) from None
    if patch.validation in ("Warn", "Strict"):
        paths = codec.unknown_fields(changed, type(old)) if isinstance(old, Message) else unknown(found)
        faults += [f'unknown field "{path}"' for path in paths]
    del faults[codec.MOST_STRICT_FAULTS :]
    if faults and patch.validation == "Strict":
        raise _unreadable(text, "strict decoding error: " + ", ".join(faults))
    for fault in faults:
        warnings.add(fault)
    return found


def unsupported(types: tuple[PatchType, ...]) -> errors.UnsupportedMediaType:
    """Return the refusal of a patch of a type that the object does not have."""
    text = "the body of the request was in an unknown format - accepted media types include: "
    return errors.UnsupportedMediaType(text + ", ".join(one.value for one in types))


def _document(patch: Patch) -> Json:
    try:
        document = orjson.loads(patch.body)
    except orjson.JSONDecodeError as error:
        raise errors.BadRequest(f"error decoding patch: {codec.json_fault(patch.body) or error}") from None
    if patch.type is not PatchType.JSON:
        if not isinstance(document, dict):
            raise _mistyped(document, "map[string]interface {}")
        return document
    if not isinstance(document, list):
        raise _mistyped(document, "[]handlers.jsonPatchOp")
    for operation in document:
        if not isinstance(operation, dict):
            raise _mistyped(operation, "handlers.jsonPatchOp")
    if len(document) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(document)}"
        raise errors.RequestEntityTooLarge(text)
    return document


def _mistyped(value: Json, wanted: str) -> errors.BadRequest:
    got = "null" if value is None else otherkinds.GO_KINDS.get(type(value), "number")
    return errors.BadRequest(f"error decoding patch: json: cannot unmarshal {got} into Go value of type {wanted}")


def _faults(patch: Patch, document: Json) -> list[str]:
    """Return what a strict reader finds wrong with the patch itself: fields that stand twice, unknown operations."""
    if patch.validation not in ("Warn", "Strict"):
        return []
    found: list[str] = []
    if len(orjson.dumps(document)) != len(patch.body.strip()):  # a text as long as its own writing has no doubles
        found = [fault.removeprefix("json: ") for fault in codec.duplicate_fields(patch.body)]
    if patch.type is not PatchType.JSON:
        return found
    strange = [
        f'unknown field "[{index}].{name}"'
        for index, operation in enumerate(document)
        for name in operation
        if name not in _OPERATION
    ]
    return [f"json patch {fault}" for fault in (*found, *strange)]


def _by_operations(current: Json, document: Json) -> Json:
    try:
        return patches.apply_json_patch(current, document)
    except patches.PatchError as error:
        raise errors.Invalid(f"{REJECTED}: {error}") from None  # a cause would hide the message from kubectl's users


def _merged(merge: Any, current: Json, document: Json) -> Json:
    try:
        return merge(current, document)
    except patches.PatchError as error:
        raise errors.BadRequest(str(error)) from None


def _strategic(current: Json, document: Json, message_type: type[Message]) -> Json:
    return _merged(
        lambda old, patch: patches.apply_strategic_merge_patch(old, patch, message_type), current, document
    )


def _check_kind(changed: Json, old: Any, expected: otherkinds.Named, text: str) -> None:
    """Refuse what a patch has made another kind of; strategic patches leave the kind as it is."""
    try:
        named = otherkinds.named(changed, expected)
    except codec.DecodeError as error:
        raise _unreadable(text, str(error)) from None
    if named == expected:
        return
    if isinstance(old, Message):
        raise _unreadable(text, otherkinds.unfit(named, expected))
    if why := otherkinds.unfit_custom(named, expected):
        raise _unreadable(text, why)
    otherkinds.check_custom(named, expected, old.metadata.name)


def _unreadable(text: str, why: str) -> errors.Invalid:
    return errors.invalid("", "", "", [field.invalid("patch", text, why)])


def _go(value: Json) -> str:
    """Return a value as Go's %+v prints it."""
    match value:
        case dict():
            return "map[" + " ".join(f"{key}:{_go(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(_go(one) for one in value) + "]"
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
    return str(value)
