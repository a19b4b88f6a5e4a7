"""[sig-api-machinery]: definitions of custom resources, defaults, watches, conversion, fields to select by."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.clients.conformance import definitions
from tests.support import hooks
from tests.support.rawrest import JSON_PATCH, Events, Rest

Serve = Callable[..., hooks.Hook]


def test_a_definition_is_created_served_and_deleted(rest: Rest) -> None:
    """CustomResourceDefinition "creating/deleting custom resource definition objects works"."""
    made = definitions.define(rest, definitions.definition())
    assert rest("GET", definitions.objects(made))["kind"] == "NoxuList"

    rest("DELETE", f"{definitions.PATH}/noxus.example.com")
    rest.until_gone(definitions.PATH, "noxus.example.com")

    assert rest.ask("GET", definitions.objects(made)).status == 404


def test_definitions_are_listed_and_deleted_by_label(rest: Rest) -> None:
    """CustomResourceDefinition "listing custom resource definition objects works": ten of eleven."""
    made = {}
    for number in range(10):
        wanted = definitions.definition(plural=f"noxu{number}s")
        wanted["metadata"]["labels"] = {"list-test": "yes"}
        created = definitions.define(rest, wanted)
        made[created["metadata"]["name"]] = created["spec"]
    definitions.define(rest, definitions.definition(plural="others"))

    listed = rest("GET", definitions.PATH, labelSelector="list-test=yes")
    assert {each["metadata"]["name"]: each["spec"] for each in listed["items"]} == made

    rest("DELETE", definitions.PATH, labelSelector="list-test=yes")
    for name in made:
        rest.until_gone(definitions.PATH, name)
    assert [each["metadata"]["name"] for each in rest("GET", definitions.PATH)["items"]] == ["others.example.com"]


def test_a_definitions_status_is_read_replaced_and_patched(rest: Rest) -> None:
    """CustomResourceDefinition "getting/updating/patching … status sub-resource works"."""
    made = definitions.define(rest, definitions.definition())
    path = f"{definitions.PATH}/noxus.example.com/status"
    found = rest("GET", path)
    assert found["spec"] == made["spec"]

    found["status"]["conditions"].append({"message": "updated", "type": "", "status": ""})
    updated = rest("PUT", path, found)
    patch = [{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]
    patched = rest("PATCH", path, patch, sent=JSON_PATCH)

    assert "updated" in [each.get("message") for each in updated["status"]["conditions"]]
    assert [each["message"] for each in patched["status"]["conditions"]] == ["patched"]
    rest.until(definitions.PATH, definitions.established, fieldSelector="metadata.name=noxus.example.com")


def test_defaults_fill_in_what_is_sent_and_what_is_stored(rest: Rest) -> None:
    """CustomResourceDefinition "custom resource defaulting for requests and from storage works"."""
    schema = {**definitions.ANYTHING, "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    made = definitions.define(rest, definitions.definition(definitions.version(schema=schema)))
    path = definitions.objects(made)
    of = "/spec/versions/0/schema/openAPIV3Schema/properties"
    rest("POST", path, definitions.instance(made, "first"))

    change = [{"op": "add", "path": f"{of}/a/default", "value": "A"}]
    rest("PATCH", f"{definitions.PATH}/noxus.example.com", change, sent=JSON_PATCH)
    read = rest("GET", f"{path}/first")
    created = rest("POST", path, definitions.instance(made, "second"))
    assert (read["a"], created["a"]) == ("A", "A")

    change = [{"op": "remove", "path": f"{of}/a/default"}, {"op": "add", "path": f"{of}/b/default", "value": "B"}]
    rest("PATCH", f"{definitions.PATH}/noxus.example.com", change, sent=JSON_PATCH)
    first, second = rest("GET", f"{path}/first"), rest("GET", f"{path}/second")
    assert ("a" in first, first["b"]) == (False, "B")
    assert (second["a"], second["b"]) == ("A", "B")


def test_custom_objects_are_watched_by_name(rest: Rest) -> None:
    """CustomResourceDefinition Watch: each of two watches sees its own object's creation, change and end only."""
    made = definitions.define(rest, definitions.definition())
    path = definitions.objects(made)
    names = ("name1", "name2")
    with ExitStack() as stack:
        watches = [stack.enter_context(rest.watch(path, fieldSelector=f"metadata.name={name}")) for name in names]
        for name in names:
            created = rest("POST", path, definitions.instance(made, name, content={"key": "value"}, num={"num1": 1}))
            assert created["metadata"]["uid"]
            assert (created["apiVersion"], created["kind"]) == ("example.com/v1", "Noxu")
        for name in names:
            rest("PATCH", f"{path}/{name}", [{"op": "add", "path": "/dummy", "value": "test"}], sent=JSON_PATCH)
        for name in names:
            rest("DELETE", f"{path}/{name}")
        seen = [events.take(3) for events in watches]
    assert seen == [[("ADDED", name), ("MODIFIED", name), ("DELETED", name)] for name in names]


def test_documents_of_discovery_have_definitions(rest: Rest) -> None:
    """CustomResourceDefinition "should include custom resource definition resources in discovery documents"."""
    groups = {each["name"]: each["versions"] for each in rest("GET", "/apis")["groups"]}
    group = rest("GET", "/apis/apiextensions.k8s.io")
    resources = rest("GET", "/apis/apiextensions.k8s.io/v1")
    assert [each["version"] for each in groups["apiextensions.k8s.io"]] == ["v1"]
    assert (group["name"], [each["version"] for each in group["versions"]]) == ("apiextensions.k8s.io", ["v1"])
    assert resources["groupVersion"] == "apiextensions.k8s.io/v1"
    assert "customresourcedefinitions" in [each["name"] for each in resources["resources"]]


