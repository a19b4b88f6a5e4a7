"""Containers' specs as libpod's JSON, compared whole."""

from __future__ import annotations

import json
import pathlib

import pytest

from node.runtime import interface as runtime
from node.runtime.podman import spec

HERE = pathlib.Path(__file__).parent
SMALL = runtime.ContainerSpec(name="k8s_main", image="abc", labels={"io.kubernetes.pod.uid": "u1"})
LARGE = runtime.ContainerSpec(
    name="k8s_main",
    image="abc",
    labels={"io.kubernetes.pod.uid": "u1"},
    command=("sh", "-c"),
    args=("true",),
    env={"A": "b"},
    working_dir="/srv",
    mounts=(runtime.Mount("/a", "/b", read_only=True), runtime.Mount("/c", "/d", propagation="rslave")),
    devices=(runtime.Device("/dev/nvidia0"), runtime.Device("nvidia.com/gpu=1")),
    resources=runtime.Resources(512, 50_000, 100_000, 64 << 20, 900),
    security=runtime.Security("1:2", ("3",), True, ("NET_ADMIN",), ("ALL",), True, True, True),
    namespaces=runtime.Namespaces("/n/net", "/n/ipc", "/n/uts", runtime.HOST),
    stdin=True,
    tty=True,
)


@pytest.mark.parametrize(("given", "name"), [(SMALL, "small"), (LARGE, "large")])
def test_specs(given: runtime.ContainerSpec, name: str) -> None:
    """What is not asked for is not said."""
    want = json.loads((HERE / f"{name}.json").read_text())
    assert spec.libpod(given) == want
