"""Rules on ephemeral containers, which join a running pod and never leave it. Pure."""

from __future__ import annotations

from typing import Any, cast

from control.apiserver import field
from control.apiserver.validation import containers
from fairlead.api.pb import core_v1_pb2 as corev1

PATH = "spec.ephemeralContainers"
FORBIDDEN = "cannot be set for an Ephemeral Container"
NEVER = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def validate(spec: corev1.PodSpec) -> field.Faults:
    """Judge a pod's ephemeral containers."""
    faults: field.Faults = []
    declared = {volume.name for volume in spec.volumes}
    regular = {one.name for one in (*spec.containers, *spec.initContainers)}
    taken = set(regular)
    for index, each in enumerate(spec.ephemeralContainers):
        path, common = f"{PATH}[{index}]", cast(Any, each.ephemeralContainerCommon)
        faults += containers.validate(common, path, declared)
        if common.name and common.name in taken:
            faults.append(field.duplicate(f"{path}.name", common.name))
        taken.add(common.name)
        if each.targetContainerName and each.targetContainerName not in regular:
            faults.append(field.not_found(f"{path}.targetContainerName", each.targetContainerName))
        faults += _limits(common, path)
    return faults


def _limits(common: Any, path: str) -> field.Faults:
    """Return the faults of what only containers have that a pod was planned with."""
    faults = [field.forbidden(f"{path}.{name}", FORBIDDEN) for name in NEVER if common.HasField(name)]
    if common.ports:
        faults.append(field.forbidden(f"{path}.ports", FORBIDDEN))
    if common.resources.limits or common.resources.requests or common.resources.claims:
        faults.append(field.forbidden(f"{path}.resources", FORBIDDEN))
    if common.HasField("restartPolicy"):
        faults.append(field.forbidden(f"{path}.restartPolicy", FORBIDDEN))
    for index, mount in enumerate(common.volumeMounts):
        for name in ("subPath", "subPathExpr"):
            if getattr(mount, name):
                faults.append(field.forbidden(f"{path}.volumeMounts[{index}].{name}", FORBIDDEN))
    return faults


def validate_update(spec: corev1.PodSpec, old: corev1.PodSpec) -> field.Faults:
    """Judge what changes: ephemeral containers only come."""
    faults = validate(spec)
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
