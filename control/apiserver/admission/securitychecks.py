"""The checks of the Pod Security Standards, baseline and restricted, each since its version of Kubernetes.

`violations` is what the plugin `podsecurity` asks. Names, levels, versions and words are those of Kubernetes'
documentation, "Pod Security Standards". Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LATEST = 1_000_000  # a minor version above all others

APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
WINDOWS_EXEMPT_SINCE = 25

CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
SECCOMP_TYPES = frozenset({"RuntimeDefault", "Localhost"})
# Sysctls that concern the pod's own namespaces alone, by the version that allowed them.
SYSCTLS = (
    (
        0,
        "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range"
        " net.ipv4.ip_unprivileged_port_start",
    ),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (
        29,
        "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl"
        " net.ipv4.tcp_keepalive_probes",
    ),
    (32, "net.ipv4.tcp_rmem net.ipv4.tcp_wmem"),
)
VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)


@dataclass(frozen=True, slots=True)
class Violation:
    """What a check forbids: a reason, and who does it."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        """Return `privileged (container "a" must not set securityContext.privileged=true)`."""
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod or a pod template under judgement, at a minor version."""

    meta: metav1.ObjectMeta
    spec: corev1.PodSpec
    version: int

    def containers(self) -> Iterator[Any]:
        """Iterate over all containers, init containers first, ephemeral ones last."""
        yield from self.spec.initContainers
        yield from self.spec.containers
        for one in self.spec.ephemeralContainers:
            yield one.ephemeralContainerCommon

    @property
    def is_windows(self) -> bool:
        """Whether the pod says that it is for Windows, where a version knows of that."""
        return self.version >= WINDOWS_EXEMPT_SINCE and self.spec.os.name == "windows"


Check = Callable[[Subject], Violation | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check, from when on it holds; `covers` names the baseline check that it makes superfluous."""

    id: str
    check: Check
    since: int = 0
    covers: str = ""


def violations(level: str, version: int, meta: metav1.ObjectMeta, spec: corev1.PodSpec) -> list[Violation]:
    """Return what a pod does that a level forbids, in Kubernetes' order: baseline first."""
    if level == PRIVILEGED:
        return []
    subject = Subject(meta, spec, version)
    rules = [rule for rule in BASELINE_RULES if rule.since <= version]
    if level == RESTRICTED:
        strict = [rule for rule in RESTRICTED_RULES if rule.since <= version]
        covered = {rule.covers for rule in strict}
        rules = [rule for rule in rules if rule.id not in covered] + strict
    found = (rule.check(subject) for rule in rules)
    return [one for one in found if one is not None]


def quoted(names: Iterable[str]) -> str:
    """Return `"a", "b"`."""
    return ", ".join(f'"{name}"' for name in names)


def plural(one: str, many: str, count: int) -> str:
    """Return the word for a number of things."""
    return one if count == 1 else many


def _named(names: Sequence[str]) -> str:
    return f"{plural('container', 'containers', len(names))} {quoted(names)}"


def _setters(pod: bool, names: Sequence[str]) -> str:
    """Return who set something: `pod and container "a"`."""
    return " and ".join([*(["pod"] if pod else []), *([_named(names)] if names else [])])


def _windows_host_process(subject: Subject) -> Violation | None:
    pod = subject.spec.securityContext.windowsOptions.hostProcess
    bad = [one.name for one in subject.containers() if one.securityContext.windowsOptions.hostProcess]
    if not pod and not bad:
        return None
    what = "must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", f"{_setters(pod, bad)} {what}")


def _host_namespaces(subject: Subject) -> Violation | None:
    used = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if getattr(subject.spec, name)]
    return Violation("host namespaces", ", ".join(used)) if used else None


def _privileged(subject: Subject) -> Violation | None:
    bad = [one.name for one in subject.containers() if one.securityContext.privileged]
    return Violation("privileged", f"{_named(bad)} must not set securityContext.privileged=true") if bad else None


def _capabilities(subject: Subject) -> Violation | None:
    bad, added = _adding(subject, CAPABILITIES)
    if not bad:
        return None
    detail = f"{_named(bad)} must not include {quoted(added)} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def _adding(subject: Subject, allowed: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return the containers that add other capabilities than these, and which."""
    bad, added = [], set()
    for one in subject.containers():
        others = set(one.securityContext.capabilities.add) - allowed
        if others:
            bad.append(one.name)
            added |= others
    return bad, sorted(added)


