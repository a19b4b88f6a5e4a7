"""Custom resources through either client: defined, written, read, selected, watched, and deleted with their kind."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest

from control.apiserver.server import ApiServer
from fairlead.api import custom, errors
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.client.interface import Patch, PatchType, Selection
from tests.support import definitions

REPLICAS = {"type": "integer", "minimum": 0, "default": 1}
COLOUR = {"type": "string", "enum": ["red", "blue"]}
SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}


def version(name: str = "v1", **more: Any) -> dict[str, Any]:
    """Return a version with a closed schema, a status and a scale."""
    return definitions.version(
        name,
        schema=definitions.schema(replicas=REPLICAS, colour=COLOUR),
        subresources={"status": {}, "scale": SCALE},
        selectableFields=[{"jsonPath": ".spec.colour"}],
        **more,
    )


async def test_a_custom_object_lies_in_etcd_as_kubernetes_stores_it(api: ApiServer, client: Any) -> None:
    """JSON at /registry/GROUP/PLURAL/NAMESPACE/NAME, pruned and defaulted, without status or revision."""
    (widget,) = await definitions.establish(api, client, version())

    made = await client.create(
        definitions.widget(widget, "a", spec={"colour": "red", "x": 1}, status={"replicas": 2})
    )

    item, _ = await api.store.get("/registry/example.com/widgets/default/a")
    assert item is not None
    stored = orjson.loads(item.value)
    assert (stored["apiVersion"], stored["kind"]) == ("example.com/v1", "Widget")
    assert stored["spec"] == {"colour": "red", "replicas": 1}
    assert "status" not in stored
    assert "resourceVersion" not in stored["metadata"]
    assert (made.metadata.resourceVersion, made.metadata.generation) == (str(item.revision), 1)
    assert made.content == {"spec": {"colour": "red", "replicas": 1}}
    assert await client.get(widget, "a", "default") == made


async def test_a_definition_lies_in_etcd_as_json(api: ApiServer, client: Any) -> None:
    """At the place that carries its group; its status names the version that objects are stored at."""
    await definitions.establish(api, client, version())

    item, _ = await api.store.get("/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com")

    assert item is not None
    stored = orjson.loads(item.value)
    assert (stored["apiVersion"], stored["kind"]) == ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert stored["status"]["storedVersions"] == ["v1"]
    assert stored["status"]["acceptedNames"] == {
        "plural": "widgets", "singular": "widget", "shortNames": ["wd"], "kind": "Widget", "listKind": "WidgetList",
    }  # fmt: skip


async def test_what_the_schema_refuses_is_invalid(api: ApiServer, client: Any) -> None:
    """Every fault is told at once, of a new object and of a changed one."""
    (widget,) = await definitions.establish(api, client, version())

    with pytest.raises(errors.Invalid) as refused:
        await client.create(definitions.widget(widget, "a", spec={"colour": "green", "replicas": -1}))

    assert refused.value.message == (
        'Widget.example.com "a" is invalid: [spec.colour: Unsupported value: "green":'
        ' supported values: "red", "blue",'
        " spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0,"
        " .spec.replicas: Invalid value: -1: should be a non-negative integer]"
    )


async def test_the_status_is_written_apart_and_the_generation_counts_the_rest(api: ApiServer, client: Any) -> None:
    """An update keeps the status, an update of the status keeps all else and does not count."""
    (widget,) = await definitions.establish(api, client, version())
    made = await client.create(definitions.widget(widget, "a", spec={"replicas": 2}))

    made.content |= {"status": {"replicas": 2}, "spec": {"replicas": 5}}
    with_status = await client.update(made, subresource="status")
    with_status.content |= {"status": {}, "spec": {"replicas": 5}}
    changed = await client.update(with_status)

    assert with_status.metadata.generation == 1
    assert changed.content == {"spec": {"replicas": 5}, "status": {"replicas": 2}}
    assert changed.metadata.generation == 2


async def test_an_update_needs_a_resource_version(api: ApiServer, client: Any) -> None:
    """As for all custom resources: without one it is invalid, with an old one a conflict."""
    (widget,) = await definitions.establish(api, client, version())
    first = await client.create(definitions.widget(widget, "a", spec={"replicas": 1}))
    second = await client.update(definitions.changed(first, spec={"replicas": 2}))

    with pytest.raises(errors.Invalid, match="metadata.resourceVersion: Invalid value: 0x0: must be specified"):
        await client.update(definitions.changed(second, resource_version=""))
    with pytest.raises(errors.Conflict):
        await client.update(definitions.changed(first, spec={"replicas": 3}))


async def test_patches_of_json_but_no_strategic_ones(api: ApiServer, client: Any) -> None:
    """A custom resource has no merge keys, so a strategic merge patch is of an unknown media type."""
    (widget,) = await definitions.establish(api, client, version())
    await client.create(definitions.widget(widget, "a", spec={"replicas": 2}))

    merged = await client.patch(widget, "a", "default", Patch(PatchType.MERGE, b'{"spec":{"colour":"red","y":1}}'))
    body = b'[{"op":"replace","path":"/spec/replicas","value":4}]'
    replaced = await client.patch(widget, "a", "default", Patch(PatchType.JSON, body))

    assert merged.content == {"spec": {"replicas": 2, "colour": "red"}}
    assert replaced.content == {"spec": {"replicas": 4, "colour": "red"}}
    with pytest.raises(errors.UnsupportedMediaType):
        await client.patch(widget, "a", "default", Patch(PatchType.STRATEGIC, b"{}"))


async def test_scale_reads_and_writes_where_the_definition_says(api: ApiServer, client: Any) -> None:
    """A Scale's replicas are those of the paths."""
    (widget,) = await definitions.establish(api, client, version())
    await client.create(definitions.widget(widget, "a", spec={"replicas": 2}))

    patch = Patch(PatchType.MERGE, b'{"spec":{"replicas":7}}')
    scale = await client.patch(widget, "a", "default", patch, subresource="scale")

    assert isinstance(scale, autoscalingv1.Scale)
    assert scale.spec.replicas == 7
    assert (await client.get(widget, "a", "default")).content["spec"]["replicas"] == 7


