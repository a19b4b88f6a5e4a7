"""Objects as bytes: Kubernetes' envelope in etcd, and `google.protobuf.Any` on the wire.

A built-in object is stored as `k8s\\0` and a `runtime.Unknown` that names its kind and holds its message;
a custom resource as its JSON, as are definitions of custom resources.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import cast

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

from fairlead.api import objects, scheme, table
from fairlead.api.codec import convert, errors, text
from fairlead.api.pb import runtime_pb2

PREFIX = b"k8s\0"
TYPE_URL = "type.googleapis.com/"
UNKNOWN = runtime_pb2.Unknown.DESCRIPTOR.full_name
JSON_CONTENT = "application/json"


def encode_stored(obj: objects.Object) -> bytes:
    """Return an object as it lies in etcd; equal objects give equal bytes."""
    if isinstance(obj, objects.Unstructured):
        return convert.dumps(obj)
    message = cast(Message, obj)
    kind = scheme.DEFAULT.of(message)
    if kind.stored_as_json:
        return convert.dumps(message)
    return enveloped(kind.api_version, kind.kind, message.SerializeToString(deterministic=True))


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    """Return a message's bytes in Kubernetes' envelope, as they lie in etcd and go over REST."""
    head, tail = envelope(api_version, kind)
    return b"%b%b%b%b" % (head, varint(len(raw)), raw, tail)


def opened(data: bytes) -> runtime_pb2.Unknown:
    """Return what lies in Kubernetes' envelope; DecodeError for bytes that are none."""
    if not data.startswith(PREFIX):
        told = f"[{' '.join(str(byte) for byte in PREFIX)}]"  # as Go prints bytes
        raise errors.DecodeError(f"provided data does not appear to be a protobuf message, expected prefix {told}")
    try:
        return runtime_pb2.Unknown.FromString(data[len(PREFIX) :])
    except ProtobufError as error:
        raise errors.DecodeError(f"the protobuf message is damaged: {error}") from None


def decode_stored(data: bytes, *, scheme: scheme.Scheme = scheme.DEFAULT) -> objects.Object:
    """Return the object of etcd's bytes; DecodeError for damaged ones, UnknownKind for what is not served."""
    if not data.startswith(PREFIX):
        return convert.decode_object(text.loads(data), strict=False, scheme=scheme)
    envelope = runtime_pb2.Unknown()
    try:
        envelope.ParseFromString(data[len(PREFIX) :])
        kind = scheme.by_kind(envelope.typeMeta.apiVersion, envelope.typeMeta.kind)
        if kind.message is None:
            return convert.decode_object(text.loads(envelope.raw), strict=False, scheme=scheme)
        return cast(objects.Object, kind.message.FromString(envelope.raw))
    except ProtobufError as error:
        raise errors.DecodeError(f"the stored bytes are damaged: {error}") from None


def decode_stored_custom(data: bytes, kind: scheme.Kind) -> objects.Unstructured:
    """Return the custom resource of etcd's bytes: an object of the kind at the version that it was stored at."""
    parsed = text.loads(data)
    custom = convert.decode_custom(parsed, kind)
    _, _, version = str(parsed.get("apiVersion")).rpartition("/")
    return custom if version == kind.version else custom.copied(dataclasses.replace(kind, version=version))


@functools.lru_cache(maxsize=1024)
def envelope(api_version: str, kind: str) -> tuple[bytes, bytes]:
    """Return what stands before a message's length and after the message, for objects of a kind."""
    meta = runtime_pb2.TypeMeta(apiVersion=api_version, kind=kind)
    head = runtime_pb2.Unknown(typeMeta=meta).SerializeToString()
    # contentEncoding and contentType follow although they are empty: Kubernetes' encoder omits nothing
    return PREFIX + head + b"\x12", b"\x1a\x00\x22\x00"


def varint(number: int) -> bytes:
    """Return a length as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def to_any(obj: objects.Object | Message) -> any_pb2.Any:
    """Return an object or any message for the wire; a custom resource as `runtime.Unknown` with JSON."""
    if isinstance(obj, objects.Unstructured):
        unknown = runtime_pb2.Unknown(raw=convert.dumps(obj), contentType=JSON_CONTENT)
        unknown.typeMeta.apiVersion, unknown.typeMeta.kind = obj.kind.api_version, obj.kind.kind
        return any_pb2.Any(type_url=TYPE_URL + UNKNOWN, value=unknown.SerializeToString())
    assert isinstance(obj, Message)
    return any_pb2.Any(type_url=TYPE_URL + obj.DESCRIPTOR.full_name, value=obj.SerializeToString())


def from_any(carrier: any_pb2.Any, *, scheme: scheme.Scheme = scheme.DEFAULT) -> objects.Object:
    """Return the object that an Any carries; DecodeError where it carries none."""
    message = message_from_any(carrier)
    if isinstance(message, runtime_pb2.Unknown):
        return convert.decode_object(text.loads(message.raw), strict=False, scheme=scheme)
    if not hasattr(message, "metadata"):
        raise errors.DecodeError(f"{message.DESCRIPTOR.full_name} is not an API object")
    return cast(objects.Object, message)


def custom_from_any(carrier: any_pb2.Any, kind: scheme.Kind) -> objects.Unstructured:
    """Return the custom resource of a kind that an Any carries; DecodeError where it carries another object."""
    message = message_from_any(carrier)
    if not isinstance(message, runtime_pb2.Unknown):
        raise errors.DecodeError(f"{message.DESCRIPTOR.full_name} is not a {kind.kind}")
    return convert.decode_custom(text.loads(message.raw), kind)


def message_from_any(carrier: any_pb2.Any) -> Message:
    """Return the message that an Any carries, object or not (options, lists, Status)."""
    name = carrier.type_url.rpartition("/")[2]
    try:
        return table.message_type(name).FromString(carrier.value)
    except (LookupError, AttributeError):
        raise errors.DecodeError(f'no message is called "{carrier.type_url}"') from None
    except ProtobufError as error:
        raise errors.DecodeError(f"{name}: {error}") from None
