"""Request bodies as messages: JSON, YAML or Kubernetes' protobuf, judged by the request's fieldValidation.

Pure. A body that does not say its kind is taken for the one that its path means, as Kubernetes does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import orjson
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

from control.apiserver import warnings
from control.gateway.rest import media
from fairlead.api import codec, errors, objects, scheme, subresources, table
from fairlead.api.pb import meta_v1_pb2 as metav1

ALIASED_PARTS = 1_000_000  # more than any object that fits into etcd has
# Older names of the same message.
ALIASES = {("policy/v1beta1", "Eviction"): ("policy/v1", "Eviction")}


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
    compact = _compact(document)
    named = _named(document.get("apiVersion"), document.get("kind"), expected)
    faults = _duplicates(data, format_, len(compact)) if validation != "Ignore" else []
    found: Any
    try:
        if kind.message is None and subresource not in subresources.BODIES:
            _check_named(named, expected)
            found = codec.decode_custom(document, kind)
            faults = [*(f'unknown field "{path}"' for path in unknown(found)), *faults]
        else:
            found, strict_faults = _message(document, _type_of(named, expected))
            faults = [*strict_faults, *faults]
    except codec.DecodeError as error:
        raise _unreadable(named, expected, str(error)) from None
    if faults and validation == "Strict":
        raise _unreadable(named, expected, "strict decoding error: " + ", ".join(faults))
    if validation == "Warn":
        for fault in faults:
            warnings.add(fault)
    return found


def deletion(data: bytes, content_type: str) -> metav1.DeleteOptions:
    """Return the options that a deletion's body holds, whatever version they are named in."""
    format_ = media.body_format(content_type)
    try:
        if format_ == "protobuf":
            return metav1.DeleteOptions.FromString(codec.opened(data).raw)
        document = _document(data, format_, ("v1", "DeleteOptions"))
        return codec.from_json(document, metav1.DeleteOptions, strict=False)
    except (codec.DecodeError, ProtobufError) as error:
        raise errors.BadRequest(f"the deletion's options cannot be read: {error}") from None


def _document(data: bytes, format_: media.Format, expected: tuple[str, str]) -> dict[str, Any]:
    try:
        if format_ == "json":
            return codec.loads(data)
        found = codec.load_yaml_documents(data.decode())
    except (codec.DecodeError, UnicodeDecodeError) as error:
        raise errors.BadRequest(
            f"the object provided is unrecognized (must be of type {expected[1]}): {error}"
        ) from None
    if found and _expanded(found[0], {}) > ALIASED_PARTS:
        raise errors.BadRequest("error converting YAML to JSON: yaml: document contains excessive aliasing")
    return found[0] if found else {}


def _expanded(value: Any, known: dict[int, int]) -> int:
    """Return how many parts a document has once its aliases are written out; shared parts are counted once."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = 1  # of a part that contains itself
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_expanded(one, known) for one in inner)
    return known[id(value)]


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


def _named(api_version: Any, kind: Any, expected: tuple[str, str]) -> tuple[str, str]:
    named = api_version or expected[0], kind or expected[1]
    if not all(isinstance(part, str) for part in named):
        raise errors.BadRequest("apiVersion and kind must be strings")
    return ALIASES.get(named, named)


def _type_of(named: tuple[str, str], expected: tuple[str, str]) -> type[Message]:
    try:
        found = table.message_type(table.by_kind(*named))
    except LookupError as error:
        raise _unreadable(named, expected, str(error)) from None
    _check_named(named, expected)
    return found


def _check_named(named: tuple[str, str], expected: tuple[str, str]) -> None:
    if named[1] == expected[1] and named[0] != expected[0]:
        text = f"the API version in the data ({named[0]}) does not match the expected API version ({expected[0]})"
        raise errors.BadRequest(text)
    if named != expected:
        raise _unreadable(named, expected, f"it is a {named[1]}")


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
        raise errors.BadRequest(str(error)) from None
    named = _named(envelope.typeMeta.apiVersion, envelope.typeMeta.kind, expected)
    try:
        found = _type_of(named, expected).FromString(envelope.raw)
    except ProtobufError as error:
        raise _unreadable(named, expected, str(error)) from None
    codec.normalise(found)
    return cast(objects.Object, found)


def _unreadable(named: tuple[str, str], expected: tuple[str, str], why: str) -> errors.BadRequest:
    version = named[0].rpartition("/")[2]
    return errors.BadRequest(f'{named[1]} in version "{version}" cannot be handled as a {expected[1]}: {why}')
