"""Rules on a pod's spec, alone or in a template, and on what an update of a pod may change. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from control.apiserver import field
from control.apiserver.validation import containers, meta, names, numbers, scheduling, volumes
from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1

# In the order in which Kubernetes names them.
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = frozenset({"Never", "PreemptLowerPriority"})
MUTABLE_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge a pod's spec whose defaults are filled in."""
    faults = volumes.validate_all(spec.volumes, f"{path}.volumes") if spec.volumes else []
    declared = {volume.name for volume in spec.volumes}
    if not spec.containers:
        faults.append(field.required(f"{path}.containers"))
    faults += containers.validate_all(spec.containers, f"{path}.containers", declared)
    if spec.initContainers:
        faults += containers.validate_all(spec.initContainers, f"{path}.initContainers", declared, init=True)
    if len(spec.containers) + len(spec.initContainers) > 1:
        faults += _unique_names(spec, path)
    faults += _host_ports(spec, path)
    if spec.restartPolicy not in RESTART_POLICIES:
        faults.append(_policy(f"{path}.restartPolicy", spec.restartPolicy, RESTART_POLICIES))
    if spec.dnsPolicy not in DNS_POLICIES:
        faults.append(_policy(f"{path}.dnsPolicy", spec.dnsPolicy, DNS_POLICIES))
    faults += _dns(spec, f"{path}.dnsConfig")
    faults += _plain(spec, path)
    faults += _placement(spec, path)
    return faults


def _policy(path: str, value: str, supported: tuple[str, ...]) -> field.Cause:
    return field.unsupported(path, value, supported) if value else field.required(path)


