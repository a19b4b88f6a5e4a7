"""Rules on what may change of a pod: of its spec little, of its status nothing that is over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from control.apiserver import field, notation
from control.apiserver.validation import names, numbers
from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1

MUTABLE_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ONE_A_FAMILY = "may specify no more than one IP for each IP family"
_CLEARED = ("activeDeadlineSeconds", "tolerations", "schedulingGates")


def validate(spec: corev1.PodSpec, old: corev1.PodSpec, path: str) -> field.Faults:
    """Judge what an update changes of a pod's spec."""
    for part in ("containers", "initContainers"):
        if len(getattr(spec, part)) != len(getattr(old, part)):
            return [field.forbidden(f"{path}.{part}", "pod updates may not add or remove containers")]
    faults: field.Faults = []
    at, seconds = f"{path}.activeDeadlineSeconds", spec.activeDeadlineSeconds
    if spec.HasField("activeDeadlineSeconds"):
        faults = numbers.between(at, seconds, 0, numbers.MAX_INT32)
        if not faults and old.HasField("activeDeadlineSeconds") and old.activeDeadlineSeconds < seconds:
            faults = [field.invalid(at, seconds, "must be less than or equal to previous value")]
        if faults:
            return faults
    elif old.HasField("activeDeadlineSeconds"):
        faults.append(field.invalid(at, None, "must not update from a positive integer to nil value"))
    faults += _tolerations(spec, old, f"{path}.tolerations")
    faults += _gates(spec, old, f"{path}.schedulingGates")
    if old.schedulingGates:
        faults += _narrowed(spec, old, path)
    if not _same_but_mutable(spec, old):
        faults.append(field.forbidden(path, MUTABLE_TEXT))
    return faults


def _tolerations(spec: corev1.PodSpec, old: corev1.PodSpec, path: str) -> field.Faults:
    """Tolerations may be added, and the seconds of one that is there may change."""
    kept = {(one.key, one.operator, one.value, one.effect) for one in spec.tolerations}
    if all((one.key, one.operator, one.value, one.effect) in kept for one in old.tolerations):
        return []
    return [field.forbidden(path, "existing toleration can not be modified except its tolerationSeconds")]


def _gates(spec: corev1.PodSpec, old: corev1.PodSpec, path: str) -> field.Faults:
    """Scheduling gates may go, never come."""
    there = {gate.name for gate in old.schedulingGates}
    text = "only deletion is allowed, but found new scheduling gate"
    return [
        field.forbidden(f"{path}[{index}].name", f"{text} '{gate.name}'")
        for index, gate in enumerate(spec.schedulingGates)
        if gate.name not in there
    ]


