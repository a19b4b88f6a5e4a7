"""ComponentStatuses: what etcd says when it is asked."""

from __future__ import annotations

import pytest

from control.store import memory
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control


async def test_etcd_is_healthy_where_it_answers() -> None:
    """One component, by list and by name."""
    async with control.memory_api() as api:
        admin = api.as_user(*control.ADMIN)

        (listed,) = (await admin.list(corev1.ComponentStatus)).items
        got = await admin.get(corev1.ComponentStatus, "etcd-0")

        (condition,) = listed.conditions
        assert (listed.metadata.name, condition.type, condition.status) == ("etcd-0", "Healthy", "True")
        assert (condition.message, got.conditions[0].message) == ("ok", "ok")
        with pytest.raises(errors.NotFound, match='componentstatuses "etcd-1" not found'):
            await admin.get(corev1.ComponentStatus, "etcd-1")


async def test_etcd_is_unhealthy_where_it_does_not_answer() -> None:
    """The error says why; the list itself succeeds."""
    store = memory.MemoryStore()
    async with control.memory_api(store) as api:
        store.available = False

        (listed,) = (await api.as_user(*control.ADMIN).list(corev1.ComponentStatus)).items

        (condition,) = listed.conditions
        assert (condition.status, condition.message) == ("False", "")
        assert condition.error
        store.available = True


async def test_nobody_writes_component_statuses() -> None:
    """Nor watches them."""
    async with control.memory_api() as api:
        admin = api.as_user(*control.ADMIN)
        status = corev1.ComponentStatus()
        status.metadata.name = "etcd-0"

        with pytest.raises(errors.MethodNotAllowed):
            await admin.create(status)
        with pytest.raises(errors.MethodNotAllowed):
            await admin.patch(corev1.ComponentStatus, "etcd-0", "", Patch(PatchType.MERGE, b"{}"))
        with pytest.raises(errors.MethodNotAllowed):
            await admin.delete(corev1.ComponentStatus, "etcd-0")
