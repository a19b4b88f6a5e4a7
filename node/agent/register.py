"""The Node object that an agent registers: names, addresses, capacity, and what the machine is.

`gather` looks at the machine, `node` is pure.
"""

from __future__ import annotations

import os
import pathlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import config as configs

# Clients read the API's level from it: 1.32, as this implementation has it.
KUBELET_VERSION = "v1.32.0+fairlead-0.1"
GPU = "nvidia.com/gpu"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the machine; sizes in bytes."""

    hostname: str
    cores: int
    memory: int
    storage: int
    gpus: int = 0
    kernel: str = ""
    os_image: str = ""
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    architecture: str = "amd64"
    runtime: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def gather(config: configs.Config, *, runtime: str = "", gpus: int = 0) -> Facts:
    """Look at the machine. `runtime` is `podman://<version>` or empty while it does not answer."""
    root = pathlib.Path(config.rootDir)
    while not root.exists():
        root = root.parent
    machine = platform.machine()
    return Facts(
        hostname=platform.node(),
        cores=psutil.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        storage=psutil.disk_usage(str(root)).total,
        gpus=gpus,
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        architecture=_ARCHITECTURES.get(machine, machine),
        runtime=runtime,
        labels=config.labels,
    )


def node(config: configs.Config, facts: Facts) -> corev1.Node:
    """Return the Node, without conditions."""
    made = corev1.Node()
    made.metadata.name = config.nodeName
    made.metadata.labels.update(
        {
            "kubernetes.io/hostname": facts.hostname or config.nodeName,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": facts.architecture,
            "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": facts.architecture,
        }
    )
    made.metadata.labels.update(facts.labels)
    status = made.status
    status.addresses.add(type="InternalIP", address=config.address)
    status.addresses.add(type="Hostname", address=facts.hostname or config.nodeName)
    capacity = {
        "cpu": quantity.whole(facts.cores),
        "memory": quantity.parse(f"{facts.memory // 1024}Ki"),
        "ephemeral-storage": quantity.parse(f"{facts.storage // 1024}Ki"),
        "pods": quantity.whole(config.maxPods),
    }
    if facts.gpus:
        capacity[GPU] = quantity.whole(facts.gpus)
    reserved = {name: quantity.parse(str(amount)) for name, amount in config.reserved.items() if name in capacity}
    quantity.write(capacity, status.capacity)
    quantity.write(quantity.subtract(capacity, reserved), status.allocatable)
    info = status.nodeInfo
    info.machineID, info.systemUUID, info.bootID = facts.machine_id, facts.system_uuid, facts.boot_id
    info.kernelVersion, info.osImage = facts.kernel, facts.os_image
    info.containerRuntimeVersion = facts.runtime
    info.kubeletVersion = info.kubeProxyVersion = KUBELET_VERSION
    info.operatingSystem, info.architecture = "linux", facts.architecture
    return made


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return platform.system()


def _text(path: str) -> str:
    """Return a small file's text; empty where it may not or cannot be read."""
    if not os.access(path, os.R_OK):
        return ""
    return pathlib.Path(path).read_text().strip()
