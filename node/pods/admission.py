"""What the node itself refuses to run, though the scheduler sent it. Pure.

A pod that is refused fails for good before anything of it is made; reasons and words are kubelet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.api.pb import core_v1_pb2 as corev1

# Sysctls that are a pod's own and cannot harm others (Kubernetes' documentation, "Using sysctls in a Cluster").
SAFE_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)
_NETWORK = "net."
# What belongs to an IPC namespace (ipc_namespaces(7)).
_IPC = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pod is refused: the reason of its status and Event, and a sentence."""

    reason: str
    message: str


def refusal(pod: corev1.Pod, allowed_sysctls: Sequence[str] = ()) -> Refusal | None:
    """Return why the node does not run a pod, None where it does.

    `allowed_sysctls` are allowed beside the safe ones; one that ends in `*` allows all that begin so.
    """
    if pod.spec.os.name not in ("", "linux"):
        return Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    for one in pod.spec.securityContext.sysctls:
        if fault := _sysctl_fault(pod.spec, sysctl(one.name), allowed_sysctls):
            return Refusal("SysctlForbidden", f'forbidden sysctl: "{one.name}" {fault}')
    return None


def sysctl(name: str) -> str:
    """Return a sysctl's name with dots between its parts; where a slash comes first they are exchanged."""
    first = next((character for character in name if character in "./"), ".")
    return name if first == "." else name.translate(str.maketrans("./", "/."))


def _sysctl_fault(spec: corev1.PodSpec, name: str, allowed: Sequence[str]) -> str:
    network, ipc = name.startswith(_NETWORK), name.startswith(_IPC)
    patterns = [sysctl(one) for one in allowed]
    matches = any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in patterns)
    if not (network or ipc) or not (name in SAFE_SYSCTLS or matches):
        return "not allowlisted"
    if network and spec.hostNetwork:
        return "not allowed with host net enabled"
    return "not allowed with host ipc enabled" if ipc and spec.hostIPC else ""
