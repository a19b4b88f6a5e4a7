"""Server-side apply through the API server: creation, ownership, conflicts, force, removal, migration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from control.apiserver import server
from fairlead.api import errors, objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control
from tests.unit.apiserver import yamls

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
"""
CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}


@dataclass
class Clock:
    """A clock that a test turns."""

    now: float = 1000.0


@pytest.fixture
def clock() -> Clock:
    """The server's clock."""
    return Clock()


@pytest.fixture
async def api(clock: Clock) -> AsyncIterator[server.ApiServer]:
    """An API server."""
    async with control.memory_api(now=lambda: clock.now) as made:
        yield made


async def apply(
    client: Any,
    kind: type,
    config: Any,
    manager: str = "me",
    *,
    force: bool = False,
    subresource: str = "",
    **options: Any,
) -> Any:
    """Apply a configuration: YAML or JSON-shaped data."""
    body = config.encode() if isinstance(config, str) else orjson.dumps(config)
    patch = Patch(PatchType.APPLY, body, force)
    name = "c" if kind is corev1.ConfigMap else "web"
    return await client.patch(kind, name, "default", patch, field_manager=manager, subresource=subresource, **options)


def owners(obj: Any) -> dict[str, Any]:
    """Return the fields that each manager owns, by `manager` or `manager/subresource`."""
    return {
        "/".join(filter(None, (one.manager, one.subresource))): json.loads(one.fieldsV1.Raw)
        for one in obj.metadata.managedFields
    }


def config_map(**data: str) -> dict[str, Any]:
    """Return a ConfigMap's configuration."""
    return {**CONFIGMAP, "data": data}


async def test_apply_creates_what_is_not_there(admin: Any) -> None:
    """The applier owns exactly what it lists, without the defaults."""
    made = await apply(admin, appsv1.Deployment, DEPLOYMENT)

    [entry] = made.metadata.managedFields
    assert (entry.manager, entry.operation, entry.apiVersion, entry.time.seconds) == ("me", "Apply", "apps/v1", 1000)
    assert json.loads(entry.fieldsV1.Raw) == {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}}}},
            },
        },
    }
    assert (made.spec.replicas, made.spec.revisionHistoryLimit) == (3, 10)


async def test_applying_the_same_again_writes_nothing(admin: Any, clock: Clock) -> None:
    """Neither revision nor times change."""
    first = await apply(admin, appsv1.Deployment, DEPLOYMENT)
    clock.now = 2000.0

    again = await apply(admin, appsv1.Deployment, DEPLOYMENT)

    assert again == first


async def test_a_field_that_is_left_out_is_removed(admin: Any) -> None:
    """What only this manager owned goes; what another owns, too, stays."""
    await apply(admin, corev1.ConfigMap, config_map(a="1", b="2", c="3"))
    await apply(admin, corev1.ConfigMap, config_map(b="2"), "other")

    left = await apply(admin, corev1.ConfigMap, config_map(c="3"))

    assert dict(left.data) == {"b": "2", "c": "3"}
    assert owners(left) == {"me": {"f:data": {"f:c": {}}}, "other": {"f:data": {"f:b": {}}}}


async def test_an_element_that_is_left_out_is_removed(admin: Any) -> None:
    """A container of the applier's goes; one that another added stays, in its place."""
    two = DEPLOYMENT.replace("[{name: web, image: web}]", "[{name: web, image: web}, {name: side, image: side}]")
    await apply(admin, appsv1.Deployment, two)
    third = DEPLOYMENT.replace("{name: web, image: web}", "{name: third, image: third}")
    await apply(admin, appsv1.Deployment, third, "other")

    left = await apply(admin, appsv1.Deployment, DEPLOYMENT)

    assert [one.name for one in left.spec.template.spec.containers] == ["web", "third"]


async def test_a_conflict_names_manager_and_field(admin: Any) -> None:
    """In Kubernetes' words, with a cause."""
    await admin.create(yamls.read(_bare(DEPLOYMENT), appsv1.Deployment), field_manager="kubectl-client-side-apply")

    with pytest.raises(errors.Conflict) as caught:
        await apply(admin, appsv1.Deployment, DEPLOYMENT.replace("replicas: 3", "replicas: 5"))

    manager = '"kubectl-client-side-apply" using apps/v1 at 1970-01-01T00:16:40Z'
    assert caught.value.message == f"Apply failed with 1 conflict: conflict with {manager}: .spec.replicas"
    assert caught.value.causes == (
        errors.Cause("FieldManagerConflict", f"conflict with {manager}", ".spec.replicas"),
    )
    assert (caught.value.status().code, caught.value.status().reason) == (409, "Conflict")


