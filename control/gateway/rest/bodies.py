"""Request bodies as messages: JSON, YAML or Kubernetes' protobuf, judged by the request's fieldValidation.

Pure. A body that does not say its kind is taken for the one that its path means, as Kubernetes does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

from control.apiserver import bulk, otherkinds, warnings
from control.gateway.rest import media
from fairlead.api import codec, errors, objects, scheme, subresources, table
from fairlead.api.pb import meta_v1_pb2 as metav1

# Older names of the same message.
ALIASES = {("policy/v1beta1", "Eviction"): ("policy/v1", "Eviction")}
TYPE_META = (
    """struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }"""
)
SUMMARY_BYTES = 30


Unknown = Callable[[objects.Unstructured], Sequence[str]]


def decode(
    data: bytes,
    format_: media.Format,
    kind: scheme.Kind,
    subresource: str,
    validation: str,
    unknown: Unknown = lambda _: (),
) -> Any:
    """Return the object of a body that was sent to a path.

    `unknown` finds the fields of a custom resource that its schema does not have.

    errors.BadRequest, worded as Kubernetes words it, for what cannot be read, is of another kind or, with
    fieldValidation Strict, has unknown or double fields; with Warn the caller is warned of these.
    """
    expected = subresources.carried(kind, subresource)
    if format_ == "protobuf":
        return _decode_protobuf(data, expected)
    document = _document(data, format_, expected)
    if len(data) > bulk.MOST_PARTS * bulk.LEAST_BYTES or format_ == "yaml":
        bulk.check_document(document)
    compact = _compact(document)
    named = _named(document, expected, data)
    faults = _duplicates(data, format_, len(compact)) if validation != "Ignore" else []
    found: Any
    try:
        if kind.message is None and subresource not in subresources.BODIES:
            _check_custom(named, expected, document)
            found = codec.decode_custom(document, kind)
            faults = [*(f'unknown field "{path}"' for path in unknown(found)), *faults]
        else:
            found, strict_faults = _message(document, _type_of(named, expected))
            faults = [*strict_faults, *faults]
    except codec.DecodeError as error:
        raise _unreadable(named, expected, str(error)) from None
    del faults[codec.MOST_STRICT_FAULTS :]
    if faults and validation == "Strict":
        raise _unreadable(named, expected, "strict decoding error: " + ", ".join(faults))
    if validation == "Warn":
        for fault in faults:
            warnings.add(fault)
    return found


def deletion(data: bytes, content_type: str) -> metav1.DeleteOptions:
    """Return the options that a deletion's body holds, whatever version they are named in."""
    format_, expected = media.body_format(content_type), ("v1", "DeleteOptions")
    try:
        if format_ == "protobuf":
            return metav1.DeleteOptions.FromString(codec.opened(data).raw)
        document = _document(data, format_, expected)
        named = _named(document, expected, data)
        if named[1] != expected[1]:
            raise _unreadable(named, expected, otherkinds.unregistered(named))
        return codec.from_json(document, metav1.DeleteOptions, strict=False)
    except (codec.DecodeError, ProtobufError) as error:
        raise errors.BadRequest(f"the deletion's options cannot be read: {error}") from None


def _document(data: bytes, format_: media.Format, expected: tuple[str, str]) -> dict[str, Any]:
    try:
        if format_ == "json":
            return codec.loads(data)
        found = codec.load_yaml_documents(data.decode())
    except codec.ExcessiveAliasing as error:
        raise errors.BadRequest(f"error converting YAML to JSON: {error}") from None
    except (codec.DecodeError, UnicodeDecodeError) as error:
        why = otherkinds.NO_JSON + (codec.json_fault(data) or _no_object(data)) if format_ == "json" else str(error)
        raise _unrecognized(data, expected, why) from None
    return found[0] if found else {}


def _no_object(data: bytes) -> str:
    """Return what Go's decoder says of JSON that is no object."""
    try:
        kind = otherkinds.GO_KINDS.get(type(orjson.loads(data)), "number")
    except orjson.JSONDecodeError as error:  # Go takes what is no UTF-8
        return str(error)
    return f"json: cannot unmarshal {kind} into Go value of type {TYPE_META}"