async def test_objects_are_selected_by_labels_and_selectable_fields(api: ApiServer, client: Any) -> None:
    """A field that the definition does not name cannot be selected by."""
    (widget,) = await definitions.establish(api, client, version())
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        obj = definitions.widget(widget, name, spec={"colour": colour})
        obj.metadata.labels["name"] = name
        await client.create(obj)

    red = await client.list(widget, "default", select=Selection(fields="spec.colour=red"))
    last = await client.list(widget, select=Selection(labels="name notin (a,b)"))

    assert [obj.metadata.name for obj in red.items] == ["a", "c"]
    assert [obj.metadata.name for obj in last.items] == ["c"]
    with pytest.raises(errors.BadRequest, match="field label not supported: spec.size"):
        await client.list(widget, select=Selection(fields="spec.size=1"))


async def test_a_watch_follows_custom_objects(api: ApiServer, client: Any) -> None:
    """Additions, changes and deletions arrive, and a selection is entered and left."""
    (widget,) = await definitions.establish(api, client, version())
    before = await client.list(widget)
    made = await client.create(definitions.widget(widget, "a", spec={"colour": "red"}))
    await client.update(definitions.changed(made, spec={"colour": "blue"}))

    seen: list[tuple[str, Any]] = []
    selected = Selection(fields="spec.colour=red")
    watch = client.watch(widget, "default", select=selected, resource_version=before.resource_version)
    async with contextlib.aclosing(watch) as batches:
        async for batch in batches:
            seen += [
                (event.type, event.object.content["spec"]["colour"]) for event in batch if event.type != "BOOKMARK"
            ]
            if len(seen) == 2:
                break

    assert seen == [("ADDED", "red"), ("DELETED", "red")]


async def test_two_versions_show_the_same_objects(api: ApiServer, client: Any) -> None:
    """Written at one version, stored at the other, read at each by its own schema."""
    old = definitions.version("v1beta1", storage=False, schema=definitions.schema(replicas=REPLICAS))
    stable, beta = await definitions.establish(api, client, version(), old)

    await client.create(definitions.widget(beta, "a", spec={"replicas": 3, "colour": "red"}))
    await client.create(definitions.widget(stable, "b", spec={"colour": "red"}))

    item, _ = await api.store.get("/registry/example.com/widgets/default/a")
    assert item is not None
    assert orjson.loads(item.value)["apiVersion"] == "example.com/v1"
    assert [obj.content["spec"] for obj in (await client.list(stable)).items] == [
        {"replicas": 3},
        {"replicas": 1, "colour": "red"},
    ]
    assert [obj.content["spec"] for obj in (await client.list(beta)).items] == [{"replicas": 3}, {"replicas": 1}]
    assert {obj.kind.version for obj in (await client.list(beta)).items} == {"v1beta1"}


