"""The one interface of API objects and the carrier of custom resources.

Built-in kinds are their own protobuf message; a custom resource is an `Unstructured`, each kind of them a class of
its own, so that `type(obj)` says what an object is for either. Whoever handles objects of any kind (registry, cache,
clients) uses only what `Object` has, and this module's functions.
"""

from __future__ import annotations

import copy as copying
import functools
from typing import Any, ClassVar, Protocol, TypeVar, cast, runtime_checkable

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


M = TypeVar("M")


class Unstructured:
    """A custom resource: its metadata as a message, and the rest as parsed JSON.

    `class_of` makes the class of a kind, as the build makes those of messages.
    """

    KIND: ClassVar[scheme.Kind]
    __slots__ = ("content", "metadata")

    def __init__(self, metadata: metav1.ObjectMeta | None = None, content: dict[str, Any] | None = None) -> None:
        self.metadata = metadata if metadata is not None else metav1.ObjectMeta()
        self.content = content if content is not None else {}

    @property
    def kind(self) -> scheme.Kind:
        """Return the row of the object's kind, at its version."""
        return type(self).KIND

    def copied(self, kind: scheme.Kind | None = None) -> Unstructured:
        """Return a copy that may be changed, of another version where a kind is given."""
        metadata = metav1.ObjectMeta()
        metadata.CopyFrom(self.metadata)
        made = class_of(kind) if kind is not None else type(self)
        return cast(Unstructured, made(metadata, copying.deepcopy(self.content)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unstructured) or type_name(type(self)) != type_name(type(other)):
            return NotImplemented
        return self.metadata == other.metadata and same_json(self.content, other.content)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({key_of(self)})"


def same_json(left: Any, right: Any) -> bool:
    """Say whether two JSON values are the same; unlike Python's 1 == True, a number is not a boolean."""
    if left != right:
        return False
    kind = type(left)
    if kind is type(right) and kind is not dict and kind is not list:
        return True
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict):
        return all(same_json(value, right[key]) for key, value in left.items())
    return all(map(same_json, left, right)) if isinstance(left, list) else True


def class_of(kind: scheme.Kind) -> type[Any]:
    """Return the class of a kind's objects: its message, or for a custom kind its own kind of Unstructured."""
    return kind.message or _custom(kind)


@functools.lru_cache(maxsize=4096)
def _custom(kind: scheme.Kind) -> type[Unstructured]:
    return type(kind.kind, (Unstructured,), {"KIND": kind, "__slots__": (), "__doc__": f"A {kind.kind}."})


def type_name(cls: type[Any]) -> str:
    """Return what tells a kind's class from all others: a message's full name, or group/version/kind."""
    if issubclass(cls, Unstructured):
        return f"{cls.KIND.api_version}/{cls.KIND.kind}"
    return cast(str, cls.DESCRIPTOR.full_name)


def kind_of(obj: Object | type[Any]) -> scheme.Kind:
    """Return the row of an object's kind, or of a class of objects."""
    if isinstance(obj, Unstructured):
        return obj.kind
    if isinstance(obj, type) and issubclass(obj, Unstructured):
        return obj.KIND
    return scheme.DEFAULT.of(cast(Message, obj))


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
    if isinstance(message, Unstructured):
        return cast(M, message.copied())
    fresh = type(message)()
    fresh.CopyFrom(message)  # type: ignore[attr-defined]
    return fresh


def controller_of(obj: Object) -> metav1.OwnerReference | None:
    """Return the owner reference that controls the object, or None."""
    return next((ref for ref in obj.metadata.ownerReferences if ref.controller), None)
