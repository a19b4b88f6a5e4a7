"""Objects and messages to and from JSON-shaped Python, for either carrier of an object."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from fairlead.api import jsontext, objects, scheme
from fairlead.api.codec import decode, encode, errors, text
from fairlead.api.pb import meta_v1_pb2 as metav1

Json = Any
M = TypeVar("M", bound=Message)


def to_json(obj: Message | objects.Object) -> dict[str, Json]:
    """Return the JSON of an object or of any message; objects, lists and options begin with their kind."""
    if isinstance(obj, objects.Unstructured):
        named = {"apiVersion": obj.kind.api_version, "kind": obj.kind.kind}
        metadata = encode.part(metav1.ObjectMeta.DESCRIPTOR.full_name)(obj.metadata)
        return {**named, "metadata": metadata, **obj.content}
    assert isinstance(obj, Message)
    found: dict[str, Json] = encode.top(type(obj))(obj)
    return found


def from_json(data: dict[str, Json], message_type: type[M], *, strict: bool = True) -> M:
    """Return the message of JSON-shaped data, whatever apiVersion and kind it names.

    Raises DecodeError with the path of a wrong value and, where strict, StrictDecodeError with all fields
    that are unknown.
    """
    if issubclass(message_type, objects.Unstructured):
        return cast(M, decode_custom(data, message_type.KIND))
    message = message_type()
    try:
        unknown = decode.read(data, message)
    except UnicodeEncodeError as error:
        raise errors.DecodeError(f"a text is not valid Unicode: {error.reason}") from None
    except RecursionError:
        raise errors.DecodeError("nested too deeply") from None
    if unknown and strict:
        raise errors.StrictDecodeError([f'unknown field "{path}"' for path in unknown])
    return message


def unknown_fields(data: dict[str, Json], message_type: type[Message]) -> list[str]:
    """Return the paths of the fields of the data that the message does not have."""
    if issubclass(message_type, objects.Unstructured):
        return []  # the kind's schema tells, which only the server has
    return decode.read(data, message_type())


def decode_object(
    data: dict[str, Json], *, strict: bool = True, scheme: scheme.Scheme = scheme.DEFAULT
) -> objects.Object:
    """Return the object of JSON-shaped data by its apiVersion and kind.

    Raises DecodeError as from_json does and where either is missing, scheme.UnknownKind for a kind that is
    not served.
    """
    if not isinstance(data, dict):
        raise errors.mismatch("an object", data)
    kind = scheme.by_kind(_named(data, "apiVersion"), _named(data, "kind"))
    if kind.message is not None:
        return cast(objects.Object, from_json(data, kind.message, strict=strict))
    return decode_custom(data, kind)


def decode_custom(data: dict[str, Json], kind: scheme.Kind) -> objects.Unstructured:
    """Return the custom resource of JSON-shaped data, as an object of a kind; DecodeError for wrong metadata."""
    if not isinstance(data, dict):
        raise errors.mismatch("an object", data)
    try:
        metadata = from_json(data.get("metadata") or {}, metav1.ObjectMeta, strict=False)
    except errors.DecodeError as error:
        raise error.under("metadata") from None
    content = {key: value for key, value in data.items() if key not in ("apiVersion", "kind", "metadata")}
    return cast(objects.Unstructured, objects.class_of(kind)(metadata, content))


def _named(data: dict[str, Json], key: str) -> str:
    value = data.get(key)
    if value is None or value == "":
        raise errors.DecodeError(f"Object '{key.capitalize() if key == 'kind' else key}' is missing")
    if not isinstance(value, str):
        raise errors.mismatch("a string", value).under(key)
    return value


def dumps(obj: Message | objects.Object) -> bytes:
    """Return the JSON text of an object or of any message; DecodeError for one that is nested too deeply."""
    try:
        return jsontext.dumps(to_json(obj))
    except (TypeError, RecursionError):
        raise errors.DecodeError("nested too deeply") from None


def to_yaml(obj: Message | objects.Object) -> str:
    """Return the YAML text of an object with sorted keys, as kubectl prints it."""
    return text.to_yaml(to_json(obj))