def _compact(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:
        raise errors.BadRequest("the object provided is nested too deeply") from None


def _duplicates(data: bytes, format_: media.Format, length: int) -> list[str]:
    """Return the fields that stand twice in a JSON body; a text as long as what was read of it has none."""
    if format_ != "json" or length == len(data.strip()):
        return []
    try:
        return [fault.removeprefix("json: ") for fault in codec.duplicate_fields(data)]
    except RecursionError:
        raise errors.BadRequest("the object provided is nested too deeply") from None


def _named(document: Mapping[str, Any], expected: tuple[str, str], data: bytes) -> tuple[str, str]:
    try:
        named = otherkinds.named(document, expected)
    except codec.DecodeError as error:
        raise _unrecognized(data, expected, str(error)) from None
    return ALIASES.get(named, named)


def _type_of(named: tuple[str, str], expected: tuple[str, str]) -> type[Message]:
    if otherkinds.known(named):
        _check_version(named, expected)
    if why := otherkinds.unfit(named, expected):
        raise _unreadable(named, expected, why)
    return table.message_type(table.by_kind(*named))


def _check_version(named: tuple[str, str], expected: tuple[str, str]) -> None:
    if named[1] == expected[1] and named[0] != expected[0]:
        text = f"the API version in the data ({named[0]}) does not match the expected API version ({expected[0]})"
        raise errors.BadRequest(text)


def _check_custom(named: tuple[str, str], expected: tuple[str, str], document: dict[str, Any]) -> None:
    """Refuse a custom resource of another kind or version."""
    if why := otherkinds.unfit_custom(named, expected):
        raise _unreadable(named, expected, why)
    _check_version((named[0], expected[1]), expected)
    metadata = document.get("metadata")
    otherkinds.check_custom(named, expected, metadata.get("name", "") if isinstance(metadata, dict) else "")


def _message(document: dict[str, Any], message_type: type[Message]) -> tuple[Message, Sequence[str]]:
    """Return a message, and what a strict reading has against its text; what does not fit is told as Go tells it."""
    try:
        try:
            return codec.from_json(document, message_type), ()
        except codec.StrictDecodeError as error:
            return codec.from_json(document, message_type, strict=False), error.faults
    except codec.DecodeError as error:
        raise codec.DecodeError(codec.in_go_words(error, message_type.DESCRIPTOR.full_name)) from None


def _decode_protobuf(data: bytes, expected: tuple[str, str]) -> objects.Object:
    try:
        envelope = codec.opened(data)
    except codec.DecodeError as error:
        raise _unrecognized(data, expected, str(error)) from None
    named = _named({"apiVersion": envelope.typeMeta.apiVersion, "kind": envelope.typeMeta.kind}, expected, data)
    try:
        found = _type_of(named, expected).FromString(envelope.raw)
    except ProtobufError as error:
        raise _unreadable(named, expected, str(error)) from None
    codec.normalise(found)
    return cast(objects.Object, found)


def _unreadable(named: tuple[str, str], expected: tuple[str, str], why: str) -> errors.BadRequest:
    version = named[0].rpartition("/")[2]
    return errors.BadRequest(f'{named[1]} in version "{version}" cannot be handled as a {expected[1]}: {why}')


def _unrecognized(data: bytes, expected: tuple[str, str], why: str) -> errors.BadRequest:
    """Return the refusal of a body whose kind cannot be read, with its first bytes."""
    begun, more = data[:SUMMARY_BYTES], " ..." if len(data) > SUMMARY_BYTES else ""
    told = begun.decode(errors="replace") if begun.startswith(b"{") else begun.hex()
    summary = told + more if data else "<empty>"
    wanted = f"must be of type {expected[1]}"
    return errors.BadRequest(f"the object provided is unrecognized ({wanted}): {why} ({summary})")