async def test_several_conflicts_are_listed_by_manager(admin: Any) -> None:
    """One line a manager, one a field; an applier has no version."""
    await apply(admin, corev1.ConfigMap, config_map(a="1"), "one")
    await apply(admin, corev1.ConfigMap, config_map(b="1", c="1"), "two")

    with pytest.raises(errors.Conflict) as caught:
        await apply(admin, corev1.ConfigMap, config_map(a="2", b="2", c="2"))

    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .data.a\nconflicts with "two":\n- .data.b\n- .data.c'
    )


async def test_an_element_is_named_by_its_keys_in_a_conflict(admin: Any) -> None:
    """`.spec.template.spec.containers[name="web"].image`."""
    await apply(admin, appsv1.Deployment, DEPLOYMENT, "one")

    with pytest.raises(errors.Conflict) as caught:
        await apply(admin, appsv1.Deployment, DEPLOYMENT.replace("image: web", "image: other"))

    assert caught.value.causes[0].field == '.spec.template.spec.containers[name="web"].image'


async def test_force_takes_fields_from_others(admin: Any) -> None:
    """The other no longer owns what was taken."""
    await apply(admin, corev1.ConfigMap, config_map(a="1", b="1"), "one")

    taken = await apply(admin, corev1.ConfigMap, config_map(a="2"), force=True)

    assert owners(taken) == {"one": {"f:data": {"f:b": {}}}, "me": {"f:data": {"f:a": {}}}}
    assert dict(taken.data) == {"a": "2", "b": "1"}


async def test_the_same_value_is_owned_by_both(admin: Any) -> None:
    """No conflict, nothing but the record changes."""
    await apply(admin, corev1.ConfigMap, config_map(a="1"), "one")

    shared = await apply(admin, corev1.ConfigMap, config_map(a="1"))

    assert owners(shared) == {"one": {"f:data": {"f:a": {}}}, "me": {"f:data": {"f:a": {}}}}


async def test_an_update_takes_what_it_changes(admin: Any, clock: Clock) -> None:
    """Without conflicts: the applier learns of it when it applies again."""
    made = await apply(admin, corev1.ConfigMap, config_map(a="1", b="1"))
    clock.now = 2000.0
    changed = objects.copy(made)
    changed.data["a"] = "2"

    updated = await admin.update(changed, field_manager="editor")

    assert owners(updated) == {"me": {"f:data": {"f:b": {}}}, "editor": {"f:data": {"f:a": {}}}}
    assert [one.time.seconds for one in updated.metadata.managedFields] == [1000, 2000]
    with pytest.raises(errors.Conflict, match='conflict with "editor" using v1 at'):
        await apply(admin, corev1.ConfigMap, config_map(a="1", b="1"))


async def test_what_an_update_removes_nobody_owns(admin: Any) -> None:
    """An owner of nothing is no longer listed."""
    made = objects.copy(await apply(admin, corev1.ConfigMap, config_map(a="1")))
    made.data.clear()

    updated = await admin.update(made, field_manager="editor")

    assert owners(updated) == {}


async def test_an_update_without_managed_fields_keeps_them(admin: Any) -> None:
    """A client that does not know them cannot lose them by accident."""
    made = objects.copy(await apply(admin, corev1.ConfigMap, config_map(a="1")))
    del made.metadata.managedFields[:]
    made.data["b"] = "2"

    updated = await admin.update(made, field_manager="editor")

    assert owners(updated) == {
        "me": {"f:data": {"f:a": {}}},
        "editor": {"f:data": {"f:b": {}}},
    }


