"""Patches through the API server: what is refused how, strictness, limits, and every subresource that is patched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from control.apiserver import patching, warnings
from control.apiserver.server import ApiServer
from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control
from tests.unit.apiserver import yamls

DEPLOYMENT = """
metadata: {name: web, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
"""


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server with a Deployment."""
    async with control.memory_api(now=lambda: 1000.0) as made:
        await made.as_user(*control.ADMIN).create(yamls.read(DEPLOYMENT, appsv1.Deployment))
        yield made


def patch(kind: PatchType, document: Any, validation: str = "") -> Patch:
    """Return a patch of JSON-shaped data, or of a text."""
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Patch(kind, body, validation=validation)


def test_of(path: str, value: Any) -> list[dict[str, Any]]:
    """Return a JSON patch that tests a value."""
    return [{"op": "test", "path": path, "value": value}]


test_of.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "document", "error", "message", "cause"),
    [
        (PatchType.JSON, b"[", errors.BadRequest, "error decoding patch: ", ""),
        (
            PatchType.JSON,
            {"op": "add"},
            errors.BadRequest,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            "",
        ),
        (
            PatchType.MERGE,
            [1],
            errors.BadRequest,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            "",
        ),
        (
            PatchType.JSON,
            test_of("/spec/replicas", 4),
            errors.Invalid,
            f"{patching.REJECTED}: testing value /spec/replicas failed: test failed",
            "",
        ),
        (
            PatchType.JSON,
            [{"op": "explode", "path": "/spec"}],
            errors.Invalid,
            f"{patching.REJECTED}: Unexpected kind: explode",
            "",
        ),
        (
            PatchType.JSON,
            test_of("/spec", 1) * 10_001,
            errors.RequestEntityTooLarge,
            "The allowed maximum operations in a JSON patch is 10000, got 10001",
            "",
        ),
        (
            PatchType.MERGE,
            {"spec": {"replicas": "many"}},
            errors.Invalid,
            ' "" is invalid: patch: Invalid value: "{',
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            PatchType.STRATEGIC,
            {"spec": {"replicas": [None, True, "x"]}},
            errors.Invalid,
            ' "" is invalid: patch: Invalid value: "map[spec:map[replicas:[<nil> true x]]]": ',
            "spec.replicas: ",
        ),
        (
            PatchType.STRATEGIC,
            {"spec": {"template": {"spec": {"$setElementOrder/containers": {}}}}},
            errors.BadRequest,
            "invalid patch format of setElementOrder list",
            "",
        ),
        (
            PatchType.STRATEGIC,
            {"metadata": {"$deleteFromPrimitiveList/finalizers": {}}},
            errors.BadRequest,
            "invalid patch format of primitive list",
            "",
        ),
        (
            PatchType.STRATEGIC,
            {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}},
            errors.BadRequest,
            "invalid patch format of retainKeys",
            "",
        ),
    ],
)
async def test_a_patch_that_does_not_fit_is_refused_as_kubernetes_refuses_it(
    admin: Any, kind: PatchType, document: Any, error: type[errors.ApiError], message: str, cause: str
) -> None:
    """Code, message and cause."""
    with pytest.raises(error) as caught:
        await admin.patch(appsv1.Deployment, "web", "default", patch(kind, document))

    assert caught.value.message.startswith(message)
    assert cause in " ".join(one.message for one in caught.value.causes)


@pytest.mark.parametrize("kind", [PatchType.MERGE, PatchType.STRATEGIC])
async def test_unknown_and_double_fields_are_judged_after_a_patch(admin: Any, kind: PatchType) -> None:
    """Strict refuses, Warn warns, Ignore drops them."""
    body = b'{"spec": {"replicas": 4, "replicas": 5, "colour": "red"}}'

    with pytest.raises(errors.Invalid) as caught:
        await admin.patch(appsv1.Deployment, "web", "default", patch(kind, body, "Strict"))
    with warnings.collected() as warned:
        made = await admin.patch(appsv1.Deployment, "web", "default", patch(kind, body, "Warn"))
    with warnings.collected() as ignored:
        await admin.patch(appsv1.Deployment, "web", "default", patch(kind, body, "Ignore"))

    faults = ['duplicate field "spec.replicas"', 'unknown field "spec.colour"']
    assert caught.value.message.endswith(f": strict decoding error: {faults[0]}, {faults[1]}")
    assert caught.value.causes[0].field == "patch"
    assert (warned, ignored) == (faults, [])
    assert made.spec.replicas == 5


