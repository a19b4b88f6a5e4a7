"""Server-side apply and strict patches over REST: status codes, bodies, custom resources by their schema."""

from __future__ import annotations

from typing import Any

from control.apiserver.server import ApiServer
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from tests.support import definitions, hooks
from tests.unit.apiserver.admission.test_webhooks import configure
from tests.unit.gateway.rest.conftest import Caller

CONFIGMAP = "/api/v1/namespaces/default/configmaps/a"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGET = "/apis/example.com/v1/namespaces/default/widgets/a"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


def configmap(value: str) -> bytes:
    """Return a configuration as YAML."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{x: '{value}'}}\n".encode()


async def test_an_apply_answers_201_where_it_creates_and_200_where_it_changes(call: Caller) -> None:
    """And 409 with the fields where others own them."""
    created = await call("PATCH", f"{CONFIGMAP}?fieldManager=one", configmap("1"), Content_Type=APPLY)
    again = await call("PATCH", f"{CONFIGMAP}?fieldManager=one", configmap("2"), Content_Type=APPLY)
    refused = await call("PATCH", f"{CONFIGMAP}?fieldManager=two", configmap("3"), Content_Type=APPLY)
    forced = await call("PATCH", f"{CONFIGMAP}?fieldManager=two&force=true", configmap("3"), Content_Type=APPLY)

    assert (created.status, again.status, refused.status, forced.status) == (201, 200, 409, 200)
    assert refused.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Apply failed with 1 conflict: conflict with "one": .data.x',
        "reason": "Conflict",
        "details": {
            "causes": [
                {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"},
            ]
        },
        "code": 409,
    }
    assert [one["manager"] for one in forced.json["metadata"]["managedFields"]] == ["two"]


async def test_an_apply_must_name_its_manager(call: Caller) -> None:
    """The User-Agent does not count."""
    refused = await call("PATCH", CONFIGMAP, configmap("1"), Content_Type=APPLY)

    assert (refused.status, refused.json["reason"]) == (422, "Invalid")
    assert refused.json["message"] == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


async def test_only_an_apply_may_be_forced(call: Caller) -> None:
    """Another patch has no conflicts that could be forced."""
    await call("PATCH", f"{CONFIGMAP}?fieldManager=one", configmap("1"), Content_Type=APPLY)

    refused = await call("PATCH", f"{CONFIGMAP}?force=true", b"{}", Content_Type="application/merge-patch+json")

    assert (refused.status, refused.json["message"]) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    )


async def test_a_patch_is_read_strictly_where_asked_and_warned_of_otherwise(call: Caller) -> None:
    """After patching, as kubectl's users see it."""
    await call("PATCH", f"{CONFIGMAP}?fieldManager=one", configmap("1"), Content_Type=APPLY)
    body = b'{"datum": {"x": "1"}}'

    strict = await call("PATCH", f"{CONFIGMAP}?fieldValidation=Strict", body, Content_Type=MERGE)
    warned = await call("PATCH", CONFIGMAP, body, Content_Type=MERGE)

    assert strict.status == 422
    assert strict.json["message"].endswith(': strict decoding error: unknown field "datum"')
    assert (warned.status, warned.headers["Warning"]) == (200, '299 - "unknown field \\"datum\\""')


async def define(api: ApiServer, call: Any) -> None:
    """Define Widgets with a keyed list."""
    items = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
    }
    parts = {
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    version = definitions.version(
        "v1",
        schema=definitions.schema(parts=parts, colour={"type": "string"}),
        subresources={"status": {}},
    )
    assert (await call("POST", CRDS, definitions.written(version))).status == 201
    await definitions.until(api.as_user("admin", ["system:masters"]), "widgets.example.com", "Established", "True")


def widget(spec: str, status: str = "") -> bytes:
    """Return a Widget's configuration."""
    more = f"\nstatus: {status}" if status else ""
    return f"apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: a}}\nspec: {spec}{more}\n".encode()


async def test_custom_resources_are_applied_by_their_schema(api: ApiServer, call: Any) -> None:
    """Elements of a keyed list have owners of their own; the status belongs to its subresource."""
    await define(api, call)
    one, two = f"{WIDGET}?fieldManager=one", f"{WIDGET}?fieldManager=two"

    created = await call("PATCH", one, widget("{parts: [{name: a, size: 1}, {name: b}]}"), Content_Type=APPLY)
    both = await call("PATCH", two, widget("{colour: red, parts: [{name: c}]}", "{n: 1}"), Content_Type=APPLY)
    left = await call("PATCH", one, widget("{parts: [{name: a, size: 2}]}"), Content_Type=APPLY)
    refused = await call("PATCH", two, widget("{parts: [{name: a, size: 3}]}"), Content_Type=APPLY)
    unknown = await call("PATCH", one, widget("{size: 3}"), Content_Type=APPLY)

    assert (created.status, both.status, left.status) == (201, 200, 200)
    assert left.json["spec"] == {"colour": "red", "parts": [{"name": "a", "size": 2}, {"name": "c"}]}
    owned = {one["manager"]: one["fieldsV1"] for one in left.json["metadata"]["managedFields"]}
    assert owned == {
        "one": {"f:spec": {"f:parts": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:size": {}}}}},
        "two": {"f:spec": {"f:colour": {}, "f:parts": {'k:{"name":"c"}': {".": {}, "f:name": {}}}}},
    }
    assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (409, '.spec.parts[name="a"].size')
    assert (unknown.status, unknown.json["message"].rpartition("): ")[2]) == (
        400,
        ".spec.size: field not declared in schema",
    )


async def test_a_patched_custom_resource_is_judged_by_its_schema(api: ApiServer, call: Any) -> None:
    """Strict refuses what the schema would prune."""
    await define(api, call)
    await call("PATCH", f"{WIDGET}?fieldManager=one", widget("{colour: red}"), Content_Type=APPLY)

    strict = await call("PATCH", f"{WIDGET}?fieldValidation=Strict", b'{"spec": {"size": 1}}', Content_Type=MERGE)

    assert strict.status == 422
    assert strict.json["message"].endswith(': strict decoding error: unknown field "spec.size"')


async def test_webhooks_are_told_what_the_query_says(api: ApiServer, call: Caller) -> None:
    """The manager and the validation that a request names, nothing of one that names none."""
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, registrationv1.ValidatingWebhookConfiguration, hook)
        await call("PATCH", f"{CONFIGMAP}?fieldManager=one&force=true", configmap("1"), Content_Type=APPLY)
        body = b'{"data":{"x":"2"}}'
        await call("PATCH", f"{CONFIGMAP}?fieldValidation=Strict&dryRun=All", body, Content_Type=MERGE)
        await call("PATCH", CONFIGMAP, body, Content_Type=MERGE)

    meta = "meta.k8s.io/v1"
    assert [one["options"] for one in hook.asked] == [
        {"apiVersion": meta, "kind": "CreateOptions", "fieldManager": "one"},
        {"apiVersion": meta, "kind": "UpdateOptions", "fieldValidation": "Strict", "dryRun": ["All"]},
        {"apiVersion": meta, "kind": "UpdateOptions"},
    ]
