"""Definitions of custom kinds as the conformance tests make them: anything goes, two versions, or a schema."""

from __future__ import annotations

import copy
from typing import Any

from tests.support.rawrest import Rest

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "example.com"
ANYTHING: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name: str = "v1", schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a version that is served and stored."""
    whole = {"openAPIV3Schema": copy.deepcopy(schema or ANYTHING)}
    return {"name": name, "served": True, "storage": True, "schema": whole, **more}


def definition(*versions: dict[str, Any], plural: str = "noxus", group: str = GROUP, **spec: Any) -> dict[str, Any]:
    """Return a definition of a kind in the whole cluster unless `scope` is given."""
    singular = plural.removesuffix("s")
    kind = singular.capitalize()
    names = {"plural": plural, "singular": singular, "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": names,
            "versions": list(versions) or [version()],
            **spec,
        },
    }


def established(found: dict[str, Any]) -> bool:
    """Tell whether a definition's kind is served."""
    conditions = found.get("status", {}).get("conditions") or []
    return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)


def define(rest: Rest, made: dict[str, Any]) -> dict[str, Any]:
    """Create a definition and wait until its kind is served; returns what was created."""
    created: dict[str, Any] = rest("POST", PATH, made)
    rest.until(PATH, established, fieldSelector=f"metadata.name={created['metadata']['name']}")
    return created


def objects(made: dict[str, Any], name: str = "", namespace: str = "") -> str:
    """Return the path of a version's objects: the first one's unless named."""
    spec = made["spec"]
    place = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{spec['group']}/{name or spec['versions'][0]['name']}/{place}{spec['names']['plural']}"


def instance(made: dict[str, Any], name: str, at: str = "", **content: Any) -> dict[str, Any]:
    """Return an object of a version of the kind: the first one unless named."""
    spec = made["spec"]
    return {
        "apiVersion": f"{spec['group']}/{at or spec['versions'][0]['name']}",
        "kind": spec["names"]["kind"],
        "metadata": {"name": name},
        **content,
    }
