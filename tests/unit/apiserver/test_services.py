"""Services: addresses and node ports, taken, kept, given back and mended; endpoints as they are stored."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.server import ApiServer
from control.store import memory
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control
from tests.unit.apiserver import yamls


async def test_a_service_gets_an_address_and_keeps_it(admin: Any) -> None:
    """An apply that leaves addresses and node ports out changes nothing."""
    wanted = yamls.read(
        "{metadata: {name: web, namespace: default}, spec: {type: NodePort, ports: [{port: 80}]}}", corev1.Service
    )
    made = await admin.create(wanted)

    again = await admin.update(wanted)

    assert made.spec.clusterIP.startswith("10.96.")
    assert 30000 <= made.spec.ports[0].nodePort <= 32767
    assert again == made


async def test_a_balancer_of_local_traffic_gets_a_port_for_health_checks(admin: Any, api: ApiServer) -> None:
    """No other Service gets it until its own is gone."""
    text = "{metadata: {name: web, namespace: default}, spec: {type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]}}"  # noqa: E501
    made = await admin.create(yamls.read(text, corev1.Service))
    number = made.spec.healthCheckNodePort
    other = text.replace("web", "other").replace("ports", f"healthCheckNodePort: {number}, ports")

    assert 30000 <= number <= 32767
    assert (await admin.update(yamls.read(text, corev1.Service))).spec.healthCheckNodePort == number
    with pytest.raises(errors.InternalError, match=f"requested HealthCheck NodePort {number}: provided port"):
        await admin.create(yamls.read(other, corev1.Service))
    assert await api.repairs.repair() == "allocations are in order"
    await admin.delete(corev1.Service, "web", "default")
    assert (await admin.create(yamls.read(other, corev1.Service))).spec.healthCheckNodePort == number


async def test_a_node_port_that_another_process_gave_back_is_free() -> None:
    """What one process remembers as taken is read once more before it refuses."""
    text = "{metadata: {name: web, namespace: default}, spec: {type: NodePort, ports: [{port: 80, nodePort: 30010}]}}"
    store = memory.MemoryStore()
    async with control.memory_api(store) as first, control.memory_api(store) as second:
        here, there = (each.as_user(*control.ADMIN) for each in (first, second))
        await here.create(yamls.read(text, corev1.Service))
        await there.delete(corev1.Service, "web", "default")
        made = await here.create(yamls.read(text, corev1.Service))
        with pytest.raises(errors.Invalid, match="provided port is already allocated"):
            await there.create(yamls.read(text.replace("web", "other"), corev1.Service))
    assert made.spec.ports[0].nodePort == 30010


async def test_a_service_that_becomes_cluster_ip_gives_its_node_port_back(admin: Any, api: ApiServer) -> None:
    """And one that becomes NodePort gets one."""
    wanted = yamls.read("{metadata: {name: web, namespace: default}, spec: {ports: [{port: 80}]}}", corev1.Service)
    await admin.create(wanted)
    for kind in ("NodePort", "ClusterIP"):
        body = f'{{"spec": {{"type": "{kind}"}}}}'.encode()
        changed = await admin.patch(corev1.Service, "web", "default", Patch(PatchType.MERGE, body))

        assert bool(changed.spec.ports[0].nodePort) == (kind == "NodePort")
        assert await api.repairs.repair() == "allocations are in order"


async def test_the_repair_mends_what_another_wrote(admin: Any, api: ApiServer) -> None:
    """A bitmap that was lost is made again from the Services."""
    from control.store.interface import Remove

    for name in ("/registry/ranges/serviceips", "/registry/ranges/servicenodeports"):
        item, _ = await api.store.get(name)
        if item is not None:
            await api.store.commit(Remove(name, item.revision))

    assert await api.repairs.repair() == "mended 10.96.0.0/12: 0 leaked, 1 missing"
    assert await api.repairs.repair() == "allocations are in order"


async def test_a_headless_service_has_no_address(admin: Any) -> None:
    """clusterIP None stays."""
    wanted = yamls.read(
        "{metadata: {name: db, namespace: default}, spec: {clusterIP: None, ports: [{port: 80}]}}", corev1.Service
    )

    made = await admin.create(wanted)

    assert (made.spec.clusterIP, list(made.spec.clusterIPs)) == ("None", ["None"])


@pytest.mark.parametrize(
    ("subsets", "want"),
    [
        (
            "[{addresses: [{ip: 10.0.0.2}, {ip: 10.0.0.1}], ports: [{name: b, port: 2}]},"
            " {addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], ports: [{name: a, port: 1}]}]",
            "[{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}],"
            " ports: [{name: a, port: 1, protocol: TCP}, {name: b, port: 2, protocol: TCP}]}]",
        ),
        (
            "[{addresses: [{ip: 10.0.0.1}], ports: [{port: 1}]},"
            " {notReadyAddresses: [{ip: 10.0.0.1}], ports: [{port: 1}]}]",
            "[{notReadyAddresses: [{ip: 10.0.0.1}], ports: [{port: 1, protocol: TCP}]}]",
        ),
        (
            "[{addresses: [{ip: 10.0.0.2}], ports: [{port: 1}]}, {addresses: [{ip: 10.0.0.1}], ports: [{port: 2}]}]",
            "[{addresses: [{ip: 10.0.0.1}], ports: [{port: 2, protocol: TCP}]},"
            " {addresses: [{ip: 10.0.0.2}], ports: [{port: 1, protocol: TCP}]}]",
        ),
        ("[{addresses: [{ip: 10.0.0.2}, {ip: 10.0.0.1}]}]", "[{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}]"),
    ],
)
async def test_endpoints_are_stored_in_order_and_packed(admin: Any, subsets: str, want: str) -> None:
    """A port is there once with all its addresses, ports with the same share a subset, not ready outdoes ready."""
    made = await admin.create(
        yamls.read(f"{{metadata: {{name: db, namespace: default}}, subsets: {subsets}}}", corev1.Endpoints)
    )

    assert made.subsets == yamls.read(f"{{subsets: {want}}}", corev1.Endpoints).subsets
