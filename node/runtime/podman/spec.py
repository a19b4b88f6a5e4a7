"""A container's spec as libpod's JSON (`SpecGenerator` of Podman's API reference). Pure; golden files hold it."""

from __future__ import annotations

from typing import Any

from node.runtime import interface
from node.runtime.interface import ContainerSpec

# The container's log is cut here by conmon: as much as kubelet keeps of one file.
LOG_BYTES = 10 * 1024 * 1024


def libpod(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body of `POST /libpod/containers/create`.

    The agent restarts containers itself, hosts and resolv.conf are the pod's own files: libpod does neither.
    """
    body: dict[str, Any] = {
        "name": spec.name,
        "image": spec.image,
        "labels": dict(spec.labels),
        "env": dict(spec.env),
        "restart_policy": "no",
        "log_configuration": {"driver": "k8s-file", "size": LOG_BYTES},
        "use_image_hosts": True,
        "use_image_resolve_conf": True,
        "netns": _namespace(spec.namespaces.net, own="none"),
        "ipcns": _namespace(spec.namespaces.ipc),
        "utsns": _namespace(spec.namespaces.uts),
        "pidns": _namespace(spec.namespaces.pid),
    }
    if spec.command:
        body["entrypoint"] = list(spec.command)
    if spec.args:
        body["command"] = list(spec.args)
    if spec.working_dir:
        body["work_dir"] = spec.working_dir
    if spec.mounts:
        body["mounts"] = [_mount(mount) for mount in spec.mounts]
    if spec.devices:
        body["devices"] = [{"path": _device(one)} for one in spec.devices]
    if spec.stdin:
        body["stdin"] = True
    if spec.tty:
        body["terminal"] = True
    if limits := _limits(spec.resources):
        body["resource_limits"] = limits
    if spec.resources.oom_score_adjust:
        body["oom_score_adj"] = spec.resources.oom_score_adjust
    return body | _security(spec.security)


def _namespace(source: str, own: str = "private") -> dict[str, str]:
    if not source:
        return {"nsmode": own}
    if source == interface.HOST:
        return {"nsmode": "host"}
    return {"nsmode": "path", "value": source}


def _mount(mount: interface.Mount) -> dict[str, Any]:
    options = ["rbind", "ro" if mount.read_only else "rw", mount.propagation]
    return {"type": "bind", "source": mount.source, "destination": mount.target, "options": options}


def _device(device: interface.Device) -> str:
    if not device.path.startswith("/"):
        return device.path
    return f"{device.path}:{device.target or device.path}:rwm"


def _limits(resources: interface.Resources) -> dict[str, Any]:
    cpu = {
        "shares": resources.cpu_shares,
        "quota": resources.cpu_quota,
        "period": resources.cpu_period,
    }
    limits: dict[str, Any] = {}
    if given := {name: value for name, value in cpu.items() if value}:
        limits["cpu"] = given
    if resources.memory_bytes:
        # The same for memory and swap together: Kubernetes' containers do not swap.
        limits["memory"] = {"limit": resources.memory_bytes, "swap": resources.memory_bytes}
    return limits


def _security(security: interface.Security) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if security.user:
        body["user"] = security.user
    if security.groups:
        body["groups"] = list(security.groups)
    if security.privileged:
        body["privileged"] = True
    if security.add_capabilities:
        body["cap_add"] = list(security.add_capabilities)
    if security.drop_capabilities:
        body["cap_drop"] = list(security.drop_capabilities)
    if security.read_only_root:
        body["read_only_filesystem"] = True
    if security.no_new_privileges:
        body["no_new_privileges"] = True
    if security.unconfined:
        body["seccomp_profile_path"] = "unconfined"
    return body