STRING = {"type": "string"}
V1 = definitions.version("v1", {"type": "object", "properties": {"hostPort": STRING}})
V2 = definitions.version("v2", {"type": "object", "properties": {"host": STRING, "port": STRING}}, storage=False)


def convert(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a conversion: hostPort of v1 is host and port of v2."""

    def converted(found: dict[str, Any]) -> dict[str, Any]:
        found = {**found, "apiVersion": request["desiredAPIVersion"]}
        if request["desiredAPIVersion"].endswith("/v2") and "hostPort" in found:
            found["host"], found["port"] = found.pop("hostPort").split(":")
        elif request["desiredAPIVersion"].endswith("/v1") and "host" in found:
            found["hostPort"] = f"{found.pop('host')}:{found.pop('port', '')}"
        return found

    objects = [converted(each) for each in request["objects"]]
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}


@pytest.fixture
def converting(rest: Rest, hook: Serve) -> Callable[..., dict[str, Any]]:
    """Define a kind of two versions with a webhook that converts between them."""

    def made(*versions: dict[str, Any]) -> dict[str, Any]:
        serving = hook(convert)
        client = {"url": serving.url, "caBundle": hooks.encoded(serving.authority)}
        webhook = {"clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"]}
        conversion = {"strategy": "Webhook", "webhook": webhook}
        wanted = definitions.definition(*versions, plural="hosts", scope="Namespaced", conversion=conversion)
        return definitions.define(rest, wanted)

    return made


def at(made: dict[str, Any], version: str) -> str:
    """Return the path of a version's objects."""
    return definitions.objects(made, version, "default")


def test_an_object_of_one_version_is_read_in_the_other(rest: Rest, converting: Callable[..., dict[str, Any]]) -> None:
    """CustomResourceConversionWebhook "should be able to convert from CR v1 to CR v2"."""
    made = converting(V1, V2)
    rest("POST", at(made, "v1"), definitions.instance(made, "one", hostPort="localhost:8080"))

    found = rest("GET", f"{at(made, 'v2')}/one")

    assert (found["apiVersion"], found["host"], found["port"]) == ("example.com/v2", "localhost", "8080")
    assert "hostPort" not in found


def test_a_list_of_objects_of_several_stored_versions_is_of_one(
    rest: Rest, converting: Callable[..., dict[str, Any]]
) -> None:
    """CustomResourceConversionWebhook "should be able to convert a non homogeneous list of CRs"."""
    made = converting(V1, V2)
    rest("POST", at(made, "v1"), definitions.instance(made, "one", hostPort="localhost:8080"))
    path = f"{definitions.PATH}/hosts.example.com"
    change = [
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
    ]
    changed = rest("PATCH", path, change, sent=JSON_PATCH)
    rest("POST", at(made, "v1"), definitions.instance(made, "two", hostPort="localhost:8080"))

    second, first = rest("GET", at(made, "v2")), rest("GET", at(made, "v1"))

    assert [(each["apiVersion"], each["host"], each["port"]) for each in second["items"]] == [
        ("example.com/v2", "localhost", "8080")
    ] * 2
    assert [(each["apiVersion"], each["hostPort"]) for each in first["items"]] == [
        ("example.com/v1", "localhost:8080")
    ] * 2
    assert changed["status"]["storedVersions"] == ["v1", "v2"]


@pytest.fixture
def selectable(rest: Rest, converting: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The kind of two versions, whose fields can be selected."""
    return converting(
        {**V1, "selectableFields": [{"jsonPath": ".hostPort"}]},
        {**V2, "selectableFields": [{"jsonPath": ".host"}, {"jsonPath": ".port"}]},
    )


def test_objects_are_listed_watched_and_deleted_by_fields_of_each_version(
    rest: Rest, selectable: dict[str, Any]
) -> None:
    """CustomResourceFieldSelectors "MUST list and watch custom resources matching the field selector" (1.32)."""
    v1, v2 = at(selectable, "v1"), at(selectable, "v2")
    with ExitStack() as stack:

        def watch(path: str, fields: str) -> Events:
            return stack.enter_context(rest.watch(path, fieldSelector=fields))

        by_host, by_both = watch(v2, "host=host1"), watch(v2, "host=host1,port=80")
        by_pair = watch(v1, "hostPort=host1:80")
        contents = ({"host": "host1", "port": "80"}, {"host": "host1", "port": "8080"}, {"host": "host2"})
        for name, content in zip("abc", contents, strict=True):
            rest("POST", v2, definitions.instance(selectable, name, "v2", **content))

        def names(path: str, fields: str) -> list[str]:
            return [each["metadata"]["name"] for each in rest("GET", path, fieldSelector=fields)["items"]]

        assert names(v2, "host=host1") == ["a", "b"]
        assert names(v2, "host=host1,port=80") == ["a"]
        assert names(v1, "hostPort=host1:80") == ["a"]
        assert names(v1, "hostPort=host1:8080") == ["b"]

        rest("DELETE", v2, {"gracePeriodSeconds": 0}, fieldSelector="host=host1,port=80")
        moved = rest("GET", f"{v2}/b")
        rest("PUT", f"{v2}/b", {**moved, "host": "host2"})

        assert (names(v2, "host=host1"), names(v2, "host=host1,port=80")) == ([], [])
        assert by_host.take(4) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b")]
        assert by_both.take(2) == [("ADDED", "a"), ("DELETED", "a")]
        assert by_pair.take(2) == [("ADDED", "a"), ("DELETED", "a")]
