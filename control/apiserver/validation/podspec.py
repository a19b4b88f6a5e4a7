"""Rules on a pod's spec, alone or in a template. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from control.apiserver import field, notation
from control.apiserver.validation import (
    containers,
    ephemeral,
    meta,
    names,
    numbers,
    podannotations,
    scheduling,
    security,
    volumes,
)
from fairlead.api.pb import core_v1_pb2 as corev1

# In the order in which Kubernetes names them.
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
SYSTEMS = frozenset({"linux", "windows"})
NAMESERVERS_MAX, SEARCHES_MAX, SEARCHES_CHARACTERS_MAX = 3, 32, 2048


def validate(spec: corev1.PodSpec, path: str, *, of_pod: bool = False) -> field.Faults:
    """Judge a pod's spec whose defaults are filled in; `of_pod` says that it is no template's."""
    sound, faults = volumes.validate_all(spec.volumes, f"{path}.volumes") if spec.volumes else ({}, [])
    faults += containers.regular(spec, f"{path}.containers", sound)
    if spec.initContainers:
        faults += containers.initial(spec, f"{path}.initContainers", sound)
    if spec.ephemeralContainers:
        faults += ephemeral.validate(spec, f"{path}.ephemeralContainers", sound)
    if spec.hostNetwork:
        faults += _host_network(spec, f"{path}.containers", of_pod)
    if spec.restartPolicy not in RESTART_POLICIES:
        faults.append(_policy(f"{path}.restartPolicy", spec.restartPolicy, RESTART_POLICIES))
    if spec.dnsPolicy not in DNS_POLICIES:
        faults.append(_policy(f"{path}.dnsPolicy", spec.dnsPolicy, DNS_POLICIES))
    if spec.nodeSelector:
        faults += meta.labels(spec.nodeSelector, f"{path}.nodeSelector")
    if spec.HasField("securityContext"):
        faults += security.pod(spec, f"{path}.securityContext")
    if spec.HasField("affinity"):
        faults += scheduling.affinity(spec.affinity, f"{path}.affinity")
    if spec.dnsPolicy == "None" or spec.HasField("dnsConfig"):
        faults += _dns(spec, f"{path}.dnsConfig")
    faults += _gates(spec, path)
    if spec.topologySpreadConstraints:
        faults += scheduling.spread(spec.topologySpreadConstraints, f"{path}.topologySpreadConstraints")
    faults += _names(spec, path)
    if spec.tolerations:
        faults += scheduling.tolerations(spec.tolerations, f"{path}.tolerations")
    return faults + _late(spec, path)


def validate_pod(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge the spec of a pod, which has rules beside those of a template's."""
    faults = validate(spec, path, of_pod=True)
    if not spec.serviceAccountName:
        text = "must not be specified when serviceAccountName is not set"
        faults += [
            field.forbidden(f"{path}.volumes[{index}].projected.sources[{place}].serviceAccountToken", text)
            for index, volume in enumerate(spec.volumes)
            for place, source in enumerate(volume.volumeSource.projected.sources)
            if source.HasField("serviceAccountToken")
        ]
    for part in ("containers", "initContainers"):
        for index, container in enumerate(getattr(spec, part)):
            faults += containers.spaces(container, f"{path}.{part}[{index}]")
    return faults


