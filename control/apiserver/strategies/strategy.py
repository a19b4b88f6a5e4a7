"""The `Strategy`: what the generic registry asks about a kind.

One subclass per kind says what is particular: defaults, what a creation and an update may set, validation, field
selectors, graceful deletion. Strategies are pure: they change only the message that is passed in for that, and what
they need to know of the world (the time) is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from google.protobuf.message import Message

from control.apiserver import field
from control.apiserver.strategies import scaling
from control.apiserver.validation import names
from fairlead.api import codec, hashing, scheme
from fairlead.api.fields import sets, tabled, typings
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import meta_v1_pb2 as metav1

M = TypeVar("M", bound=Message)

STATUS, SPEC = sets.of("status"), sets.of("spec")
NAME_PREFIX_LENGTH = 58


@dataclass(frozen=True, slots=True)
class Grace:
    """How an object that is not simply removed is deleted: marked, and removed after `seconds`, or at once at 0."""

    seconds: int


class Strategy(Generic[M]):
    """The rules of one kind. The defaults here suit a kind without spec, status or grace."""

    message: ClassVar[type[Message]]
    # Field selectors beyond metadata.name and metadata.namespace.
    selectable: ClassVar[Mapping[str, Callable[[Any], str]]] = {}
    # Whether an update may leave out the resourceVersion, and then wins over what others wrote.
    allow_unconditional_update: ClassVar[bool] = True
    # Whether an update of what does not exist creates it.
    created_by_update: ClassVar[bool] = False
    # Seconds that objects of the kind live; 0: until deleted.
    ttl_seconds: ClassVar[int] = 0
    # What happens to dependents where the caller does not say.
    orphans_by_default: ClassVar[bool] = False
    # Whether finalizers need no domain, as where Kubernetes judges metadata by its generic rules alone.
    short_finalizers: ClassVar[bool] = False

    # Subresources beside `status` through which the object itself is read and written, in part.
    parts: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        self.kind: scheme.Kind = scheme.DEFAULT.of(self.message)

    @property
    def uncreatable(self) -> str:
        """Return why no object of the kind can be created; "" where some can."""
        return ""

    def name_rule(self, name: str) -> names.Found:
        """Return what is wrong with an object's name."""
        return names.subdomain(name)

    def default(self, obj: M) -> None:
        """Fill in the defaults of what the caller left out."""

    def default_status(self, obj: M) -> None:
        """Fill in what a write of the status left out of it."""

    def prepare_for_create(self, obj: M) -> None:
        """Set and clear what a creation may not choose, such as the status."""

    def validate(self, obj: M) -> Sequence[field.Cause]:
        """Judge a new object, its metadata excepted."""
        return ()

    def prepare_for_update(self, obj: M, old: M) -> None:
        """Take over from the old object what an update may not choose, such as the status."""

    def validate_update(self, obj: M, old: M) -> Sequence[field.Cause]:
        """Judge a changed object against the old one, its metadata excepted."""
        return self.validate(obj)

    def advise(self, obj: M, old: M | None) -> Iterable[str]:
        """Return what the caller is to be warned of; `old` is None for a creation. Parts are not asked about."""
        return ()

    def canonicalize(self, obj: M) -> None:
        """Bring an object that has been judged into the form that is stored."""

    def prepare_for_status_update(self, obj: M, old: M) -> None:
        """Take over from the old object all but the status."""
        keep_all_but_status(obj, old)

    def validate_status_update(self, obj: M, old: M) -> Sequence[field.Cause]:
        """Judge a changed status."""
        return ()

    def typing(self) -> typings.Typing:
        """Return what the kind's fields are, for ownership and server-side apply."""
        return tabled.of_type(self.message)

    def reset_fields(self, subresource: str) -> sets.FieldSet:
        """Return the fields that a write cannot change, and so does not own; "" is the object itself."""
        return SPEC if subresource == "status" else STATUS

    def prepare_for_part(self, part: str, obj: M, old: M) -> None:
        """Take over from the old object all but what one of `parts` may change."""

    def validate_part(self, part: str, obj: M, old: M) -> Sequence[field.Cause]:
        """Judge what came through one of `parts`."""
        return ()

    def grace(self, obj: M, options: metav1.DeleteOptions) -> Grace | None:
        """Return how the object is deleted gracefully; None for a kind that knows no grace."""
        return None

    def begin_deletion(self, obj: M) -> None:
        """Change an object that now begins to be deleted and stays for a while."""

    def blocks_removal(self, obj: M) -> bool:
        """Say whether something other than metadata.finalizers keeps a deleted object in being."""
        return bool(obj.metadata.finalizers)  # type: ignore[attr-defined]

    def scale_of(self, obj: M) -> autoscalingv1.Scale:
        """Return what the `scale` subresource shows of an object."""
        return scaling.of_workload(obj)

    def scale_before(self, obj: M) -> autoscalingv1.Scale:
        """Return the Scale that a write of it begins with, where an object need not have one yet."""
        return self.scale_of(obj)

    def set_replicas(self, obj: M, replicas: int) -> None:
        """Change the number of replicas that an object asks for."""
        obj.spec.replicas = replicas  # type: ignore[attr-defined]

    def field(self, obj: M, name: str) -> str:
        """Return the value that a field selector compares; `name` is one of `selectable` or of the metadata."""
        meta: metav1.ObjectMeta = obj.metadata  # type: ignore[attr-defined]
        if name == "metadata.name":
            return meta.name
        if name == "metadata.namespace":
            return meta.namespace
        return self.selectable[name](obj)

    def generate_name(self, prefix: str) -> str:
        """Return a name that starts with a generateName and has five random letters."""
        return prefix[:NAME_PREFIX_LENGTH] + hashing.random_suffix()


