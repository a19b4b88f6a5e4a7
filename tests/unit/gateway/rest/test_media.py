"""Forms of an answer: protobuf, tables, metadata alone, YAML, indented, packed; and what is not served."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from control.apiserver.server import ApiServer
from control.gateway.rest import media
from fairlead.api import codec, errors
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import runtime_pb2
from fairlead.testing import control
from tests.unit.gateway.rest.conftest import Caller

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
PARTIAL = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def make(api: ApiServer, name: str, **data: str) -> corev1.ConfigMap:
    """Create a ConfigMap."""
    wanted = corev1.ConfigMap(data=data)
    wanted.metadata.name, wanted.metadata.namespace = name, "default"
    return await api.as_user(*control.ADMIN).create(wanted)


def opened(data: bytes, kind: str, api_version: str = "v1") -> bytes:
    """Return the message of an envelope that must say its kind."""
    envelope = codec.opened(data)
    assert (envelope.typeMeta.apiVersion, envelope.typeMeta.kind) == (api_version, kind)
    return envelope.raw


async def test_an_object_in_protobuf_is_its_stored_message(api: ApiServer, call: Caller) -> None:
    """In Kubernetes' envelope, with the revision."""
    made = await make(api, "a", x="1")
    answer = await call("GET", f"{CONFIGMAPS}/a", accept=PROTOBUF)
    assert answer.headers["Content-Type"] == PROTOBUF
    assert corev1.ConfigMap.FromString(opened(answer.body, "ConfigMap")) == made


async def test_a_list_in_protobuf_is_one_message(api: ApiServer, call: Caller) -> None:
    """What lies between its items is its length alone."""
    made = [await make(api, name, x="y" * 300) for name in ("a", "b")]
    answer = await call("GET", CONFIGMAPS, accept=PROTOBUF)
    wanted = corev1.ConfigMapList(items=made)
    wanted.metadata.resourceVersion = made[1].metadata.resourceVersion
    assert corev1.ConfigMapList.FromString(opened(answer.body, "ConfigMapList")) == wanted


async def test_a_body_in_protobuf_is_read(call: Caller) -> None:
    """And its answer written so."""
    wanted = corev1.ConfigMap(data={"x": "1"})
    wanted.metadata.name = "a"
    body = codec.enveloped("v1", "ConfigMap", wanted.SerializeToString())
    answer = await call("POST", CONFIGMAPS, body, accept=PROTOBUF, Content_Type=PROTOBUF)
    broken = await call("POST", CONFIGMAPS, b"k8s\0\xff", Content_Type=PROTOBUF)
    bare = await call("POST", CONFIGMAPS, b"xyz", Content_Type=PROTOBUF)
    made = corev1.ConfigMap.FromString(opened(answer.body, "ConfigMap"))
    assert (answer.status, made.metadata.name, dict(made.data)) == (201, "a", {"x": "1"})
    assert [one.status for one in (broken, bare)] == [400, 400]


async def test_a_body_of_kubernetes_encoder_is_like_that_of_json(call: Caller) -> None:
    """Empty parts that Go always writes are unset; those of pointers stay."""
    pod = corev1.Pod()
    pod.metadata.name = "a"
    pod.metadata.creationTimestamp.SetInParent()
    pod.spec.containers.add(name="main", image="web:1").resources.SetInParent()
    pod.spec.securityContext.SetInParent()
    pod.status.SetInParent()
    wanted = corev1.Pod()
    wanted.metadata.name = "a"
    wanted.spec.containers.add(name="main", image="web:1")
    wanted.spec.securityContext.SetInParent()
    codec.normalise(pod)
    assert pod == wanted
    review = authorizationv1.SelfSubjectAccessReview()
    review.metadata.creationTimestamp.SetInParent()
    review.spec.nonResourceAttributes.path, review.spec.nonResourceAttributes.verb = "/x", "get"
    review.status.SetInParent()
    body = codec.enveloped("authorization.k8s.io/v1", "SelfSubjectAccessReview", review.SerializeToString())
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await call("POST", path, body, Content_Type=PROTOBUF)
    assert (answer.status, answer.json["status"]["allowed"]) == (201, True)


async def test_an_error_in_protobuf_is_a_status(call: Caller) -> None:
    """In the envelope, too."""
    answer = await call("GET", f"{CONFIGMAPS}/a", accept=PROTOBUF)
    status = metav1.Status.FromString(opened(answer.body, "Status"))
    assert (answer.status, status.code, status.message) == (404, 404, 'configmaps "a" not found')