async def test_an_operation_has_no_other_fields(admin: Any) -> None:
    """The strict reader of a JSON patch names them by the operation's place."""
    document = [{"op": "replace", "path": "/spec/replicas", "value": 4, "why": "x"}]

    with pytest.raises(errors.Invalid, match='strict decoding error: json patch unknown field "\\[0\\].why"'):
        await admin.patch(appsv1.Deployment, "web", "default", patch(PatchType.JSON, document, "Strict"))


async def test_copies_cannot_blow_an_object_up(admin: Any) -> None:
    """Doubling a field again and again ends at 3 MiB."""
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = "big", "default"
    made.data["a"] = "x" * 1000
    await admin.create(made)
    double = [{"op": "copy", "from": "/data", "path": f"/data/k{number}"} for number in range(40)]

    with pytest.raises(errors.Invalid) as caught:
        await admin.patch(corev1.ConfigMap, "big", "default", patch(PatchType.JSON, double))

    assert "the accumulated size increase of copy is" in caught.value.message


async def test_every_directive_of_a_strategic_patch_is_obeyed(admin: Any) -> None:
    """Replace, delete, order, retained keys and primitive lists, through the whole server."""
    made = await admin.patch(
        appsv1.Deployment,
        "web",
        "default",
        patch(
            PatchType.STRATEGIC,
            {
                "metadata": {"finalizers": ["example.com/a", "example.com/b"]},
                "spec": {
                    "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
                    "template": {
                        "spec": {
                            "$setElementOrder/containers": [{"name": "first"}, {"name": "web"}],
                            "containers": [{"name": "first", "image": "f"}],
                        }
                    },
                },
            },
        ),
    )
    assert [one.name for one in made.spec.template.spec.containers] == ["first", "web"]
    assert (made.spec.strategy.type, made.spec.strategy.HasField("rollingUpdate")) == ("Recreate", False)

    made = await admin.patch(
        appsv1.Deployment,
        "web",
        "default",
        patch(
            PatchType.STRATEGIC,
            {
                "metadata": {
                    "$deleteFromPrimitiveList/finalizers": ["example.com/a"],
                    "labels": {"$patch": "replace", "x": "y"},
                },
                "spec": {"template": {"spec": {"containers": [{"name": "first", "$patch": "delete"}]}}},
            },
        ),
    )
    assert [one.name for one in made.spec.template.spec.containers] == ["web"]
    assert list(made.metadata.finalizers) == ["example.com/b"]
    assert dict(made.metadata.labels) == {"x": "y"}


async def test_what_a_patched_status_leaves_out_is_filled_in(admin: Any) -> None:
    """As in Kubernetes a status has defaults of its own: the mode of a balancer's address."""
    balanced = corev1.Service()
    balanced.metadata.name, balanced.metadata.namespace, balanced.spec.type = "web", "default", "LoadBalancer"
    balanced.spec.ports.add(port=80)
    await admin.create(balanced)

    told = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}, {"hostname": "example.com"}]}}}
    made = await admin.patch(corev1.Service, "web", "default", patch(PatchType.MERGE, told), subresource="status")

    assert [one.ipMode for one in made.status.loadBalancer.ingress] == ["VIP", ""]


async def test_status_and_scale_are_patched_by_each_type(admin: Any) -> None:
    """A patch of a subresource changes that and nothing else."""
    status = patch(PatchType.STRATEGIC, {"status": {"replicas": 2}, "spec": {"replicas": 9}})
    made = await admin.patch(appsv1.Deployment, "web", "default", status, subresource="status")
    assert (made.status.replicas, made.spec.replicas) == (2, 3)

    for number, kind, document in (
        (5, PatchType.MERGE, {"spec": {"replicas": 5}}),
        (6, PatchType.JSON, [{"op": "replace", "path": "/spec/replicas", "value": 6}]),
        (7, PatchType.STRATEGIC, {"spec": {"replicas": 7}}),
    ):
        await admin.patch(appsv1.Deployment, "web", "default", patch(kind, document), subresource="scale")
        got = await admin.get(appsv1.Deployment, "web", "default")
        assert got.spec.replicas == number
