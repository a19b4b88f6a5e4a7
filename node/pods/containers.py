"""A container of a pod's spec as the runtime's spec, and the sandbox that it joins. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from node.network.interface import HostPort, Sandbox, SandboxSpec
from node.pods import admission, environment, model, status
from node.runtime import interface as runtime

_MIN_SHARES, _MAX_SHARES = 2, 262144
_SHARES_PER_CPU = 1024
PERIOD_MICROSECONDS = 100_000
_MIN_QUOTA_MICROSECONDS = 1000
_GUARANTEED_OOM, _BEST_EFFORT_OOM = -997, 1000
_MAX_KERNEL_NAME = 64  # sethostname(2)


class BadContainer(Exception):
    """A container that must not be made as its spec wants it; it waits with CreateContainerConfigError."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container's spec takes from the node and the cluster.

    `lowest_oom_score` is how low the node may set what the kernel adds to a process' badness when memory ends.
    """

    memory: int = 0
    lowest_oom_score: int = -1000
    cluster_domain: str = ""


_NOWHERE = Surroundings()


def container_name(pod: corev1.Pod, name: str, attempt: int) -> str:
    """Return the name that the runtime knows a container by; Docker's dockershim named them so."""
    return f"k8s_{name}_{pod.metadata.name}_{pod.metadata.namespace}_{pod.metadata.uid}_{attempt}"


def spec(
    pod: corev1.Pod,
    container: corev1.Container,
    action: model.Action,
    *,
    image: runtime.Image,
    sandbox: Sandbox,
    env: Mapping[str, str],
    mounts: Sequence[runtime.Mount],
    devices: Sequence[runtime.Device] = (),
    devices_label: str = "",
    processes: str = "",
    around: Surroundings = _NOWHERE,
) -> runtime.ContainerSpec:
    """Return what the runtime is asked to create for a START action."""
    pod_ = pod.spec
    meta = pod.metadata
    # What the runtime adds by itself names the container; inside a pod it is the pod's host name.
    values = {"HOSTNAME": kernel_name(pod, around.cluster_domain)} | dict(env) if not pod_.hostNetwork else dict(env)
    labels = {
        runtime.NAMESPACE_LABEL: meta.namespace,
        runtime.NAME_LABEL: meta.name,
        runtime.UID_LABEL: meta.uid,
        runtime.CONTAINER_LABEL: container.name,
        runtime.RESTARTS_LABEL: str(action.attempt),
        runtime.HASH_LABEL: model.spec_hash(container),
        runtime.SANDBOX_LABEL: sandbox.id,
        model.BACKOFF_LABEL: f"{action.backoff:g}",
        model.GRACE_LABEL: f"{model.grace_seconds(pod):g}",
        model.IMAGE_LABEL: image.digests[0] if image.digests else f"sha256:{image.id}",
    }
    if devices_label:
        labels[model.DEVICES_LABEL] = devices_label
    return runtime.ContainerSpec(
        name=container_name(pod, container.name, action.attempt),
        image=image.id,
        labels=labels,
        command=tuple(environment.expand(one, env) for one in container.command),
        args=tuple(environment.expand(one, env) for one in container.args),
        env=values,
        working_dir=container.workingDir,
        mounts=tuple(mounts),
        devices=tuple(devices),
        resources=resources(pod, container, around),
        security=security(pod, container, image),
        namespaces=runtime.Namespaces(
            net=sandbox.net or runtime.HOST,
            ipc=sandbox.ipc or runtime.HOST,
            uts=sandbox.uts or runtime.HOST,
            pid=processes or (runtime.HOST if pod_.hostPID else ""),
        ),
        stdin=container.stdin,
        tty=container.tty,
    )


def sandbox(pod: corev1.Pod, cluster_domain: str) -> SandboxSpec:
    """Return the sandbox that a pod's containers join; BadContainer where its name does not fit."""
    sidecars = filter(model.is_sidecar, pod.spec.initContainers)
    ports = tuple(
        HostPort(port.protocol or "TCP", port.hostPort, port.containerPort, port.hostIP)
        for container in (*sidecars, *pod.spec.containers)
        for port in container.ports
        if port.hostPort
    )
    return SandboxSpec(
        uid=pod.metadata.uid,
        hostname=kernel_name(pod, cluster_domain),
        domain=domain(pod, cluster_domain),
        host_network=pod.spec.hostNetwork,
        host_ipc=pod.spec.hostIPC,
        host_ports=ports,
        sysctls=tuple((admission.sysctl(one.name), one.value) for one in pod.spec.securityContext.sysctls),
    )


