"""Rules on a container's environment, and on what refers to fields and resources of its pod. Pure."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from control.apiserver import field
from control.apiserver.validation import names
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1

FIELDS = frozenset({
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
})  # fmt: skip
RESOURCES = frozenset({
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
})  # fmt: skip
# What a pod's field may be called at all; which of them may stand where is a place's own rule.
_KNOWN = FIELDS | {
    "metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase",
}  # fmt: skip
_OLD_NAMES = {"spec.host": "spec.nodeName"}
_SUBSCRIPTED = ("metadata.annotations", "metadata.labels")
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
# What a resource's amount may be divided by, and what the resource is called where it is not.
_DIVISORS = {
    "cpu": (("1m", "1"), "the cpu resource"),
    "memory": (_BYTES, "the memory resource"),
    "ephemeral-storage": (_BYTES, "the local ephemeral storage resource"),
}


def validate(container: Any, path: str) -> field.Faults:
    """Judge a container's variables, then where more of them come from."""
    faults: field.Faults = []
    for index, env in enumerate(container.env):
        at = f"{path}.env[{index}]"
        faults += (
            field.invalids(f"{at}.name", env.name, names.env_name(env.name))
            if env.name
            else [field.required(f"{at}.name")]
        )
        if env.HasField("valueFrom"):
            faults += _value_from(env, f"{at}.valueFrom")
    for index, source in enumerate(container.envFrom):
        faults += _from(source, f"{path}.envFrom", index)
    return faults


def _value_from(env: corev1.EnvVar, path: str) -> field.Faults:
    faults: field.Faults = []
    source = env.valueFrom
    given = len(source.ListFields())
    if source.HasField("fieldRef"):
        faults += field_ref(source.fieldRef, FIELDS, f"{path}.fieldRef")
    if source.HasField("resourceFieldRef"):
        faults += resource_ref(source.resourceFieldRef, f"{path}.resourceFieldRef")
    for part in ("configMapKeyRef", "secretKeyRef"):
        if source.HasField(part):
            faults += _key_ref(getattr(source, part), f"{path}.{part}")
    if given == 0:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        faults.append(field.invalid(path, "", text))
    elif env.value:
        faults.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif given > 1:
        faults.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return faults


def field_ref(ref: corev1.ObjectFieldSelector, allowed: Set[str], path: str) -> field.Faults:
    """Judge a reference to a field of the pod, of those that are allowed; labels and annotations may be named."""
    if not ref.apiVersion:
        return [field.required(f"{path}.apiVersion")]
    if not ref.fieldPath:
        return [field.required(f"{path}.fieldPath")]
    if problem := _unknown(ref):
        return [field.invalid(f"{path}.fieldPath", ref.fieldPath, f"error converting fieldPath: {problem}")]
    name, key = _split(ref.fieldPath)
    if key is not None:
        key = key.lower() if name == "metadata.annotations" else key
        return field.invalids(path, key, names.qualified(key))
    name = _OLD_NAMES.get(name, name)
    return [] if name in allowed else [field.unsupported(f"{path}.fieldPath", name, allowed)]


def _unknown(ref: corev1.ObjectFieldSelector) -> str:
    """Return why a pod has no such field; empty where it has."""
    if ref.apiVersion != "v1":
        return f"unsupported pod version: {ref.apiVersion}"
    name, key = _split(ref.fieldPath)
    if key is not None:
        return "" if name in _SUBSCRIPTED else f"field label does not support subscript: {ref.fieldPath}"
    return "" if name in _KNOWN or name in _OLD_NAMES else f"field label not supported: {name}"


def _split(path: str) -> tuple[str, str | None]:
    """Return `metadata.labels` and `app` of `metadata.labels['app']`; no key where there is none."""
    name, opened, key = path.removesuffix("']").partition("['")
    return (name, key) if path.endswith("']") and opened and name else (path, None)


def resource_ref(ref: corev1.ResourceFieldSelector, path: str, *, named: bool = False) -> field.Faults:
    """Judge a reference to a container's resource; `named` says that it must name the container."""
    faults: field.Faults = []
    if named and not ref.containerName:
        faults.append(field.required(f"{path}.containerName"))
    elif not ref.resource:
        faults.append(field.required(f"{path}.resource"))
    elif ref.resource not in RESOURCES and not ref.resource.startswith(_HUGE_PAGES):
        faults.append(field.unsupported(f"{path}.resource", ref.resource, RESOURCES))
    return faults + _divisor(ref, f"{path}.divisor")


def _divisor(ref: corev1.ResourceFieldSelector, path: str) -> field.Faults:
    if not ref.divisor.string or ref.divisor.string == "0":
        return []
    side, _, name = ref.resource.partition(".")
    allowed, called = _DIVISORS.get(name, ((), "")) if side in ("limits", "requests") else ((), "")
    if ref.resource.startswith(_HUGE_PAGES):
        allowed, called = _BYTES, "the hugepages resource"
    if not allowed:
        return []
    try:
        shown = str(quantity.of(ref.divisor))
    except quantity.QuantityError:
        shown = ref.divisor.string
    if shown in allowed:
        return []
    listed = "1m and 1" if name == "cpu" else ", ".join(allowed)
    return [field.invalid(path, ref.resource, f"only divisor's values {listed} are supported with {called}")]


def _key_ref(ref: Any, path: str) -> field.Faults:
    name = ref.localObjectReference.name
    faults = field.invalids(f"{path}.name", name, names.subdomain(name))
    if not ref.key:
        return [*faults, field.required(f"{path}.key")]
    return faults + field.invalids(f"{path}.key", ref.key, names.config_key(ref.key))


def _from(source: corev1.EnvFromSource, path: str, index: int) -> field.Faults:
    """Judge where variables come from all together; faults of the choice itself name the list, as in Kubernetes."""
    faults: field.Faults = []
    at = f"{path}[{index}]"
    if source.prefix:
        faults += field.invalids(f"{at}.prefix", source.prefix, names.env_name(source.prefix))
    given = [part for part in ("configMapRef", "secretRef") if source.HasField(part)]
    for part in given:
        name = getattr(source, part).localObjectReference.name
        if not name:
            faults.append(field.required(f"{at}.{part}.name"))
        else:
            faults += field.invalids(f"{at}.{part}.name", name, names.subdomain(names.as_prefix(name)))
    if not given:
        faults.append(field.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
    elif len(given) > 1:
        faults.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return faults