async def test_one_empty_entry_resets_the_record(admin: Any) -> None:
    """`managedFields: [{}]`; a later apply owns what it lists, and before-first-apply the rest."""
    await apply(admin, corev1.ConfigMap, config_map(a="1", b="1"), "one")
    patch = Patch(PatchType.MERGE, b'{"metadata": {"managedFields": [{}]}}')

    reset = await admin.patch(corev1.ConfigMap, "c", "default", patch, field_manager="editor")

    assert owners(reset) == {}
    again = await apply(admin, corev1.ConfigMap, config_map(a="1"))
    assert owners(again) == {
        "me": {"f:data": {"f:a": {}}},
        "before-first-apply": {"f:data": {".": {}, "f:a": {}, "f:b": {}}},
    }


async def test_status_belongs_to_writers_of_the_status(admin: Any) -> None:
    """Neither owns the other's part, whatever the configuration lists."""
    with_status = DEPLOYMENT + "status: {replicas: 7}\n"
    made = await apply(admin, appsv1.Deployment, with_status)
    assert "f:status" not in owners(made)["me"]
    assert made.status.replicas == 0

    both = await apply(admin, appsv1.Deployment, with_status, "controller", subresource="status")

    assert owners(both)["controller/status"] == {"f:status": {"f:replicas": {}}}
    assert both.status.replicas == 7
    assert owners(both)["me"] == owners(made)["me"]


async def test_scale_is_recorded_as_such(admin: Any) -> None:
    """Replicas scaled through the subresource conflict with who applies them."""
    await apply(admin, appsv1.Deployment, DEPLOYMENT)
    scale = Patch(PatchType.MERGE, b'{"spec": {"replicas": 9}}')
    await admin.patch(appsv1.Deployment, "web", "default", scale, subresource="scale", field_manager="scaler")

    got = await admin.get(appsv1.Deployment, "web", "default")

    assert owners(got)["scaler/scale"] == {"f:spec": {"f:replicas": {}}}
    with pytest.raises(errors.Conflict) as caught:
        await apply(admin, appsv1.Deployment, DEPLOYMENT)
    assert 'conflict with "scaler" with subresource "scale" using apps/v1' in caught.value.message


