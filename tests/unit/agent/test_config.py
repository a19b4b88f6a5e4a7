"""The agent's configuration."""

from __future__ import annotations

import pytest

from node.agent import config, register
from node.runtime import interface as runtime

GOOD = {"nodeName": "node-1", "address": "10.0.0.4", "endpoints": ["10.0.0.1:7443"]}


def test_what_join_writes_is_enough() -> None:
    """Everything else has a default."""
    got = config.parse(GOOD, "node.yaml")

    assert (got.nodeName, got.maxPods, got.rootDir) == ("node-1", 110, "/var/lib/fairlead")


def test_every_fault_is_named() -> None:
    """One message says file, field and what is wrong."""
    with pytest.raises(config.ConfigError) as caught:
        config.parse({"nodeName": 3, "address": "10.0.0.4", "colour": "red"}, "node.yaml")

    assert str(caught.value) == (
        'node.yaml: unknown field "colour"; endpoints: required value; nodeName: expected a string, got 3'
    )


def test_node_offers_what_the_machine_has_but_for_what_is_reserved() -> None:
    """Capacity and allocatable are Kubernetes quantities; GPUs count as nvidia.com/gpu."""
    told = config.parse({**GOOD, "reserved": {"cpu": "500m", "memory": "1Gi"}}, "node.yaml")
    facts = register.Facts(hostname="node-1", cores=4, memory=8 << 30, storage=100 << 30, gpus=2)

    node = register.node(told, facts)

    capacity = {name: amount.string for name, amount in node.status.capacity.items()}
    allocatable = {name: amount.string for name, amount in node.status.allocatable.items()}
    assert capacity == {
        "cpu": "4",
        "memory": "8Gi",
        "ephemeral-storage": "100Gi",
        "pods": "110",
        "nvidia.com/gpu": "2",
    }
    assert (allocatable["cpu"], allocatable["memory"]) == ("3500m", "7Gi")
    assert node.metadata.labels["kubernetes.io/hostname"] == "node-1"
    assert [(a.type, a.address) for a in node.status.addresses] == [
        ("InternalIP", "10.0.0.4"),
        ("Hostname", "node-1"),
    ]


def test_largest_images_are_listed_in_a_stable_order() -> None:
    """Names are digests, then tags; what has no name is left out."""
    found = [
        runtime.Image("a", ("small:1",), ("small@sha256:1",), 10),
        runtime.Image("b", ("large:2", "large:1"), (), 20),
        runtime.Image("c", (), (), 30),
    ]

    got = register.images(found)

    assert [(list(image.names), image.sizeBytes) for image in got] == [
        (["large:1", "large:2"], 20),
        (["small@sha256:1", "small:1"], 10),
    ]
