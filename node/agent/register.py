"""The Node object that an agent registers: names and addresses at once, capacity when the machine is known.

Pure, and quick to import: an agent that restarts has to be heard of again within a grace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import config as configs
from node.runtime import interface as runtime

# Clients read the API's level from it: 1.32, as this implementation has it.
KUBELET_VERSION = "v1.32.0+fairlead-0.1"
GPU = "nvidia.com/gpu"
# As many as kubelet lists.
IMAGES_LISTED = 50
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


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
    machine: str = "x86_64"
    runtime: str = ""


def named(config: configs.Config, hostname: str, machine: str) -> corev1.Node:
    """Return the Node as far as it is known without looking: `machine` is `uname`'s, x86_64 say."""
    made = corev1.Node()
    architecture = ARCHITECTURES.get(machine, machine)
    made.metadata.name = config.nodeName
    made.metadata.labels.update(
        {
            "kubernetes.io/hostname": hostname or config.nodeName,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture,
            "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": architecture,
        }
    )
    made.metadata.labels.update(config.labels)
    made.status.addresses.add(type="InternalIP", address=config.address)
    made.status.addresses.add(type="Hostname", address=hostname or config.nodeName)
    return made


def images(found: Sequence[runtime.Image]) -> list[corev1.ContainerImage]:
    """Return the largest images as a Node's status lists them, in a stable order."""
    named_ = [image for image in found if image.tags or image.digests]
    largest = sorted(named_, key=lambda image: (-image.size, image.id))[:IMAGES_LISTED]
    return [
        corev1.ContainerImage(names=[*sorted(image.digests), *sorted(image.tags)], sizeBytes=image.size)
        for image in largest
    ]


def node(config: configs.Config, facts: Facts) -> corev1.Node:
    """Return the Node, without conditions."""
    made = named(config, facts.hostname, facts.machine)
    status = made.status
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
    info.operatingSystem, info.architecture = "linux", made.metadata.labels["kubernetes.io/arch"]
    return made