def _host_path_volumes(subject: Subject) -> Violation | None:
    names = [one.name for one in subject.spec.volumes if one.volumeSource.HasField("hostPath")]
    if not names:
        return None
    return Violation("hostPath volumes", f"{plural('volume', 'volumes', len(names))} {quoted(names)}")


def _host_ports(subject: Subject) -> Violation | None:
    bad, ports = [], set()
    for one in subject.containers():
        used = {str(port.hostPort) for port in one.ports if port.hostPort}
        if used:
            bad.append(one.name)
            ports |= used
    if not bad:
        return None
    uses = plural("uses", "use", len(bad))
    noun = plural("hostPort", "hostPorts", len(ports))
    return Violation("hostPort", f"{_named(bad)} {uses} {noun} {', '.join(sorted(ports))}")


def _app_armor(subject: Subject) -> Violation | None:
    allowed = ("RuntimeDefault", "Localhost")
    pod, names, values = _profiles(subject, "appArmorProfile", allowed)
    annotated = sorted(
        f'{key}="{value}"'
        for key, value in subject.meta.annotations.items()
        if key.startswith(APPARMOR_PREFIX)
        and not (value in ("", "runtime/default") or value.startswith("localhost/"))
    )
    found = [*values, *annotated]
    if not found:
        return None
    setters = [part for part in (_setters(pod, names),) if part]
    if annotated:
        setters.append(plural("annotation", "annotations", len(annotated)))
    reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", len(found))
    return Violation(reason, f"{' and '.join(setters)} must not set AppArmor profile type to {quoted(found)}")


def _profiles(subject: Subject, field: str, allowed: Iterable[str]) -> tuple[bool, list[str], list[str]]:
    """Return whether the pod and which containers set a profile of a forbidden type, and those types."""
    types = set()
    context: Any = subject.spec.securityContext
    pod = context.HasField(field) and getattr(context, field).type not in allowed
    if pod:
        types.add(getattr(context, field).type)
    names = []
    for one in subject.containers():
        profile = getattr(one.securityContext, field)
        if one.securityContext.HasField(field) and profile.type not in allowed:
            names.append(one.name)
            types.add(profile.type)
    return pod, names, sorted(types)


def _selinux(subject: Subject) -> Violation | None:
    allowed = SELINUX_TYPES | {"container_engine_t"} if subject.version >= 31 else SELINUX_TYPES

    def is_bad(options: corev1.SELinuxOptions) -> bool:
        return bool(options.type not in allowed or options.user or options.role)

    pod = subject.spec.securityContext.seLinuxOptions
    bad = [one for one in subject.containers() if is_bad(one.securityContext.seLinuxOptions)]
    setting = [*([pod] if is_bad(pod) else []), *(one.securityContext.seLinuxOptions for one in bad)]
    if not setting:
        return None
    types = sorted({one.type for one in setting} - allowed)
    told = [f"{plural('type', 'types', len(types))} {quoted(types)}"] if types else []
    told += ["user may not be set"] if any(one.user for one in setting) else []
    told += ["role may not be set"] if any(one.role for one in setting) else []
    who = _setters(is_bad(pod), [one.name for one in bad])
    return Violation("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(told)}")


def _proc_mount(subject: Subject) -> Violation | None:
    bad = [one for one in subject.containers() if one.securityContext.procMount not in ("", "Default")]
    if not bad:
        return None
    types = quoted(sorted({one.securityContext.procMount for one in bad}))
    names = _named([one.name for one in bad])
    return Violation("procMount", f"{names} must not set securityContext.procMount to {types}")


def _seccomp(subject: Subject) -> Violation | None:
    """Judge profiles that are named; before 1.19 they were annotations."""
    if subject.version < 19:
        return _seccomp_annotations(subject)
    pod, names, types = _profiles(subject, "seccompProfile", SECCOMP_TYPES)
    if not types:
        return None
    what = f"must not set securityContext.seccompProfile.type to {quoted(types)}"
    return Violation("seccompProfile", f"{_setters(pod, names)} {what}")


def _seccomp_annotations(subject: Subject) -> Violation | None:
    keys = [SECCOMP_POD, *(SECCOMP_CONTAINER + one.name for one in subject.containers())]
    annotations = subject.meta.annotations
    found = sorted(
        f'{key}="{annotations[key]}"'
        for key in set(keys)
        if key in annotations
        and annotations[key] not in ("runtime/default", "docker/default")
        and not annotations[key].startswith("localhost/")
    )
    if not found:
        return None
    noun = plural("annotation", "annotations", len(found))
    return Violation("seccompProfile", f"forbidden {noun} {', '.join(found)}")