async def test_a_scale_can_be_applied(admin: Any) -> None:
    """It takes the replicas only with force."""
    await apply(admin, appsv1.Deployment, DEPLOYMENT)
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 8}}
    with pytest.raises(errors.Conflict):
        await apply(admin, appsv1.Deployment, scale, "scaler", subresource="scale")

    made = await apply(admin, appsv1.Deployment, scale, "scaler", subresource="scale", force=True)

    assert isinstance(made, autoscalingv1.Scale)
    assert made.spec.replicas == 8
    got = await admin.get(appsv1.Deployment, "web", "default")
    assert owners(got)["scaler/scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owners(got)["me"]["f:spec"]


@pytest.mark.parametrize(
    ("config", "manager", "error", "text"),
    [
        (
            config_map(a="1"),
            "",
            errors.Invalid,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        ),
        (
            {**CONFIGMAP, "metadata": {"name": "c", "managedFields": []}},
            "me",
            errors.BadRequest,
            "metadata.managedFields must be nil",
        ),
        (
            {**CONFIGMAP, "kind": "Secret"},
            "me",
            errors.BadRequest,
            "invalid object type: /v1, Kind=Secret, expected: /v1, Kind=ConfigMap",
        ),
        (
            {**CONFIGMAP, "datum": {}},
            "me",
            errors.BadRequest,
            "failed to create typed patch object (default/c; /v1, Kind=ConfigMap):"
            " .datum: field not declared in schema",
        ),
        (
            {**CONFIGMAP, "metadata": {"name": "d"}},
            "me",
            errors.BadRequest,
            "the name of the object (d) does not match the name on the URL (c)",
        ),
        ("[", "me", errors.BadRequest, "error decoding YAML: "),
        (
            {**CONFIGMAP, "metadata": {"name": "c", "uid": "1"}},
            "me",
            errors.Conflict,
            'Operation cannot be fulfilled on configmaps "c": uid mismatch: the provided object specified uid 1,'
            " and no existing object was found",
        ),
        (config_map(a="1"), "x" * 129, errors.Invalid, "fieldManager: Too long: may not be more than 128 bytes"),
    ],
)
async def test_a_bad_application_is_refused(
    admin: Any, config: Any, manager: str, error: type[errors.ApiError], text: str
) -> None:
    """As Kubernetes words it."""
    with pytest.raises(error) as caught:
        await apply(admin, corev1.ConfigMap, config, manager)

    assert text in caught.value.message


async def test_elements_must_not_repeat_in_what_is_applied(admin: Any) -> None:
    """A list's keys tell its elements apart."""
    twice = DEPLOYMENT.replace("[{name: web, image: web}]", "[{name: web, image: web}, {name: web, image: web}]")

    with pytest.raises(errors.BadRequest) as caught:
        await apply(admin, appsv1.Deployment, twice)

    assert caught.value.message == (
        "failed to create typed patch object (default/web; apps/v1, Kind=Deployment):"
        ' .spec.template.spec.containers: duplicate entries for key [name="web"]'
    )


async def test_preconditions_are_kept(admin: Any) -> None:
    """A uid or a resourceVersion in the configuration must be the live one's."""
    made = await apply(admin, corev1.ConfigMap, config_map(a="1"))
    await apply(admin, corev1.ConfigMap, config_map(a="2"))

    for name, value in (("uid", "1"), ("resourceVersion", made.metadata.resourceVersion)):
        config = {**config_map(a="3"), "metadata": {"name": "c", name: value}}
        with pytest.raises(errors.Conflict, match="Operation cannot be fulfilled on configmaps"):
            await apply(admin, corev1.ConfigMap, config)


async def test_kubectl_takes_over_from_client_side_apply(admin: Any) -> None:
    """Fields that the last applied configuration still has as they are do not conflict; its annotation follows."""
    annotation = json.dumps(config_map(a="1", b="1"))
    made = yamls.read("{metadata: {name: c, namespace: default}, data: {a: '1', b: '1'}}", corev1.ConfigMap)
    made.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = annotation
    await admin.create(made, field_manager="kubectl-client-side-apply")

    with pytest.raises(errors.Conflict):
        await apply(admin, corev1.ConfigMap, config_map(a="2"), "another")
    moved = await apply(admin, corev1.ConfigMap, config_map(a="2"), "kubectl")

    assert dict(moved.data) == {"a": "2", "b": "1"}
    text = moved.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(text)["data"] == {"a": "2"}


async def test_eleven_updaters_leave_the_oldest_merged(admin: Any, clock: Clock) -> None:
    """Ten entries of updates at most: the oldest are `ancient-changes`."""
    made = yamls.read("{metadata: {name: c, namespace: default}, data: {k0: x}}", corev1.ConfigMap)
    await admin.create(made, field_manager="m00")
    for number in range(1, 13):
        clock.now += 1
        patch = Patch(PatchType.MERGE, orjson.dumps({"data": {f"k{number}": "x"}}))
        got = await admin.patch(corev1.ConfigMap, "c", "default", patch, field_manager=f"m{number:02}")

    found = owners(got)
    assert len(found) == 10
    assert found["ancient-changes"] == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}}}


async def test_a_dry_apply_writes_nothing(admin: Any) -> None:
    """Neither a creation nor a change."""
    made = await apply(admin, corev1.ConfigMap, config_map(a="1"), dry_run=True)
    assert dict(made.data) == {"a": "1"}

    with pytest.raises(errors.NotFound):
        await admin.get(corev1.ConfigMap, "c", "default")


async def test_creating_by_apply_needs_the_right_to_create(api: server.ApiServer) -> None:
    """To patch is not enough."""
    admin: Any = api.as_user(*control.ADMIN)
    user: Any = api.as_user("alice")
    with pytest.raises(errors.Forbidden, match='cannot patch resource "configmaps"'):
        await apply(user, corev1.ConfigMap, config_map(a="1"))

    assert (await apply(admin, corev1.ConfigMap, config_map(a="1"))).data["a"] == "1"


async def test_two_appliers_at_once_both_win(admin: Any) -> None:
    """Each has its own field in the end, whoever created the object."""
    await asyncio.gather(
        *(apply(admin, corev1.ConfigMap, config_map(**{f"k{number}": "x"}), f"m{number}") for number in range(8))
    )

    got = await admin.get(corev1.ConfigMap, "c", "default")

    assert owners(got) == {f"m{number}": {"f:data": {f"f:k{number}": {}}} for number in range(8)}


def _bare(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(("apiVersion", "kind")))