async def test_a_watch_in_protobuf_is_frames_with_their_length(api: ApiServer, call: Caller) -> None:
    """Each a WatchEvent whose object is in an envelope."""
    made = await make(api, "a", x="1")
    async with call.session.get(f"{call.url}{CONFIGMAPS}?watch=1", headers={"Accept": PROTOBUF}) as response:
        length = int.from_bytes(await response.content.readexactly(4), "big")
        event = metav1.WatchEvent.FromString(await response.content.readexactly(length))
    assert response.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
    assert event.type == "ADDED"
    assert corev1.ConfigMap.FromString(opened(event.object.raw, "ConfigMap")) == made


async def test_a_table_has_columns_and_rows_with_metadata(api: ApiServer, call: Caller) -> None:
    """As kubectl asks for it."""
    made = await make(api, "a", x="1")
    answer = await call("GET", CONFIGMAPS, accept=TABLE)
    table = answer.json
    age = table["rows"][0]["cells"].pop()
    part = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    assert [(one["name"], one["type"], one["format"], one["priority"]) for one in table["columnDefinitions"]] == [
        ("Name", "string", "name", 0), ("Data", "string", "", 0), ("Age", "string", "", 0),
    ]  # fmt: skip
    assert all(column["description"] for column in table["columnDefinitions"])
    assert {**table, "columnDefinitions": []} == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": made.metadata.resourceVersion},
        "columnDefinitions": [],
        "rows": [{"cells": ["a", 1], "object": {**part, "metadata": codec.to_json(made)["metadata"]}}],
    }
    assert age.endswith(("d", "h"))


async def test_a_table_includes_what_is_asked_of_each_object(api: ApiServer, call: Caller) -> None:
    """Nothing, its metadata, or all of it."""
    made = await make(api, "a", x="1")
    rows = [
        (await call("GET", f"{CONFIGMAPS}/a?includeObject={what}", accept=TABLE)).json["rows"][0]["object"]
        for what in ("None", "Object")
    ]
    wrong = await call("GET", f"{CONFIGMAPS}/a?includeObject=Some", accept=TABLE)
    assert rows == [None, codec.to_json(made)]
    assert (wrong.status, wrong.json["reason"]) == (400, "BadRequest")


async def test_flow_schemas_stand_in_a_table_as_they_are_tried(api: ApiServer, call: Caller) -> None:
    """Not by name, as in a list: by their precedence."""
    for name, precedence in (("a", 20), ("b", 10)):
        spec = flowcontrolv1.FlowSchemaSpec(matchingPrecedence=precedence)
        spec.priorityLevelConfiguration.name = "global-default"
        made = flowcontrolv1.FlowSchema(spec=spec)
        made.metadata.name = name
        await api.as_user(*control.ADMIN).create(made)
    path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"

    table = (await call("GET", path, accept=TABLE)).json

    precedences = [row["cells"][2] for row in table["rows"]]
    assert [row["cells"][0] for row in table["rows"] if row["cells"][0] in "ab"] == ["b", "a"]
    assert precedences == sorted(precedences)


async def test_only_the_first_table_of_a_watch_has_columns(api: ApiServer, call: Caller) -> None:
    """The others have their rows alone."""
    await make(api, "a")
    async with call.session.get(f"{call.url}{CONFIGMAPS}?watch=1", headers={"Accept": TABLE}) as response:
        first = orjson.loads(await response.content.readline())["object"]
        await make(api, "b")
        second = orjson.loads(await response.content.readline())["object"]
    assert [len(table["columnDefinitions"]) for table in (first, second)] == [3, 0]
    assert [table["rows"][0]["cells"][0] for table in (first, second)] == ["a", "b"]


async def test_metadata_alone_is_answered_as_json_and_protobuf(api: ApiServer, call: Caller) -> None:
    """PartialObjectMetadata and its list; one for the other is not acceptable."""
    made = await make(api, "a", x="1")
    part = {"metadata": codec.to_json(made)["metadata"]}
    named = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    one = await call("GET", f"{CONFIGMAPS}/a", accept=f"application/json;{PARTIAL}")
    many = await call("GET", CONFIGMAPS, accept=f"application/json;{PARTIAL_LIST}")
    bytes_ = await call("GET", CONFIGMAPS, accept=f"{PROTOBUF};{PARTIAL_LIST}")
    wrong = await call("GET", CONFIGMAPS, accept=f"application/json;{PARTIAL}")
    listed = metav1.PartialObjectMetadataList.FromString(
        opened(bytes_.body, "PartialObjectMetadataList", "meta.k8s.io/v1")
    )
    assert one.json == {**named, **part}
    assert (many.json["kind"], many.json["items"]) == ("PartialObjectMetadataList", [{**named, **part}])
    assert [item.metadata for item in listed.items] == [made.metadata]
    assert (wrong.status, wrong.json["message"]) == (
        406,
        "you requested PartialObjectMetadata, but the requested object is a list (ConfigMapList)",
    )