async def test_a_changed_schema_holds_at_once(api: ApiServer, client: Any) -> None:
    """New defaults show in objects that were there before."""
    (widget,) = await definitions.establish(api, client, version())
    await client.create(definitions.widget(widget, "a", spec={"replicas": 2}))
    definition = await client.get(custom.Definition, "widgets.example.com")
    colour = {**COLOUR, "default": "blue"}
    later = definitions.version("v1", schema=definitions.schema(replicas=REPLICAS, colour=colour))

    fresh = definitions.definition(later)
    fresh.metadata.resourceVersion = definition.metadata.resourceVersion
    updated = await client.update(fresh)

    assert updated.metadata.generation == 2
    assert (await client.get(widget, "a", "default")).content["spec"] == {"replicas": 2, "colour": "blue"}


async def test_a_cluster_wide_kind_has_no_namespaces(api: ApiServer, client: Any) -> None:
    """Its objects lie directly under its prefix."""
    (widget,) = await definitions.establish(api, client, version(), scope="Cluster")

    await client.create(definitions.widget(widget, "a", namespace="", spec={}))

    item, _ = await api.store.get("/registry/example.com/widgets/a")
    assert item is not None
    assert (await client.get(widget, "a")).content == {"spec": {"replicas": 1}}


async def test_a_custom_object_with_a_finalizer_waits_to_be_deleted(api: ApiServer, client: Any) -> None:
    """It is marked, and goes with its last finalizer."""
    (widget,) = await definitions.establish(api, client, version())
    obj = definitions.widget(widget, "a", spec={})
    obj.metadata.finalizers.append("held")
    await client.create(obj)

    marked = await client.delete(widget, "a", "default")
    assert marked.metadata.HasField("deletionTimestamp")
    await client.patch(widget, "a", "default", Patch(PatchType.MERGE, b'{"metadata":{"finalizers":null}}'))

    with pytest.raises(errors.NotFound, match='widgets.example.com "a" not found'):
        await client.get(widget, "a", "default")


async def test_a_definition_is_deleted_after_its_objects(api: ApiServer, client: Any) -> None:
    """While an object is held, none is created; when all are gone, the kind is no longer served."""
    (widget,) = await definitions.establish(api, client, version())
    held = definitions.widget(widget, "held", spec={})
    held.metadata.finalizers.append("example.com/held")
    await client.create(held)
    for name in ("a", "b"):
        await client.create(definitions.widget(widget, name, spec={}))

    await client.delete(custom.Definition, "widgets.example.com")
    for name in ("a", "b"):
        await definitions.until_gone(client, widget, name)
    with pytest.raises(errors.MethodNotAllowed) as refused:
        await client.create(definitions.widget(widget, "c", spec={}))
    await client.patch(widget, "held", "default", Patch(PatchType.MERGE, b'{"metadata":{"finalizers":null}}'))
    await definitions.until_gone(client, custom.Definition, "widgets.example.com")

    assert refused.value.message == "create not allowed while custom resource definition is terminating"
    assert not (await api.store.list("/registry/example.com/")).items
    with pytest.raises(errors.NotFound, match="the server could not find the requested resource"):
        await client.list(widget)


async def test_a_kind_that_another_definition_has_is_not_established(api: ApiServer, client: Any) -> None:
    """The condition says which name is in use; once it is free, the definition is established."""
    await definitions.establish(api, client, version())
    names = {"plural": "gadgets", "kind": "Widget", "listKind": "GadgetList"}
    second = definitions.definition(version(), names=names)
    second.metadata.name = "gadgets.example.com"
    await client.create(second)

    refused = await definitions.until(client, "gadgets.example.com", custom.NAMES_ACCEPTED, "False")
    await client.delete(custom.Definition, "widgets.example.com")
    await definitions.until(client, "gadgets.example.com", custom.ESTABLISHED, "True")

    condition = custom.condition(refused, custom.NAMES_ACCEPTED)
    assert condition is not None
    assert (condition.reason, condition.message) == ("KindConflict", '"Widget" is already in use')


async def test_a_definition_that_is_not_good_is_refused(client: Any) -> None:
    """The error names the field as Kubernetes does."""
    bad = definitions.definition(definitions.version("v1", schema={"openAPIV3Schema": {"type": "string"}}))

    with pytest.raises(errors.Invalid) as refused:
        await client.create(bad)

    assert refused.value.message == (
        'CustomResourceDefinition.apiextensions.k8s.io "widgets.example.com" is invalid:'
        ' spec.validation.openAPIV3Schema.type: Invalid value: "string": must be object at the root'
    )
