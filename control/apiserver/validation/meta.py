"""Rules on metadata: names, labels, annotations, owners, finalizers, and what an update must leave alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from control.apiserver import field
from control.apiserver.validation import names
from fairlead.api.pb import meta_v1_pb2 as metav1

NameRule = Callable[[str], names.Found]

IMMUTABLE = "field is immutable"
STANDARD_FINALIZERS = frozenset({"kubernetes", "foregroundDeletion", "orphan"})


def validate(
    meta: metav1.ObjectMeta,
    namespaced: bool,
    name_rule: NameRule,
    path: str = "metadata",
    *,
    short_finalizers: bool = False,
) -> field.Faults:
    """Judge an object's metadata; `short_finalizers` says that finalizers need no domain."""
    faults: field.Faults = []
    if meta.generateName:
        faults += field.invalids(
            f"{path}.generateName", meta.generateName, name_rule(names.as_prefix(meta.generateName))
        )
    if meta.name:
        faults += field.invalids(f"{path}.name", meta.name, name_rule(meta.name))
    else:
        faults.append(field.required(f"{path}.name", "name or generateName is required"))
    if namespaced:
        if not meta.namespace:
            faults.append(field.required(f"{path}.namespace"))
        else:
            faults += field.invalids(f"{path}.namespace", meta.namespace, names.label(meta.namespace))
    elif meta.namespace:
        faults.append(field.forbidden(f"{path}.namespace", "not allowed on this type"))
    if meta.generation < 0:
        faults.append(field.invalid(f"{path}.generation", meta.generation, "must be greater than or equal to 0"))
    if meta.labels:
        faults += labels(meta.labels, f"{path}.labels")
    if meta.annotations:
        faults += annotated(meta.annotations, f"{path}.annotations")
    if meta.ownerReferences:
        faults += owners(meta.ownerReferences, f"{path}.ownerReferences")
    if meta.finalizers:
        faults += finalizers(meta.finalizers, f"{path}.finalizers", short=short_finalizers)
    return faults


def validate_update(meta: metav1.ObjectMeta, old: metav1.ObjectMeta, path: str = "metadata") -> field.Faults:
    """Judge what an update changes of an object's metadata."""
    faults: field.Faults = []
    if meta.generation < old.generation:
        faults.append(field.invalid(f"{path}.generation", meta.generation, "must not be decremented"))
    if meta.name != old.name:
        faults.append(field.invalid(f"{path}.name", meta.name, IMMUTABLE))
    if meta.namespace != old.namespace:
        faults.append(field.invalid(f"{path}.namespace", meta.namespace, IMMUTABLE))
    if meta.uid != old.uid:
        faults.append(field.invalid(f"{path}.uid", meta.uid, IMMUTABLE))
    if meta.creationTimestamp.seconds != old.creationTimestamp.seconds:
        faults.append(field.invalid(f"{path}.creationTimestamp", meta.creationTimestamp.seconds, IMMUTABLE))
    if meta.HasField("deletionTimestamp") != old.HasField("deletionTimestamp") or (
        meta.deletionTimestamp.seconds != old.deletionTimestamp.seconds
    ):
        faults.append(field.invalid(f"{path}.deletionTimestamp", meta.deletionTimestamp.seconds, IMMUTABLE))
    if old.HasField("deletionTimestamp"):
        for one in sorted(set(meta.finalizers) - set(old.finalizers)):
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers {one!r}"
            faults.append(field.forbidden(f"{path}.finalizers", text))
    return faults


def labels(values: Mapping[str, str], path: str) -> field.Faults:
    """Judge labels: keys and values."""
    faults: field.Faults = []
    for key, value in values.items():
        if found := names.qualified(key):
            faults += field.invalids(path, key, found)
        if found := names.label_value(value):
            faults += field.invalids(path, value, found)
    return faults


def annotated(values: Mapping[str, str], path: str) -> field.Faults:
    """Judge annotations: keys, and their size all together."""
    faults: field.Faults = []
    size = 0
    for key, value in values.items():
        if found := names.qualified(key.lower()):
            faults += field.invalids(path, key, found)
        size += len(key) + len(value)
    if size > names.ANNOTATIONS_BYTES:
        faults.append(field.too_long(path, names.ANNOTATIONS_BYTES))
    return faults


def owners(references: Iterable[metav1.OwnerReference], path: str) -> field.Faults:
    """Judge owner references: complete, and at most one of them the controller."""
    faults: field.Faults = []
    controller = ""
    for index, owner in enumerate(references):
        at = f"{path}[{index}]"
        if not owner.apiVersion:
            faults.append(field.invalid(f"{at}.apiVersion", owner.apiVersion, "version must not be empty"))
        if not owner.kind:
            faults.append(field.invalid(f"{at}.kind", owner.kind, "must not be empty"))
        if not owner.name:
            faults.append(field.invalid(f"{at}.name", owner.name, "must not be empty"))
        if not owner.uid:
            faults.append(field.invalid(f"{at}.uid", owner.uid, "must not be empty"))
        if owner.apiVersion == "v1" and owner.kind == "Event":
            faults.append(field.invalid(at, owner.kind, "is disallowed from being an owner"))
        if owner.controller:
            if controller:
                text = (
                    'Only one reference can have Controller set to true. Found "true" in references for'
                    f" {controller} and {owner.kind}/{owner.name}"
                )
                faults.append(field.invalid(path, f"{owner.kind}/{owner.name}", text))
            controller = controller or f"{owner.kind}/{owner.name}"
    return faults


def finalizers(values: Iterable[str], path: str, *, short: bool = False) -> field.Faults:
    """Judge finalizers: names with a domain, or Kubernetes' own; where short ones do, any qualified names."""
    faults: field.Faults = []
    listed = list(values)
    for index, value in enumerate(listed):
        at = f"{path}[{index}]"
        faults += field.invalids(path, value, names.qualified(value))
        if not short and "/" not in value and value not in STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            faults.append(field.invalid(at, value, text))
    if "orphan" in listed and "foregroundDeletion" in listed:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        faults.append(field.invalid(path, "foregroundDeletion", text))
    return faults


def domain_prefixed_path(value: str, path: str) -> field.Faults:
    """Judge a name such as `acme.io/foo`: a domain, a slash and a path."""
    if not value:
        return [field.required(path)]
    domain, _, rest = value.partition("/")
    if not domain or not rest:
        return [field.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    faults = field.invalids(path, domain, names.subdomain(domain))
    return faults + field.invalids(path, rest, names.http_path(rest))


def immutable(path: str, shown: field.Value, changed: bool) -> field.Faults:
    """Return the fault of a field that has changed and must not."""
    return [field.invalid(path, shown, IMMUTABLE)] if changed else []
