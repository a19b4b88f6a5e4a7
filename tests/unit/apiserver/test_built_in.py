"""What every cluster has from the start, and how it comes back."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver import bootstrap
from control.apiserver.server import ApiServer
from control.apiserver.strategies import flowdefaults
from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1


async def test_kubernetes_namespaces_stay(admin: Any) -> None:
    """default cannot be deleted."""
    with pytest.raises(errors.Forbidden, match="this namespace may not be deleted"):
        await admin.delete(corev1.Namespace, "default")


async def test_built_in_namespaces_and_flows_come_back(api: ApiServer, admin: Any) -> None:
    """What was deleted is made again; what is there stays as it is."""
    await admin.delete(flowcontrolv1.FlowSchema, "probes")
    await admin.delete(flowcontrolv1.PriorityLevelConfiguration, "catch-all")

    assert await bootstrap.ensure_kept(api) == "made again: 2 flow schemas and priority levels"
    assert await bootstrap.ensure_kept(api) == ""


async def test_built_in_flows_follow_unless_they_are_told_not_to(api: ApiServer, admin: Any) -> None:
    """By Kubernetes' annotation; one without it that has been changed keeps the change and says so."""
    auto, level = flowdefaults.AUTO_UPDATE, flowcontrolv1.PriorityLevelConfiguration
    for name, value in (("system", "true"), ("node-high", "f"), ("workload-low", None)):
        changed = objects.copy(await admin.get(level, name))
        changed.spec.limited.nominalConcurrencyShares = 1
        changed.metadata.annotations.pop(auto)
        if value is not None:
            changed.metadata.annotations[auto] = value
        await admin.update(changed)
    exempt = objects.copy(await admin.get(level, "exempt"))
    exempt.spec.exempt.nominalConcurrencyShares = 7
    exempt.metadata.annotations[auto] = "false"
    await admin.update(exempt)

    assert await bootstrap.ensure_kept(api) == "made again: 3 flow schemas and priority levels"

    found = {one.metadata.name: one for one in (await admin.list(level)).items}
    names = ("system", "node-high", "workload-low")
    assert [found[name].spec.limited.nominalConcurrencyShares for name in names] == [30, 1, 1]
    assert [found[name].metadata.annotations[auto] for name in names] == ["true", "f", "false"]
    assert found["exempt"].spec.exempt.nominalConcurrencyShares == 7
    assert found["exempt"].metadata.annotations[auto] == "true"
    assert await bootstrap.ensure_kept(api) == ""


async def test_flows_that_are_built_in_no_longer_go(api: ApiServer, admin: Any) -> None:
    """Only those that still follow: what a user has taken over, or made, stays."""
    schema = objects.copy(await admin.get(flowcontrolv1.FlowSchema, "service-accounts"))
    for name, value in (("old", "true"), ("taken-over", "false"), ("own", "")):
        made = flowcontrolv1.FlowSchema(spec=schema.spec)
        made.metadata.name = name
        if value:
            made.metadata.annotations[flowdefaults.AUTO_UPDATE] = value
        await admin.create(made)

    assert await bootstrap.ensure_kept(api) == "made again: 1 flow schemas and priority levels"

    names = {one.metadata.name for one in (await admin.list(flowcontrolv1.FlowSchema)).items}
    assert names & {"old", "taken-over", "own"} == {"taken-over", "own"}