def _sysctls(subject: Subject) -> Violation | None:
    allowed = {name for since, names in SYSCTLS if since <= subject.version for name in names.split()}
    bad = [one.name for one in subject.spec.securityContext.sysctls if one.name not in allowed]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def _escalation(subject: Subject) -> Violation | None:
    if subject.is_windows:
        return None
    bad = [
        one.name
        for one in subject.containers()
        if not one.securityContext.HasField("allowPrivilegeEscalation")
        or one.securityContext.allowPrivilegeEscalation
    ]
    if not bad:
        return None
    detail = f"{_named(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail)


def _dropped_capabilities(subject: Subject) -> Violation | None:
    if subject.is_windows:
        return None
    keeping = [one.name for one in subject.containers() if "ALL" not in one.securityContext.capabilities.drop]
    adding, added = _adding(subject, frozenset({"NET_BIND_SERVICE"}))
    told = []
    if keeping:
        told.append(f'{_named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        told.append(f"{_named(adding)} must not include {quoted(added)} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(told)) if told else None


def _restricted_volumes(subject: Subject) -> Violation | None:
    names, types = [], set()
    for one in subject.spec.volumes:
        kinds = [found.name for found, _ in one.volumeSource.ListFields()]
        if not VOLUMES.intersection(kinds):
            names.append(one.name)
            types.add(kinds[0] if kinds else "unknown")
    if not names:
        return None
    who = f"{plural('volume', 'volumes', len(names))} {quoted(names)} {plural('uses', 'use', len(names))}"
    noun = plural("restricted volume type", "restricted volume types", len(types))
    return Violation("restricted volume types", f"{who} {noun} {quoted(sorted(types))}")


def _run_as_non_root(subject: Subject) -> Violation | None:
    context = subject.spec.securityContext
    pod_refuses = context.HasField("runAsNonRoot") and not context.runAsNonRoot
    refusing, silent = [], []
    for one in subject.containers():
        if one.securityContext.HasField("runAsNonRoot"):
            if not one.securityContext.runAsNonRoot:
                refusing.append(one.name)
        elif not context.runAsNonRoot:
            silent.append(one.name)
    reason = "runAsNonRoot != true"
    if pod_refuses or refusing:
        detail = f"{_setters(pod_refuses, refusing)} must not set securityContext.runAsNonRoot=false"
        return Violation(reason, detail)
    if silent:
        return Violation(reason, f"pod or {_named(silent)} must set securityContext.runAsNonRoot=true")
    return None


def _run_as_user(subject: Subject) -> Violation | None:
    def is_root(context: Any) -> bool:
        return bool(context.HasField("runAsUser") and context.runAsUser == 0)

    pod = is_root(subject.spec.securityContext)
    bad = [one.name for one in subject.containers() if is_root(one.securityContext)]
    return Violation("runAsUser=0", f"{_setters(pod, bad)} must not set runAsUser=0") if pod or bad else None


def _required_seccomp(subject: Subject) -> Violation | None:
    if subject.is_windows:
        return None
    named = _seccomp(subject)
    if named is not None:
        return named
    if subject.spec.securityContext.HasField("seccompProfile"):
        return None
    silent = [one.name for one in subject.containers() if not one.securityContext.HasField("seccompProfile")]
    if not silent:
        return None
    what = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {_named(silent)} {what}")


# In the order in which Kubernetes tells of them.
BASELINE_RULES = (
    Rule("appArmorProfile", _app_armor),
    Rule("capabilities_baseline", _capabilities),
    Rule("hostNamespaces", _host_namespaces),
    Rule("hostPathVolumes", _host_path_volumes),
    Rule("hostPorts", _host_ports),
    Rule("privileged", _privileged),
    Rule("procMount", _proc_mount),
    Rule("seLinuxOptions", _selinux),
    Rule("seccompProfile_baseline", _seccomp),
    Rule("sysctls", _sysctls),
    Rule("windowsHostProcess", _windows_host_process),
)
RESTRICTED_RULES = (
    Rule("allowPrivilegeEscalation", _escalation, since=8),
    Rule("capabilities_restricted", _dropped_capabilities, since=22, covers="capabilities_baseline"),
    Rule("restrictedVolumes", _restricted_volumes, covers="hostPathVolumes"),
    Rule("runAsNonRoot", _run_as_non_root),
    Rule("runAsUser", _run_as_user, since=23),
    Rule("seccompProfile_restricted", _required_seccomp, since=19, covers="seccompProfile_baseline"),
)
