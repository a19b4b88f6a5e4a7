"""Which GPUs containers get."""

from __future__ import annotations

import pytest

from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import context, gpus
from node.pods import model
from node.runtime import interface as runtime
from tests.support import pods


def _container(count: int, name: str = "main") -> corev1.Container:
    made = pods.container(name)
    made.resources.limits[gpus.RESOURCE].string = str(count)
    return made


def _holder(uid: str, label: str) -> runtime.Container:
    labels = {runtime.UID_LABEL: uid, runtime.CONTAINER_LABEL: "main", model.DEVICES_LABEL: label}
    return runtime.Container("x", "x", "", "", labels, "running", 0.0)


def test_a_container_without_a_limit_gets_none() -> None:
    """And needs none to be free."""
    assert gpus.Gpus((), lambda: (), cdi=False).grant(pods.pod(), pods.container()) == context.Grant()


def test_each_gpu_has_one_owner_that_keeps_it() -> None:
    """At each restart the same; given back with the pod."""
    made = gpus.Gpus(range(3), lambda: (), cdi=True)
    one, two = pods.pod(uid="1"), pods.pod(uid="2")
    assert made.grant(one, _container(2)).label == "0,1"
    assert made.grant(two, _container(1)).label == "2"
    assert made.grant(one, _container(2)).label == "0,1"
    with pytest.raises(context.NoDevices, match=r"nvidia.com/gpu: 1 wanted, 0 of 3 free"):
        made.grant(pods.pod(uid="3"), _container(1))
    made.release("1")
    assert made.grant(pods.pod(uid="3"), _container(1)).label == "0"


def test_what_runs_is_remembered_by_its_label() -> None:
    """A new agent grants what is free, and to the same container the same."""
    made = gpus.Gpus(range(2), lambda: [_holder("1", "0")], cdi=True)
    assert made.grant(pods.pod(uid="2"), _container(1)).label == "1"
    assert made.grant(pods.pod(uid="1"), _container(1)).label == "0"


@pytest.mark.parametrize(
    ("cdi", "device", "env"),
    [
        (True, "nvidia.com/gpu=1", {}),
        (False, "/dev/nvidia1", {"NVIDIA_VISIBLE_DEVICES": "1", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}),
    ],
)
def test_devices_by_cdi_or_by_node(cdi: bool, device: str, env: dict[str, str]) -> None:
    """CDI mounts the driver's libraries, too; without it the image must have them."""
    grant = gpus.Gpus([1], lambda: (), cdi=cdi).grant(pods.pod(), _container(1))
    assert grant.devices[0].path == device
    assert grant.env == env
