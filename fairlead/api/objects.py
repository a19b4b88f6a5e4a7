"""The one interface of API objects and the carrier of custom resources.

Built-in kinds are their own protobuf message; a custom resource is `Unstructured`. Whoever handles objects of
any kind (registry, cache, clients) uses only what `Object` has, and this module's functions.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

from google.protobuf.message import Message

from fairlead.api import scheme
from fairlead.api.pb import meta_v1_pb2 as metav1


@runtime_checkable
class Object(Protocol):
    """What every API object has: its metadata. Messages of kinds satisfy it as they are."""

    @property
    def metadata(self) -> metav1.ObjectMeta:
        """Return the object's metadata, live: writing to it changes the object."""
        ...


M = TypeVar("M", bound=Message)


class Unstructured:
    """A custom resource: its kind, its metadata as a message, and the rest as parsed JSON."""

    __slots__ = ("content", "kind", "metadata")

    def __init__(self, kind: scheme.Kind, metadata: metav1.ObjectMeta, content: dict[str, Any]) -> None:
        self.kind = kind
        self.metadata = metadata
        self.content = content


def kind_of(obj: Object) -> scheme.Kind:
    """Return the row of an object's kind."""
    if isinstance(obj, Unstructured):
        return obj.kind
    assert isinstance(obj, Message)
    return scheme.DEFAULT.of(obj)


def key_of(obj: Object) -> str:
    """Return `namespace/name`, or `name` for a cluster-scoped object."""
    meta = obj.metadata
    return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name


def split_key(key: str) -> tuple[str, str]:
    """Return (namespace, name) of a key; the namespace is empty for a cluster-scoped object."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


def copy(message: M) -> M:
    """Return a copy that may be changed; messages read from a cache must not be."""
    fresh = type(message)()
    fresh.CopyFrom(message)
    return fresh


def controller_of(obj: Object) -> metav1.OwnerReference | None:
    """Return the owner reference that controls the object, or None."""
    return next((ref for ref in obj.metadata.ownerReferences if ref.controller), None)