def _plain(spec: corev1.PodSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    if spec.terminationGracePeriodSeconds < 0:
        seconds = spec.terminationGracePeriodSeconds
        faults += numbers.not_negative(f"{path}.terminationGracePeriodSeconds", seconds)
    if spec.HasField("activeDeadlineSeconds"):
        seconds = spec.activeDeadlineSeconds
        faults += numbers.between(f"{path}.activeDeadlineSeconds", seconds, 1, numbers.MAX_INT32)
    if spec.serviceAccountName:
        name = spec.serviceAccountName
        faults += field.invalids(f"{path}.serviceAccountName", name, names.subdomain(name))
    if spec.hostname:
        faults += field.invalids(f"{path}.hostname", spec.hostname, names.label(spec.hostname))
    if spec.subdomain:
        faults += field.invalids(f"{path}.subdomain", spec.subdomain, names.label(spec.subdomain))
    if spec.runtimeClassName:
        name = spec.runtimeClassName
        faults += field.invalids(f"{path}.runtimeClassName", name, names.subdomain(name))
    for index, alias in enumerate(spec.hostAliases):
        faults += field.invalids(f"{path}.hostAliases[{index}].ip", alias.ip, names.ip(alias.ip))
        for host in alias.hostnames:
            faults += field.invalids(f"{path}.hostAliases[{index}].hostnames", host, names.subdomain(host))
    if spec.HasField("preemptionPolicy") and spec.preemptionPolicy not in PREEMPTION_POLICIES:
        faults.append(field.unsupported(f"{path}.preemptionPolicy", spec.preemptionPolicy, PREEMPTION_POLICIES))
    for index, gate in enumerate(spec.readinessGates):
        at = f"{path}.readinessGates[{index}].conditionType"
        faults += field.invalids(at, gate.conditionType, names.qualified(gate.conditionType))
    if spec.HasField("securityContext"):
        faults += _security(spec, f"{path}.securityContext")
    return faults


def _security(spec: corev1.PodSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    context = spec.securityContext
    for part in ("runAsUser", "runAsGroup", "fsGroup"):
        if context.HasField(part):
            faults += numbers.between(f"{path}.{part}", getattr(context, part), 0, numbers.MAX_INT32)
    for index, group in enumerate(context.supplementalGroups):
        faults += numbers.between(f"{path}.supplementalGroups[{index}]", group, 0, numbers.MAX_INT32)
    if spec.shareProcessNamespace and spec.hostPID:
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        faults.append(field.invalid(f"{path}.shareProcessNamespace", True, text))
    return faults


def _placement(spec: corev1.PodSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    if spec.nodeName:
        faults += field.invalids(f"{path}.nodeName", spec.nodeName, names.subdomain(spec.nodeName))
    if spec.nodeSelector:
        faults += meta.labels(spec.nodeSelector, f"{path}.nodeSelector")
    if spec.tolerations:
        faults += scheduling.tolerations(spec.tolerations, f"{path}.tolerations")
    if spec.HasField("affinity"):
        faults += scheduling.affinity(spec.affinity, f"{path}.affinity")
    if spec.topologySpreadConstraints:
        faults += scheduling.spread(spec.topologySpreadConstraints, f"{path}.topologySpreadConstraints")
    seen: set[str] = set()
    for index, gate in enumerate(spec.schedulingGates):
        at = f"{path}.schedulingGates[{index}]"
        faults += field.invalids(at, gate.name, names.qualified(gate.name))
        if gate.name in seen:
            faults.append(field.duplicate(at, gate.name))
        seen.add(gate.name)
    if spec.schedulingGates and spec.nodeName:
        faults.append(
            field.forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared")
        )
    return faults


def _unique_names(spec: corev1.PodSpec, path: str) -> Iterator[field.Cause]:
    seen: set[str] = set()
    for part in ("initContainers", "containers"):
        for index, container in enumerate(getattr(spec, part)):
            if container.name in seen:
                yield field.duplicate(f"{path}.{part}[{index}].name", container.name)
            seen.add(container.name)


def _host_ports(spec: corev1.PodSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    seen: set[tuple[str, str, int]] = set()
    for index, container in enumerate(spec.containers):
        for place, port in enumerate(container.ports):
            at = f"{path}.containers[{index}].ports[{place}]"
            if not port.hostPort:
                continue
            if spec.hostNetwork and port.hostPort != port.containerPort:
                text = "must match `containerPort` when `hostNetwork` is true"
                faults.append(field.invalid(f"{at}.hostPort", port.hostPort, text))
            taken = (port.protocol, port.hostIP, port.hostPort)
            if taken in seen:
                faults.append(field.duplicate(f"{at}.hostPort", f"{port.protocol}/{port.hostIP}/{port.hostPort}"))
            seen.add(taken)
    return faults


def _dns(spec: corev1.PodSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    config = spec.dnsConfig
    if spec.dnsPolicy == "None" and not config.nameservers:
        text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        faults.append(field.required(f"{path}.nameservers", text))
    if len(config.nameservers) > 3:
        faults.append(field.too_many(f"{path}.nameservers", len(config.nameservers), 3))
    for index, server in enumerate(config.nameservers):
        faults += field.invalids(f"{path}.nameservers[{index}]", server, names.ip(server))
    for index, option in enumerate(config.options):
        if not option.name:
            faults.append(field.required(f"{path}.options[{index}]"))
    return faults


def validate_template(template: corev1.PodTemplateSpec, path: str) -> field.Faults:
    """Judge a pod template."""
    faults = meta.labels(template.metadata.labels, f"{path}.labels")
    faults += meta.annotated(template.metadata.annotations, f"{path}.annotations")
    if template.spec.ephemeralContainers:
        text = "ephemeral containers not allowed in pod template"
        faults.append(field.forbidden(f"{path}.spec.ephemeralContainers", text))
    return faults + validate(template.spec, f"{path}.spec")


def validate_update(spec: corev1.PodSpec, old: corev1.PodSpec, path: str) -> field.Faults:
    """Judge what an update changes of a pod's spec."""
    if spec == old:
        return []
    faults: field.Faults = []
    for part in ("containers", "initContainers"):
        if len(getattr(spec, part)) != len(getattr(old, part)):
            return [field.forbidden(f"{path}.{part}", "pod updates may not add or remove containers")]
    if old.HasField("activeDeadlineSeconds"):
        if not spec.HasField("activeDeadlineSeconds"):
            faults.append(
                field.invalid(
                    f"{path}.activeDeadlineSeconds", None, "must not update from a positive integer to nil value"
                )
            )
        elif spec.activeDeadlineSeconds > old.activeDeadlineSeconds:
            text = f"must be less than or equal to previous value {old.activeDeadlineSeconds}"
            faults.append(field.invalid(f"{path}.activeDeadlineSeconds", spec.activeDeadlineSeconds, text))
    faults += _tolerations_update(spec, old, f"{path}.tolerations")
    faults += _gates_update(spec, old, f"{path}.schedulingGates")
    if not faults and not _same_but_mutable(spec, old):
        faults.append(field.forbidden(path, MUTABLE_TEXT))
    return faults


def _tolerations_update(spec: corev1.PodSpec, old: corev1.PodSpec, path: str) -> field.Faults:
    """Tolerations may be added, and the seconds of one that is there may change."""
    if list(spec.tolerations) == list(old.tolerations):
        return []
    kept = {(one.key, one.operator, one.value, one.effect) for one in spec.tolerations}
    if all((one.key, one.operator, one.value, one.effect) in kept for one in old.tolerations):
        return []
    return [field.forbidden(path, "existing toleration can not be modified except its tolerationSeconds")]


def _gates_update(spec: corev1.PodSpec, old: corev1.PodSpec, path: str) -> field.Faults:
    """Scheduling gates may go, never come."""
    added = {gate.name for gate in spec.schedulingGates} - {gate.name for gate in old.schedulingGates}
    text = "only deletion is allowed, but found new scheduling gate"
    return [field.forbidden(path, f"{text} '{name}'") for name in sorted(added)]


def _same_but_mutable(spec: corev1.PodSpec, old: corev1.PodSpec) -> bool:
    """Say whether two specs differ only in what may change. Gated pods may narrow where they run."""
    mine, theirs = objects.copy(spec), objects.copy(old)
    for one in (mine, theirs):
        for container in (*one.containers, *one.initContainers):
            container.image = ""
        for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
            one.ClearField(name)
        if old.terminationGracePeriodSeconds < 0 and spec.terminationGracePeriodSeconds == 1:
            one.ClearField("terminationGracePeriodSeconds")
        if old.schedulingGates:
            one.ClearField("nodeSelector")
            one.ClearField("affinity")
    return mine == theirs