def hostname(pod: corev1.Pod) -> str:
    """Return the pod's host name: its own or its name, at most 63 characters."""
    return (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")


def kernel_name(pod: corev1.Pod, cluster_domain: str) -> str:
    """Return the host name that the pod's kernel namespace has: the full name, where the pod wants it there."""
    name, inside = hostname(pod), domain(pod, cluster_domain)
    if not (pod.spec.setHostnameAsFQDN and inside):
        return name
    full = f"{name}.{inside}"
    if len(full) > _MAX_KERNEL_NAME:
        why = f"is too long ({_MAX_KERNEL_NAME} characters is the max, {len(full)} characters requested)"
        raise BadContainer(f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} {why}")
    return full


def domain(pod: corev1.Pod, cluster_domain: str) -> str:
    """Return the domain of a pod with a subdomain; empty for others."""
    if not pod.spec.subdomain:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def resources(pod: corev1.Pod, container: corev1.Container, around: Surroundings = _NOWHERE) -> runtime.Resources:
    """Return cgroup limits from requests and limits, as kubelet translates them."""
    requests = quantity.amounts(container.resources.requests)
    limits = quantity.amounts(container.resources.limits)
    cpu_limit = limits["cpu"].milli_value() if "cpu" in limits else 0
    cpu = requests["cpu"].milli_value() if "cpu" in requests else cpu_limit
    memory = limits["memory"].value() if "memory" in limits else 0
    quota = max(cpu_limit * PERIOD_MICROSECONDS // 1000, _MIN_QUOTA_MICROSECONDS) if cpu_limit else 0
    return runtime.Resources(
        cpu_shares=min(max(cpu * _SHARES_PER_CPU // 1000, _MIN_SHARES), _MAX_SHARES),
        cpu_quota=quota,
        cpu_period=PERIOD_MICROSECONDS if quota else 0,
        memory_bytes=memory,
        oom_score_adjust=max(_oom_score(pod, requests.get("memory"), around.memory), around.lowest_oom_score),
    )


def _oom_score(pod: corev1.Pod, memory: quantity.Quantity | None, node_memory: int) -> int:
    match status.qos_class(pod):
        case "Guaranteed":
            return _GUARANTEED_OOM
        case "BestEffort":
            return _BEST_EFFORT_OOM
    share = 1000 * memory.value() // node_memory if memory is not None and node_memory else 0
    return min(max(1000 - share, 1000 + _GUARANTEED_OOM), _BEST_EFFORT_OOM - 1)


def security(pod: corev1.Pod, container: corev1.Container, image: runtime.Image) -> runtime.Security:
    """Return whom a container runs as; its own security context goes before its pod's."""
    own, shared = container.securityContext, pod.spec.securityContext
    user = _first("runAsUser", own, shared)
    group = _first("runAsGroup", own, shared)
    must_not_be_root = _first("runAsNonRoot", own, shared)
    if must_not_be_root:
        _check_not_root(user, image)
    groups = [str(one) for one in shared.supplementalGroups]
    if shared.HasField("fsGroup"):
        groups.append(str(shared.fsGroup))
    text = "" if user is None else str(user)
    if group is not None:
        text = f"{text or image.user.partition(':')[0] or '0'}:{group}"
    seccomp = own.seccompProfile if own.HasField("seccompProfile") else shared.seccompProfile
    return runtime.Security(
        user=text,
        groups=tuple(groups),
        privileged=own.privileged,
        add_capabilities=tuple(own.capabilities.add),
        drop_capabilities=tuple(own.capabilities.drop),
        read_only_root=own.readOnlyRootFilesystem,
        no_new_privileges=own.HasField("allowPrivilegeEscalation") and not own.allowPrivilegeEscalation,
        unconfined=seccomp.type == "Unconfined",
    )


def _check_not_root(user: int | None, image: runtime.Image) -> None:
    if user is None:
        name = image.user.partition(":")[0]
        if name and not name.isdigit():
            raise BadContainer(
                f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
            )
        if not name or int(name) == 0:
            raise BadContainer("container has runAsNonRoot and image will run as root")
    elif user == 0:
        raise BadContainer("container's runAsUser breaks non-root policy")


def _first(name: str, own: corev1.SecurityContext, shared: corev1.PodSecurityContext) -> int | None:
    for context in (own, shared):
        if context.HasField(name):
            return int(getattr(context, name))
    return None
