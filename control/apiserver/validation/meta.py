"""Rules on metadata: names, labels, annotations, owners, finalizers, and what an update must leave alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from control.apiserver import field, notation
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
    added = sorted(set(meta.finalizers) - set(old.finalizers)) if old.HasField("deletionTimestamp") else []
    if added:
        text = "no new finalizers can be added if the object is being deleted, found new finalizers"
        faults.append(field.forbidden(f"{path}.finalizers", f"{text} {notation.strings(added)}"))
    if meta.generation < old.generation:
        faults.append(field.invalid(f"{path}.generation", meta.generation, "must not be decremented"))
    for name in ("name", "namespace", "uid"):
        value = getattr(meta, name)
        faults += immutable(f"{path}.{name}", value, value != getattr(old, name))
    for name in ("creationTimestamp", "deletionTimestamp"):
        given, had = (_seconds(one, name) for one in (meta, old))
        faults += immutable(f"{path}.{name}", notation.time(getattr(meta, name)) if given else None, given != had)
    return faults


def _seconds(meta: metav1.ObjectMeta, name: str) -> int | None:
    return getattr(meta, name).seconds if meta.HasField(name) else None


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


def owners(references: Sequence[metav1.OwnerReference], path: str) -> field.Faults:
    """Judge owner references: complete, and at most one of them the controller."""
    faults: field.Faults = []
    controller = ""
    for owner in references:
        faults += _owner(owner, path)
        if owner.controller:
            name = f"{owner.kind}/{owner.name}"
            if controller:
                text = (
                    'Only one reference can have Controller set to true. Found "true" in references for'
                    f" {controller} and {name}"
                )
                faults.append(field.invalid(path, notation.structs(references), text))
            controller = controller or name
    return faults


def _owner(owner: metav1.OwnerReference, path: str) -> field.Faults:
    faults: field.Faults = []
    version = "" if owner.apiVersion.count("/") > 1 else owner.apiVersion.rpartition("/")[2]
    if not version:
        faults.append(field.invalid(f"{path}.apiVersion", owner.apiVersion, "version must not be empty"))
    for name in ("kind", "name", "uid"):
        if not getattr(owner, name):
            faults.append(field.invalid(f"{path}.{name}", "", "must not be empty"))
    if (owner.apiVersion, owner.kind) == ("v1", "Event"):
        text = "/v1, Kind=Event is disallowed from being an owner"
        faults.append(field.invalid(path, notation.struct(owner), text))
    return faults


def finalizers(values: Sequence[str], path: str, *, short: bool = False) -> field.Faults:
    """Judge finalizers: names with a domain, or Kubernetes' own; where short ones do, any qualified names."""
    faults: field.Faults = []
    for value in values:
        faults += field.invalids(path, value, names.qualified(value))
    if "orphan" in values and "foregroundDeletion" in values:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        faults.append(field.invalid(path, notation.strings(values), text))
    if not short:
        for index, value in enumerate(values):
            faults += known_finalizer(value, f"{path}[{index}]")
    return faults


def known_finalizer(value: str, path: str) -> field.Faults:
    """Judge that a finalizer without a domain is one of Kubernetes' own."""
    if "/" in value or value in STANDARD_FINALIZERS:
        return []
    return [field.invalid(path, value, "name is neither a standard finalizer name nor is it fully qualified")]


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