class SpecStrategy(Strategy[M]):
    """The rules of a kind with a spec, a status, and a generation that counts the spec's changes."""

    def prepare_for_create(self, obj: M) -> None:
        """Start at generation 1 without status."""
        drop_status(obj)
        cast(Any, obj).metadata.generation = 1

    def prepare_for_update(self, obj: M, old: M) -> None:
        """Keep the status; count the generation."""
        keep_status(obj, old)
        count_generation(obj, old)


def keep_all_but_status(obj: Any, old: Any) -> None:
    """Take over all but metadata and status from the old object, as Kubernetes' status strategies do."""
    for descriptor in obj.DESCRIPTOR.fields:
        if descriptor.name in ("metadata", "status"):
            continue
        obj.ClearField(descriptor.name)
        if old.HasField(descriptor.name):
            getattr(obj, descriptor.name).CopyFrom(getattr(old, descriptor.name))


def keep_status(obj: Any, old: Any) -> None:
    """Take over the status from the old object: a write to the object itself does not change it."""
    obj.ClearField("status")
    if old.HasField("status"):
        obj.status.CopyFrom(old.status)


def drop_status(obj: Any) -> None:
    """Clear the status of a new object."""
    obj.ClearField("status")


def count_generation(obj: Any, old: Any) -> None:
    """Count metadata.generation up if the spec has changed; it cannot be chosen."""
    obj.metadata.generation = old.metadata.generation
    if not same(obj.spec, old.spec):
        obj.metadata.generation += 1


def same(left: Message, right: Message) -> bool:
    """Say whether two messages mean the same: a part that is set but empty may equal one that is not."""
    return left == right or codec.to_json(left) == codec.to_json(right)


def keep_user_metadata(obj: Any, old: Any) -> None:
    """Take over labels, annotations, owners and finalizers: what Kubernetes' newer status strategies keep."""
    keep_labels(obj, old)
    obj.metadata.annotations.clear()
    obj.metadata.annotations.update(old.metadata.annotations)
    for name in ("ownerReferences", "finalizers"):
        obj.metadata.ClearField(name)
        getattr(obj.metadata, name).extend(getattr(old.metadata, name))


def keep_labels(obj: Any, old: Any) -> None:
    """Take over the labels from the old object."""
    obj.metadata.labels.clear()
    obj.metadata.labels.update(old.metadata.labels)
