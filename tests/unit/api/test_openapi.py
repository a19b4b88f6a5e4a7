"""OpenAPI documents from the field table and the scheme."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.api import scheme
from fairlead.api.openapi import documents, naming, schemas

KINDS = list(scheme.DEFAULT.versions())
DIALECTS = [schemas.V2, schemas.V3]
PRESERVE = documents.PRESERVE
STRING = {"type": "string"}


def references(data: Any) -> Iterator[str]:
    """Yield every reference in a document."""
    if isinstance(data, dict):
        if isinstance(data.get("$ref"), str):
            yield data["$ref"]
        for value in data.values():
            yield from references(value)
    elif isinstance(data, list):
        for value in data:
            yield from references(value)


def without_texts(data: Any) -> Any:
    """Return a schema without its descriptions."""
    if isinstance(data, dict):
        return {key: without_texts(value) for key, value in data.items() if key != "description"}
    return data


def test_a_kind_is_described_as_kubernetes_describes_it() -> None:
    """Types, required fields, list keys, patch keys and the kind's identity stand where clients look for them."""
    pod = without_texts(schemas.definition("k8s.io.api.core.v1.Container", schemas.V2))

    assert pod["required"] == ["name"]
    assert pod["properties"]["command"] == {
        "type": "array",
        "items": {"type": "string"},
        "x-kubernetes-list-type": "atomic",
    }
    assert pod["properties"]["ports"] == {
        "type": "array",
        "items": {"$ref": "#/definitions/io.k8s.api.core.v1.ContainerPort"},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "containerPort",
    }
    config = without_texts(schemas.definition("k8s.io.api.core.v1.ConfigMap", schemas.V3))
    assert config == {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "binaryData": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
            "data": {"type": "object", "additionalProperties": {"type": "string"}},
            "immutable": {"type": "boolean"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]},
        },
        "x-kubernetes-group-version-kind": [{"group": "", "kind": "ConfigMap", "version": "v1"}],
    }


@pytest.mark.parametrize("make", [documents.v2, documents.v3])
def test_every_reference_leads_somewhere(make: Any) -> None:
    """A document has each schema that it names, and its operations have ids of their own."""
    document = make(KINDS, {}, "v1.32.0")

    known = document.get("definitions") or document["components"]["schemas"]
    missing = {one for one in references(document) if one.rpartition("/")[2] not in known}
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert missing == set()
    assert len(set(ids)) == len(ids)
    assert "listCoreV1NamespacedPod" in ids
    assert "patchRbacAuthorizationV1ClusterRole" in ids


def test_names_are_kubernetes_names() -> None:
    """A package is named backwards by its domain, and as Go spells it."""
    assert naming.definition("k8s.io.api.core.v1.Pod") == "io.k8s.api.core.v1.Pod"
    aggregated = "k8s.io.kube_aggregator.pkg.apis.apiregistration.v1.APIService"
    assert naming.definition(aggregated) == "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService"


@pytest.mark.parametrize(
    ("schema", "want"),
    [
        (
            {
                "type": "object",
                "properties": {"size": {"type": "integer", "nullable": True, "oneOf": [{}], "minimum": 1}},
            },
            {"type": "object", "properties": {"size": {"minimum": 1}}},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "object", PRESERVE: True, "properties": {"b": STRING}}}},
            {"type": "object", "properties": {"a": {PRESERVE: True}}},
        ),
        ({"type": "array", "items": STRING, PRESERVE: True}, {PRESERVE: True}),
        ({"type": "array", "items": STRING, "nullable": True}, {}),
        (
            {
                "type": "object",
                "required": ["a", "b"],
                "properties": {"a": {**STRING, "nullable": True}, "b": STRING},
            },
            {"type": "object", "required": ["b"], "properties": {"a": {}, "b": STRING}},
        ),
        (
            {"type": "object", "required": ["a"], "additionalProperties": {**STRING, "nullable": True}},
            {"type": "object", "additionalProperties": {}},
        ),
    ],
    ids=["nullable", "open", "open list", "nullable list", "required", "additional"],
)
def test_a_custom_schema_is_plain_in_version_2(schema: dict[str, Any], want: dict[str, Any]) -> None:
    """What version 2 cannot say is left out; a value that may be null or hold anything has no type and no fields."""
    assert documents.plain(schema) == want


def test_a_custom_kind_that_may_hold_anything_is_an_object_and_no_more_in_version_2() -> None:
    """kubectl would refuse whatever is not named beside the metadata."""
    kind = scheme.Kind("example.com", "v1", "Thing", "things", True, None, "example.com/things", "thing")
    schema = {"type": "object", PRESERVE: True, "properties": {"a": STRING}}

    older, newer = (
        documents.definitions([kind], {naming.custom(kind): schema}, one) for one in (schemas.V2, schemas.V3)
    )

    assert set(older[naming.custom(kind)]) == {"type", "x-kubernetes-group-version-kind"}
    assert {"a", "metadata"} < set(newer[naming.custom(kind)]["properties"])
