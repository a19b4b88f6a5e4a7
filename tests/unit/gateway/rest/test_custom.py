"""Custom resources over REST: discovery, tables, strict reading, and the errors that clients see."""

from __future__ import annotations

from typing import Any

import orjson

from control.apiserver.server import ApiServer
from control.gateway.rest import discovery
from tests.support import definitions

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
COLUMNS = [
    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
]


async def define(api: ApiServer, call: Any) -> None:
    """Define Widgets over REST and wait until they are served."""
    version = definitions.version(
        "v1",
        schema=definitions.schema(replicas={"type": "integer"}, colour={"type": "string"}),
        subresources={
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.n"},
        },
        additionalPrinterColumns=COLUMNS,
    )
    made = await call("POST", CRDS, definitions.written(version))
    assert made.status == 201, made.json
    await definitions.until(api.as_user("admin", ["system:masters"]), "widgets.example.com", "Established", "True")


def widget(name: str, **content: Any) -> dict[str, Any]:
    """Return a Widget's JSON."""
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, **content}


async def test_a_custom_kind_is_discovered(api: ApiServer, call: Any) -> None:
    """Group, version, resource and subresources are named as for any kind."""
    await define(api, call)

    groups = await call("GET", "/apis")
    resources = (await call("GET", "/apis/example.com/v1")).json["resources"]

    assert "example.com" in [group["name"] for group in groups.json["groups"]]
    assert [(one["name"], one["kind"]) for one in resources] == [
        ("widgets", "Widget"),
        ("widgets/scale", "Scale"),
        ("widgets/status", "Widget"),
    ]
    assert resources[0]["shortNames"] == ["wd"]
    assert resources[0]["singularName"] == "widget"
    assert resources[0]["storageVersionHash"] == discovery.storage_hash("example.com/v1", "Widget")
    assert "storageVersionHash" not in resources[1]


async def test_a_custom_kind_has_the_columns_of_its_definition(api: ApiServer, call: Any) -> None:
    """A cell is the first of what its path finds, nothing where it finds nothing or what is not of its type."""
    await define(api, call)
    await call("POST", WIDGETS, widget("a", spec={"replicas": 3, "colour": "red"}))
    status = {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}
    patched = await call(
        "PATCH",
        f"{WIDGETS}/a/status",
        b'{"status":%b}' % orjson.dumps(status),
        Content_Type="application/merge-patch+json",
    )
    await call("POST", WIDGETS, widget("b"))

    table = (await call("GET", WIDGETS, accept=TABLE)).json

    assert patched.status == 200, patched.json
    assert [(one["name"], one["type"], one["priority"]) for one in table["columnDefinitions"]] == [
        ("Name", "string", 0), ("Replicas", "integer", 0), ("Ready", "string", 0), ("Since", "date", 0),
        ("Colour", "string", 1),
    ]  # fmt: skip
    assert [row["cells"][:3] for row in table["rows"]] == [["a", 3, "True"], ["b", None, None]]
    assert table["rows"][0]["cells"][4] == "red"


async def test_unknown_fields_are_refused_where_strict(api: ApiServer, call: Any) -> None:
    """As kubectl asks for by default; a warning otherwise, and the field is pruned."""
    await define(api, call)
    body = widget("a", spec={"replicas": 1, "size": 2})

    strict = await call("POST", f"{WIDGETS}?fieldValidation=Strict", body)
    warned = await call("POST", WIDGETS, body)

    assert strict.status == 400
    assert strict.json["message"] == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.size"'
    )
    assert warned.status == 201
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.size\\""'
    assert warned.json["spec"] == {"replicas": 1}


async def test_a_list_names_the_definitions_list_kind(api: ApiServer, call: Any) -> None:
    """Every item says its own kind and version."""
    await define(api, call)
    await call("POST", WIDGETS, widget("a", spec={}))

    listed = (await call("GET", WIDGETS)).json

    assert (listed["kind"], listed["apiVersion"]) == ("WidgetList", "example.com/v1")
    assert [(one["kind"], one["apiVersion"]) for one in listed["items"]] == [("Widget", "example.com/v1")]


async def test_a_scale_is_put(api: ApiServer, call: Any) -> None:
    """The Scale that a client read is written back with other replicas."""
    await define(api, call)
    await call("POST", WIDGETS, widget("a", spec={"replicas": 3}))

    scale = (await call("GET", f"{WIDGETS}/a/scale")).json
    shown = (await call("GET", f"{WIDGETS}/a/scale", Accept=TABLE)).json
    scale["spec"]["replicas"] = 5
    put = await call("PUT", f"{WIDGETS}/a/scale", scale)

    assert scale["kind"] == "Scale"
    assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert shown["rows"][0]["cells"][:3] == ["a", 3, 0]
    assert (put.status, put.json["spec"]) == (200, {"replicas": 5})
    assert (await call("GET", f"{WIDGETS}/a")).json["spec"] == {"replicas": 5}


async def test_a_strategic_merge_patch_is_of_an_unsupported_type(api: ApiServer, call: Any) -> None:
    """A custom resource takes JSON patches and merge patches."""
    await define(api, call)
    await call("POST", WIDGETS, widget("a", spec={"replicas": 3}))
    strategic = "application/strategic-merge-patch+json"

    refused = await call("PATCH", f"{WIDGETS}/a", b"{}", Content_Type=strategic)

    assert (refused.status, refused.json["reason"]) == (415, "UnsupportedMediaType")


async def test_users_of_a_deprecated_version_are_warned(api: ApiServer, call: Any) -> None:
    """With the definition's own words if it has some."""
    old = definitions.version("v1alpha1", storage=False, deprecated=True)
    older = definitions.version("v1alpha2", storage=False, deprecated=True, deprecationWarning="use v1")
    made = await call("POST", CRDS, definitions.written(definitions.version("v1"), old, older))
    assert made.status == 201, made.json
    await definitions.until(api.as_user("admin", ["system:masters"]), "widgets.example.com", "Established", "True")

    versions = ("v1", "v1alpha1", "v1alpha2")
    answers = [await call("GET", f"/apis/example.com/{version}/widgets") for version in versions]

    assert [answer.headers.get("Warning") for answer in answers] == [
        None,
        '299 - "example.com/v1alpha1 Widget is deprecated"',
        '299 - "use v1"',
    ]


async def test_a_kind_that_is_not_defined_is_not_found(call: Any) -> None:
    """Nothing of its group is served."""
    assert (await call("GET", WIDGETS)).status == 404