def _narrowed(spec: corev1.PodSpec, old: corev1.PodSpec, path: str) -> field.Faults:
    """Judge where a gated pod may run: it may choose among fewer nodes, not among others."""
    faults: field.Faults = []
    if any(spec.nodeSelector.get(key) != value for key, value in old.nodeSelector.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        faults.append(field.invalid(f"{path}.nodeSelector", notation.labels(spec.nodeSelector), text))
    before = getattr(old.affinity.nodeAffinity, REQUIRED).nodeSelectorTerms
    after = getattr(spec.affinity.nodeAffinity, REQUIRED).nodeSelectorTerms
    at = f"{path}.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    if not before:
        return faults
    if len(before) != len(after):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [*faults, field.invalid(at, notation.node_terms(after), text)]
    for index, (term, was) in enumerate(zip(after, before, strict=True)):
        if not _only_adds(term, was):
            text = "only additions are allowed (no mutations or deletions)"
            faults.append(field.invalid(f"{at}[{index}]", notation.node_term(term), text))
    return faults


def _only_adds(term: corev1.NodeSelectorTerm, was: corev1.NodeSelectorTerm) -> bool:
    if not was.matchExpressions and not was.matchFields and (term.matchExpressions or term.matchFields):
        return False  # an empty term matches nothing: adding to it would match more
    return all(
        list(getattr(term, part))[: len(getattr(was, part))] == list(getattr(was, part))
        for part in ("matchExpressions", "matchFields")
    )


def _same_but_mutable(spec: corev1.PodSpec, old: corev1.PodSpec) -> bool:
    """Say whether two specs differ only in what may change. Gated pods may narrow where they run."""
    mine, theirs = objects.copy(spec), objects.copy(old)
    for one in (mine, theirs):
        for container in (*one.containers, *one.initContainers):
            container.image = ""
        for name in _CLEARED:
            one.ClearField(name)
        if old.terminationGracePeriodSeconds < 0 and spec.terminationGracePeriodSeconds == 1:
            one.ClearField("terminationGracePeriodSeconds")
        if old.schedulingGates:
            one.ClearField("nodeSelector")
            one.affinity.ClearField("nodeAffinity")
            if not one.affinity.ListFields():
                one.ClearField("affinity")
    return mine == theirs


def validate_status(obj: corev1.Pod, old: corev1.Pod) -> field.Faults:
    """Judge a pod's new status: a container that has ended does not run again, addresses are addresses."""
    faults: field.Faults = []
    status, before = obj.status, old.status
    for index, condition in enumerate(status.conditions):
        if condition.type not in SYSTEM_CONDITIONS:
            at = f"metadata.conditions[{index}].Type"
            faults += field.invalids(at, condition.type, names.qualified(condition.type))
    if status.nominatedNodeName != before.nominatedNodeName and status.nominatedNodeName:
        name = status.nominatedNodeName
        faults += field.invalids("status.nominatedNodeName", name, names.subdomain(name))
    policy = old.spec.restartPolicy
    sidecars = {one.name for one in old.spec.initContainers if one.restartPolicy == "Always"}
    for part, rule, spared in (
        ("containerStatuses", policy, frozenset[str]()),
        ("initContainerStatuses", policy, sidecars),
        ("ephemeralContainerStatuses", "Never", frozenset[str]()),
    ):
        ended = [one for one in enumerate(getattr(before, part)) if one[1].name not in spared]
        faults += _restarted(getattr(status, part), ended, rule, f"status.{part}")
    faults += _addresses(_pod_addresses(status), "podIP", "status.podIPs")
    if status.hostIPs:
        first = status.hostIPs[0].ip
        if status.hostIP != first:
            faults.append(field.invalid("status.hostIPs[0].ip", first, "must be equal to `hostIP`"))
        faults += _addresses([one.ip for one in status.hostIPs], "hostIP", "status.hostIPs")
    return faults


def _restarted(
    new: Sequence[corev1.ContainerStatus],
    old: Iterable[tuple[int, corev1.ContainerStatus]],
    policy: str,
    path: str,
) -> Iterator[field.Cause]:
    if policy == "Always":
        return
    for index, status in old:
        ended = status.state
        if not ended.HasField("terminated") or (ended.terminated.exitCode and policy == "OnFailure"):
            continue
        if any(one.name == status.name and not one.state.HasField("terminated") for one in new):
            yield field.forbidden(f"{path}[{index}].state", "may not be transitioned to non-terminated state")


def _pod_addresses(status: corev1.PodStatus) -> Sequence[str]:
    """Return a pod's addresses: podIP alone where it is not the first of podIPs."""
    listed = [one.ip for one in status.podIPs]
    return [status.podIP] if status.podIP and listed[:1] != [status.podIP] else listed


def _addresses(addresses: Sequence[str], name: str, path: str) -> field.Faults:
    """Judge a pod's or its host's addresses: one of each family at most."""
    faults: field.Faults = []
    for index, address in enumerate(addresses):
        faults += field.invalids(f"{path}[{index}]", address, names.ip(address))
    if len(addresses) < 2:
        return faults
    kind = name[0].upper() + name[1:]
    families = {":" in address for address in addresses}
    many = [field.invalid(path, notation.addresses(kind, addresses), ONE_A_FAMILY)]
    repeated = [
        field.duplicate(f"{path}[{index}]", notation.address(kind, addresses[index]))
        for index in sorted(field.repeats(addresses))
    ]
    parts: list[Any] = many if len(families) < 2 or len(addresses) > 2 else []
    return faults + (parts + repeated if name == "podIP" else repeated + parts)