async def test_yaml_goes_in_and_out(call: Caller) -> None:
    """As kubectl prints it: sorted keys."""
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: 'yes'\n"
    answer = await call("POST", CONFIGMAPS, body, accept="application/yaml", Content_Type="application/yaml")
    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/yaml")
    assert answer.body.decode().splitlines()[:4] == ["apiVersion: v1", "data:", '  x: "yes"', "kind: ConfigMap"]


async def test_json_is_indented_for_eyes(api: ApiServer, call: Caller) -> None:
    """Where the query says so, or curl asks and it does not."""
    await make(api, "a")
    plain = await call("GET", f"{CONFIGMAPS}/a")
    pretty = await call("GET", f"{CONFIGMAPS}/a?pretty=true")
    curl = await call("GET", f"{CONFIGMAPS}/a", User_Agent="curl/8.0")
    refused = await call("GET", f"{CONFIGMAPS}/a?pretty=false", User_Agent="curl/8.0")
    assert pretty.body == curl.body == orjson.dumps(plain.json, option=orjson.OPT_INDENT_2)
    assert refused.body == plain.body


async def test_a_long_answer_is_packed_where_the_caller_takes_that(api: ApiServer, call: Caller) -> None:
    """And is the same when unpacked; a short one is not packed."""
    for number in range(40):
        await make(api, f"a-{number:02}", x=f"{number}" * 4000)
    plain = await call("GET", CONFIGMAPS, Accept_Encoding="identity")
    packed = await call("GET", CONFIGMAPS, Accept_Encoding="gzip")
    short = await call("GET", f"{CONFIGMAPS}/a-01", Accept_Encoding="gzip")
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(packed.body) == plain.body
    assert len(plain.json["items"]) == 40
    assert "Content-Encoding" not in short.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {"nonResourceAttributes": {}}}),
        ("/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}}),
    ],
)
async def test_what_is_only_posted_has_no_table(call: Caller, path: str, body: dict[str, Any]) -> None:
    """406 where nothing but a table is accepted, as of every backend without columns."""
    alone = await call("POST", path, body, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    among = await call("POST", path, body, accept=TABLE)

    assert (alone.status, alone.json["reason"]) == (406, "NotAcceptable")
    assert among.json["kind"] != "Table"


async def test_what_is_not_served_is_not_acceptable(call: Caller) -> None:
    """406 names what is; YAML has no stream."""
    html = await call("GET", CONFIGMAPS, accept="text/html")
    stream = await call("GET", f"{CONFIGMAPS}?watch=1", accept="application/yaml")
    body = await call("POST", CONFIGMAPS, b"x", Content_Type="text/html")
    served = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    assert (html.status, html.json["reason"], html.json["message"]) == (
        406,
        "NotAcceptable",
        f"only the following media types are accepted: {served}",
    )
    assert (stream.status, stream.json["reason"]) == (406, "NotAcceptable")
    assert (body.status, body.json["message"]) == (
        415,
        f"the body of the request was in an unknown format - accepted media types include: {served}",
    )


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", media.PLAIN),
        ("*/*", media.PLAIN),
        ("text/html, */*;q=0.1", media.PLAIN),
        ("application/json;q=0.5, application/yaml", media.Form("yaml")),
        (f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io, application/json", media.PLAIN),
        ("application/json;as=Table;v=v9;g=meta.k8s.io, application/yaml", media.Form("yaml")),
        (TABLE, media.Form("json", "Table", "meta.k8s.io", "v1")),
        (f"{PROTOBUF},application/json", media.Form("protobuf")),
        ("application/json;q=x", media.PLAIN),
        (";;,,", None),
    ],
)
def test_the_first_form_that_is_served_is_chosen(accept: str, wanted: media.Form | None) -> None:
    """By what the caller likes best; None stands for NotAcceptable."""
    found: Any
    try:
        found = media.accepted(accept)
    except errors.NotAcceptable:
        found = None
    assert found == wanted


def test_the_envelope_is_kubernetes() -> None:
    """k8s, a zero byte, and a runtime.Unknown whose empty fields are written."""
    raw = corev1.ConfigMap(data={"x": "1"}).SerializeToString()
    wanted = runtime_pb2.Unknown(raw=raw)
    wanted.typeMeta.apiVersion, wanted.typeMeta.kind = "v1", "ConfigMap"
    data = codec.enveloped("v1", "ConfigMap", raw)
    assert data == b"k8s\0" + wanted.SerializeToString() + b"\x1a\x00\x22\x00"
    assert codec.opened(data) == wanted