def validate_new(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge the spec of a pod that is being made."""
    faults = validate_pod(spec, path)
    if spec.ephemeralContainers:
        faults.append(field.forbidden(f"{path}.ephemeralContainers", "cannot be set on create"))
    if spec.nodeName and spec.schedulingGates:
        text = "cannot be set until all schedulingGates have been cleared"
        faults.append(field.forbidden(f"{path}.nodeName", text))
    return faults


def validate_template(template: corev1.PodTemplateSpec, path: str) -> field.Faults:
    """Judge a pod template; of its metadata only labels and annotations count."""
    annotations, spec = template.metadata.annotations, template.spec
    faults = meta.labels(template.metadata.labels, f"{path}.labels")
    if annotations:
        faults += meta.annotated(annotations, f"{path}.annotations")
        faults += podannotations.validate(annotations, spec, f"{path}.annotations")
    faults += validate(spec, f"{path}.spec")
    faults += podannotations.agreeing(annotations, spec, f"{path}.spec")
    if spec.ephemeralContainers:
        text = "ephemeral containers not allowed in pod template"
        faults.append(field.forbidden(f"{path}.spec.ephemeralContainers", text))
    return faults


def _policy(path: str, value: str, supported: tuple[str, ...]) -> field.Cause:
    return field.unsupported(path, value, supported) if value else field.required(path)


def _host_network(spec: corev1.PodSpec, path: str, of_pod: bool) -> Iterator[field.Cause]:
    """Judge that ports on the host's own network are the container's; a template may leave that to its pods."""
    for index, container in enumerate(spec.containers):
        for place, port in enumerate(container.ports):
            if (of_pod or port.hostPort) and port.hostPort != port.containerPort:
                text = "must match `containerPort` when `hostNetwork` is true"
                yield field.invalid(f"{path}[{index}].ports[{place}].hostPort", port.hostPort, text)


def _dns(spec: corev1.PodSpec, path: str) -> field.Faults:
    config = spec.dnsConfig
    if spec.dnsPolicy == "None":
        if not spec.HasField("dnsConfig"):
            return [field.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.nameservers:
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [field.required(f"{path}.nameservers", text)]
    faults: field.Faults = []
    if len(config.nameservers) > NAMESERVERS_MAX:
        text = f"must not have more than {NAMESERVERS_MAX} nameservers"
        faults.append(field.invalid(f"{path}.nameservers", notation.strings(config.nameservers), text))
    for index, server in enumerate(config.nameservers):
        faults += field.invalids(f"{path}.nameservers[{index}]", server, names.ip(server))
    searches = notation.strings(config.searches)
    if len(config.searches) > SEARCHES_MAX:
        text = f"must not have more than {SEARCHES_MAX} search paths"
        faults.append(field.invalid(f"{path}.searches", searches, text))
    if len(" ".join(config.searches)) > SEARCHES_CHARACTERS_MAX:
        text = f"must not have more than {SEARCHES_CHARACTERS_MAX} characters (including spaces) in the search list"
        faults.append(field.invalid(f"{path}.searches", searches, text))
    for index, search in enumerate(config.searches):
        domain = search.removesuffix(".")
        faults += field.invalids(f"{path}.searches[{index}]", domain, names.subdomain(domain))
    empty = [index for index, option in enumerate(config.options) if not option.name]
    return faults + [field.required(f"{path}.options[{index}]", "must not be empty") for index in empty]


def _gates(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge what keeps a pod from being ready, then what keeps it from being scheduled."""
    faults: field.Faults = []
    for index, awaited in enumerate(spec.readinessGates):
        at, condition = f"{path}.readinessGates[{index}].conditionType", awaited.conditionType
        faults += field.invalids(at, condition, names.qualified(condition))
    seen: set[str] = set()
    for index, gate in enumerate(spec.schedulingGates):
        at = f"{path}.schedulingGates[{index}]"
        faults += field.invalids(at, gate.name, names.qualified(gate.name))
        if gate.name in seen:
            faults.append(field.duplicate(at, gate.name))
        seen.add(gate.name)
    return faults


def _names(spec: corev1.PodSpec, path: str) -> field.Faults:
    faults = _host_processes(spec, path)
    for part in ("serviceAccountName", "nodeName"):
        if value := getattr(spec, part):
            faults += field.invalids(f"{path}.{part}", value, names.subdomain(value))
    if spec.HasField("activeDeadlineSeconds"):
        seconds = spec.activeDeadlineSeconds
        faults += numbers.between(f"{path}.activeDeadlineSeconds", seconds, 1, numbers.MAX_INT32)
    for part in ("hostname", "subdomain"):
        if value := getattr(spec, part):
            faults += field.invalids(f"{path}.{part}", value, names.label(value))
    return faults


def _late(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge what Kubernetes judges last."""
    faults: field.Faults = []
    for index, alias in enumerate(spec.hostAliases):
        at = f"{path}.hostAliases[{index}]"
        faults += field.invalids(f"{at}.ip", alias.ip, names.ip(alias.ip))
        for place, host in enumerate(alias.hostnames):
            faults += field.invalids(f"{at}.hostnames[{place}]", host, names.subdomain(host))
    if spec.priorityClassName:
        name = spec.priorityClassName
        faults += field.invalids(f"{path}.priorityClassName", name, names.subdomain(name))
    if spec.HasField("runtimeClassName"):
        name = spec.runtimeClassName
        faults += field.invalids(f"{path}.runtimeClassName", name, names.subdomain(name))
    if spec.HasField("preemptionPolicy") and spec.preemptionPolicy not in PREEMPTION_POLICIES:
        faults.append(_policy(f"{path}.preemptionPolicy", spec.preemptionPolicy, PREEMPTION_POLICIES))
    if spec.overhead:
        faults += containers.resources(corev1.ResourceRequirements(limits=spec.overhead), f"{path}.overhead")
    if spec.HasField("os"):
        faults += _system(spec, path)
    return faults


def _host_processes(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge containers of Windows that are processes of the host: all of a pod are, or none."""
    faults: field.Faults = []
    options = spec.securityContext.windowsOptions
    whole = options.hostProcess if options.HasField("hostProcess") else None
    processes = []
    for at, container in podannotations.containers(spec, path):
        own = container.securityContext.windowsOptions
        if whole is not None and own.HasField("hostProcess") and own.hostProcess != whole:
            text = f"pod hostProcess value must be identical if both are specified, was {field.shown(whole)}"
            at = f"{at}.securityContext.windowsOptions.hostProcess"
            faults.append(field.invalid(at, own.hostProcess, text))
        processes.append(own.hostProcess if own.HasField("hostProcess") else bool(whole))
    if any(processes):
        if not all(processes):
            text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
            faults.append(field.invalid(path, "", text))
        if not spec.hostNetwork:
            text = "hostNetwork must be true if pod contains any hostProcess containers"
            faults.append(field.invalid(f"{path}.hostNetwork", False, text))
    return faults


# What a pod for Windows may not set: of its spec, of its own security context, and of its containers'.
_NOT_OF_WINDOWS = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_NOT_OF_WINDOWS_PODS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_NOT_OF_WINDOWS_CONTAINERS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def _system(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge what a pod may set for its operating system."""
    system = spec.os.name
    if not system:
        return [field.required(f"{path}.os.name", "cannot be empty")]
    if system not in SYSTEMS:
        return [field.unsupported(f"{path}.os", system, SYSTEMS)]
    contexts = [(at, one.securityContext) for at, one in podannotations.containers(spec, path)]
    if system == "linux":
        text = "windows options cannot be set for a linux pod"
        return [
            field.forbidden(f"{at}.securityContext.windowsOptions", text)
            for at, context in [(path, spec.securityContext), *contexts]
            if context.HasField("windowsOptions")
        ]
    given = {descriptor.name for descriptor, _ in spec.securityContext.ListFields()}
    own = {descriptor.name for descriptor, value in spec.ListFields() if value or descriptor.has_presence}
    wrong = [f"{path}.securityContext.{name}" for name in _NOT_OF_WINDOWS_PODS if name in given]
    wrong += [f"{path}.{name}" for name in _NOT_OF_WINDOWS if name in own]
    for at, context in contexts:
        given = {descriptor.name for descriptor, _ in context.ListFields()}
        wrong += [f"{at}.securityContext.{name}" for name in _NOT_OF_WINDOWS_CONTAINERS if name in given]
    return [field.forbidden(at, "cannot be set for a windows pod") for at in wrong]
