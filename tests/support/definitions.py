"""Definitions of custom resources for tests, and waiting until they are served."""

from __future__ import annotations

import contextlib
from typing import Any, cast

from control.apiserver.server import ApiServer
from fairlead.api import codec, custom, objects
from fairlead.client.interface import Client

SPEC = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def schema(**properties: Any) -> dict[str, Any]:
    """Return a version's schema with these properties of its spec, and an open status."""
    spec = {"type": "object", "properties": properties}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}}


def version(name: str, *, storage: bool = True, served: bool = True, **more: Any) -> dict[str, Any]:
    """Return a version of a definition."""
    whole = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {"name": name, "served": served, "storage": storage, "schema": whole, **more}


def written(*versions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return the JSON of the definition of Widgets in example.com."""
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": names,
            "scope": "Namespaced",
            "versions": list(versions) or [version("v1")],
            **spec,
        },
    }


def definition(*versions: dict[str, Any], **spec: Any) -> custom.Definition:
    """Return the definition of Widgets in example.com."""
    return cast(custom.Definition, codec.decode_object(written(*versions, **spec)))


async def establish(api: ApiServer, client: Client, *versions: dict[str, Any], **spec: Any) -> list[type[Any]]:
    """Create the definition of Widgets, wait until it is served, and return the classes of its versions."""
    made = await client.create(definition(*versions, **spec))
    await until(client, made.metadata.name, custom.ESTABLISHED, "True")
    await api.cache.fresh()
    names = [each.name for each in made.spec.versions if each.served]
    scheme = api.kinds.scheme
    return [objects.class_of(scheme.by_kind(f"{made.spec.group}/{name}", made.spec.names.kind)) for name in names]


async def until(client: Client, name: str, condition: str, status: str) -> custom.Definition:
    """Wait until a condition of a definition has a status."""
    watch = client.watch(custom.Definition)
    async with contextlib.aclosing(cast(Any, watch)) as batches:
        async for batch in batches:
            for event in batch:
                if event.type == "BOOKMARK" or event.object.metadata.name != name:
                    continue
                found = custom.condition(event.object, condition)
                if found is not None and found.status == status:
                    return cast(custom.Definition, event.object)
    raise AssertionError("the watch ended")


async def until_gone(client: Client, kind: type[Any], name: str) -> None:
    """Wait until an object is gone."""
    watch = client.watch(kind)
    present = False
    async with contextlib.aclosing(cast(Any, watch)) as batches:
        async for batch in batches:
            for event in batch:
                if event.type != "BOOKMARK" and event.object.metadata.name == name:
                    present = event.type != "DELETED"
            if not present:
                return


def widget(cls: type[Any], name: str, namespace: str = "default", **content: Any) -> Any:
    """Return a new Widget."""
    obj = cls(content=content)
    obj.metadata.name, obj.metadata.namespace = name, namespace
    return obj


def changed(obj: Any, *, resource_version: str | None = None, **content: Any) -> Any:
    """Return a copy of a custom object with other content, and another revision if one is given."""
    fresh = objects.copy(obj)
    fresh.content |= content
    if resource_version is not None:
        fresh.metadata.resourceVersion = resource_version
    return fresh
