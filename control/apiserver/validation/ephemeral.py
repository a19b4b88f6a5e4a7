"""Rules on ephemeral containers, which join a running pod and never leave it. Pure."""

from __future__ import annotations

from typing import Any, cast

from control.apiserver import field
from control.apiserver.validation import containers, mounts
from fairlead.api.pb import core_v1_pb2 as corev1

PATH = "spec.ephemeralContainers"
FORBIDDEN = "cannot be set for an Ephemeral Container"
NEVER = (
    "ports", "resources", "resizePolicy", "restartPolicy", "livenessProbe", "readinessProbe", "startupProbe",
    "lifecycle",
)  # fmt: skip
STATIC_TEXT = "static pods do not support ephemeral containers"


def validate(spec: corev1.PodSpec, path: str, volumes: mounts.Volumes) -> field.Faults:
    """Judge a pod's ephemeral containers; `volumes` are the sound ones that it declares."""
    faults: field.Faults = []
    regular = {one.name for one in (*spec.containers, *spec.initContainers)}
    taken = set(regular)
    for index, each in enumerate(spec.ephemeralContainers):
        at, common = f"{path}[{index}]", cast(Any, each.ephemeralContainerCommon)
        faults += containers.validate(common, at, volumes) + containers.spaces(common, at)
        if common.name in taken:
            faults.append(field.duplicate(f"{at}.name", common.name))
        taken.add(common.name)
        if each.targetContainerName and each.targetContainerName not in regular:
            faults.append(field.not_found(f"{at}.targetContainerName", each.targetContainerName))
        faults += _limits(common, at)
    return faults


def _limits(common: Any, path: str) -> field.Faults:
    """Return the faults of what only containers have that a pod was planned with."""
    given = {descriptor.name for descriptor, _ in common.ListFields()}
    if not common.resources.ListFields():
        given.discard("resources")
    faults = [field.forbidden(f"{path}.{name}", FORBIDDEN) for name in NEVER if name in given]
    for index, mount in enumerate(common.volumeMounts):
        for name in ("subPath", "subPathExpr"):
            if getattr(mount, name):
                faults.append(field.forbidden(f"{path}.volumeMounts[{index}].{name}", FORBIDDEN))
    return faults


def validate_update(spec: corev1.PodSpec, old: corev1.PodSpec) -> field.Faults:
    """Judge what changes: ephemeral containers only come."""
    faults: field.Faults = []
    after = {one.ephemeralContainerCommon.name: one for one in spec.ephemeralContainers}
    for one in old.ephemeralContainers:
        name = one.ephemeralContainerCommon.name
        if name not in after:
            text = f'existing ephemeral containers "{name}" may not be removed\n'
            faults.append(field.forbidden(PATH, text))
        elif after[name] != one:
            text = f'existing ephemeral containers "{name}" may not be changed\n'
            faults.append(field.forbidden(PATH, text))
    return faults
