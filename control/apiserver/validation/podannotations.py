"""Rules on the annotations that say something of a pod's spec: mirrors, deletion costs, old profiles. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from control.apiserver import field
from control.apiserver.validation import mounts
from fairlead.api.pb import core_v1_pb2 as corev1

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
LOCALHOST = "localhost/"
DEFAULTS = ("runtime/default", "docker/default")
# The values by which annotations name the types of profiles.
SECCOMP_VALUES = {"Unconfined": ("unconfined",), "RuntimeDefault": DEFAULTS}
APPARMOR_VALUES = {"Unconfined": ("unconfined",), "RuntimeDefault": DEFAULTS[:1]}

Annotations = Mapping[str, str]


def containers(spec: corev1.PodSpec, path: str) -> Iterator[tuple[str, Any]]:
    """Iterate over all of a pod's containers and their paths, init containers first."""
    for part in ("initContainers", "containers"):
        for index, container in enumerate(getattr(spec, part)):
            yield f"{path}.{part}[{index}]", container
    for index, ephemeral in enumerate(spec.ephemeralContainers):
        yield f"{path}.ephemeralContainers[{index}]", ephemeral.ephemeralContainerCommon


def validate(annotations: Annotations, spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge the annotations of a pod or a template."""
    faults: field.Faults = []
    if MIRROR in annotations and not spec.nodeName:
        text = "must set spec.nodeName if mirror pod annotation is set"
        faults.append(field.invalid(f"{path}[{MIRROR}]", annotations[MIRROR], text))
    if DELETION_COST in annotations and not _is_cost(annotations[DELETION_COST]):
        at = f"{path}[{DELETION_COST}]"
        faults.append(field.invalid(at, annotations[DELETION_COST], "must be a 32bit integer"))
    if SECCOMP_POD in annotations:
        faults += _seccomp(annotations[SECCOMP_POD], f"{path}.{SECCOMP_POD}")
    for key in sorted(annotations):
        if key.startswith(SECCOMP_CONTAINER):
            faults += _seccomp(annotations[key], f"{path}.{key}")
    for key in sorted(annotations):
        if key.startswith(APPARMOR):
            faults += _apparmor(key, annotations[key], spec, f"{path}[{key}]")
    return faults


def _is_cost(value: str) -> bool:
    """Say whether a text is a 32-bit number, written without a plus and without leading zeros."""
    digits = value.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or (value.startswith("0") and value != "0"):
        return False
    return len(digits) <= 20 and -(2**31) <= int(value) < 2**31


def _seccomp(value: str, path: str) -> field.Faults:
    if value == "unconfined" or value in DEFAULTS:
        return []
    if value.startswith(LOCALHOST):
        return mounts.relative(value.removeprefix(LOCALHOST), path)
    return [field.invalid(path, value, "must be a valid seccomp profile")]


def _apparmor(key: str, value: str, spec: corev1.PodSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    name = key.removeprefix(APPARMOR)
    if all(container.name != name for _, container in containers(spec, "spec")):
        faults.append(field.invalid(path, name, "container not found"))
    if value not in ("", "unconfined", DEFAULTS[0]) and not value.startswith(LOCALHOST):
        faults.append(field.invalid(path, value, f"invalid AppArmor profile name: {field.quoted(value)}"))
    return faults


def agreeing(annotations: Annotations, spec: corev1.PodSpec, path: str) -> Iterator[field.Cause]:
    """Judge that old annotations and new fields name the same profiles, where both do."""
    if not any(key.startswith((SECCOMP_POD, SECCOMP_CONTAINER, APPARMOR)) for key in annotations):
        return
    pod = spec.securityContext
    if pod.HasField("seccompProfile") and SECCOMP_POD in annotations:
        at = f"{path}.securityContext.seccompProfile"
        yield from _same("seccomp", SECCOMP_VALUES, annotations[SECCOMP_POD], pod.seccompProfile, at)
    for place, container in containers(spec, path):
        key = SECCOMP_CONTAINER + container.name
        if container.securityContext.HasField("seccompProfile") and key in annotations:
            at = f"{place}.securityContext.seccompProfile"
            profile = container.securityContext.seccompProfile
            yield from _same("seccomp", SECCOMP_VALUES, annotations[key], profile, at)
    if spec.os.name == "windows":
        return
    for place, container in containers(spec, path):
        context = container.securityContext if container.securityContext.HasField("appArmorProfile") else pod
        key = APPARMOR + container.name
        if context.HasField("appArmorProfile") and key in annotations:
            at = f"{place}.securityContext.appArmorProfile"
            yield from _same("apparmor", APPARMOR_VALUES, annotations[key], context.appArmorProfile, at)


def _same(
    what: str, values: Mapping[str, tuple[str, ...]], annotation: str, profile: Any, path: str
) -> Iterator[field.Cause]:
    if profile.type == "Localhost":
        matching = annotation.startswith(LOCALHOST)
        if matching and annotation.removeprefix(LOCALHOST) != profile.localhostProfile:
            text = f"{what} profile in annotation and field must match"
            yield field.forbidden(f"{path}.localhostProfile", text)
    else:
        matching = annotation in values.get(profile.type, (annotation,))
    if not matching:
        yield field.forbidden(f"{path}.type", f"{what} type in annotation and field must match")


def validate_update(annotations: Annotations, old: Annotations, path: str) -> field.Faults:
    """Judge what an update changes of them: neither AppArmor's nor a mirror's."""
    faults: field.Faults = []
    changed = [key for key in sorted(old) if annotations.get(key) != old[key]]
    for verb, keys in (("remove or update", changed), ("add", sorted(set(annotations) - set(old)))):
        for key in keys:
            if key.startswith(APPARMOR):
                faults.append(field.forbidden(f"{path}[{key}]", f"may not {verb} AppArmor annotations"))
            if key == MIRROR:
                faults.append(field.forbidden(f"{path}[{key}]", f"may not {verb} mirror pod annotation"))
    return faults
