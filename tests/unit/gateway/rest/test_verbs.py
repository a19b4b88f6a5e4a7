"""Every verb over REST: whole answers, as Kubernetes gives them."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson
import pytest

from control.apiserver import reading
from control.apiserver.server import ApiServer
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.support import pods
from tests.unit.gateway.rest.conftest import Caller

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
CREATED = "2023-11-14T22:13:20Z"


def configmap(name: str, **data: str) -> dict[str, Any]:
    """Return a ConfigMap as a user writes it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def stored(answered: dict[str, Any], **data: str) -> dict[str, Any]:
    """Return what an answer that holds a ConfigMap must be, but for its uid and revision."""
    kept = {key: answered["metadata"][key] for key in ("name", "uid", "resourceVersion")}
    owner = {
        "manager": "Python",  # the client's User-Agent up to its slash
        "operation": "Update",
        "apiVersion": "v1",
        "time": CREATED,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {".": {}, **{f"f:{key}": {} for key in data}}},
    }
    metadata = {**kept, "namespace": "default", "creationTimestamp": CREATED, "managedFields": [owner]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_a_created_object_is_answered_with_201_and_read_back_the_same(call: Caller) -> None:
    """POST answers the object as stored; GET the same text."""
    created = await call("POST", CONFIGMAPS, configmap("a", x="1"))
    read = await call("GET", f"{CONFIGMAPS}/a")
    assert (created.status, created.json) == (201, stored(created.json, x="1"))
    assert (read.status, read.json) == (200, created.json)
    assert read.headers["Content-Type"] == "application/json"
    assert read.headers["Cache-Control"] == "no-cache, private"
    assert len(read.headers["Audit-Id"]) == 36


async def test_an_audit_id_of_the_caller_is_answered(call: Caller) -> None:
    """A request that brings its Audit-Id keeps it."""
    answer = await call("GET", CONFIGMAPS, Audit_Id="abc")
    assert answer.headers["Audit-Id"] == "abc"


async def test_a_list_holds_items_without_their_kind_and_its_revision(call: Caller) -> None:
    """As Kubernetes: what the list says is not repeated in its items."""
    made = [(await call("POST", CONFIGMAPS, configmap(name))).json for name in ("a", "b")]
    answer = await call("GET", CONFIGMAPS)
    for item in made:
        del item["apiVersion"], item["kind"]
    assert answer.json == {
        "apiVersion": "v1",
        "kind": "ConfigMapList",
        "metadata": {"resourceVersion": made[1]["metadata"]["resourceVersion"]},
        "items": made,
    }


async def test_a_list_over_all_namespaces_comes_in_pages(call: Caller) -> None:
    """limit and continue go through all of a collection; remainingItemCount says what is left."""
    for name in ("a", "b", "c"):
        await call("POST", CONFIGMAPS, configmap(name))
    first = (await call("GET", "/api/v1/configmaps?limit=2")).json
    second = (await call("GET", f"/api/v1/configmaps?limit=2&continue={first['metadata']['continue']}")).json
    names = [[item["metadata"]["name"] for item in page["items"]] for page in (first, second)]
    assert names == [["a", "b"], ["c"]]
    assert first["metadata"]["remainingItemCount"] == 1
    assert second["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("continue=!", "invalid continue token: continue key is not valid: it is none that this server gave"),
        ("continue=e30", "invalid continue token: continue key is not valid: it is none that this server gave"),
        ("continue={}&resourceVersion=1", "specifying resource version is not allowed when using continue"),
    ],
)
async def test_a_page_that_nobody_offered_is_refused(call: Caller, query: str, why: str) -> None:
    """A token must be ours, and says by itself at which revision to go on."""
    for name in ("a", "b"):
        await call("POST", CONFIGMAPS, configmap(name))
    offered = (await call("GET", f"{CONFIGMAPS}?limit=1")).json["metadata"]["continue"]

    refused = await call("GET", f"{CONFIGMAPS}?limit=1&{query.format(offered)}")

    assert (refused.status, refused.json["reason"], refused.json["message"]) == (400, "BadRequest", why)


async def test_pages_of_forgotten_history_go_on_with_what_is_there_now(api: ApiServer, call: Caller) -> None:
    """410 has the token for the rest as it is now; whoever asked for one revision hears that it is too old."""
    for name in ("a", "b", "c"):
        await call("POST", CONFIGMAPS, configmap(name))
    first = (await call("GET", f"{CONFIGMAPS}?limit=1")).json["metadata"]
    await call("POST", CONFIGMAPS, configmap("bb"))
    await api.store.compact(await api.store.revision())

    expired = await call("GET", f"{CONFIGMAPS}?limit=1&continue={first['continue']}")
    exact = await call("GET", f"{CONFIGMAPS}?resourceVersionMatch=Exact&resourceVersion={first['resourceVersion']}")
    second = (await call("GET", f"{CONFIGMAPS}?limit=2&continue={expired.json['metadata']['continue']}")).json
    third = (await call("GET", f"{CONFIGMAPS}?limit=2&continue={second['metadata']['continue']}")).json

    assert (expired.status, expired.json["reason"], expired.json["message"]) == (410, "Expired", reading.PAGE_TOO_OLD)
    assert (exact.status, exact.json["reason"]) == (410, "Expired")
    assert exact.json["message"] == "The resourceVersion for the provided list is too old."
    assert [item["metadata"]["name"] for page in (second, third) for item in page["items"]] == ["b", "bb", "c"]


async def test_selectors_choose_what_is_listed(call: Caller) -> None:
    """Labels and fields; a field that cannot be selected is refused, and so is what is no selector."""
    labelled = configmap("a")
    labelled["metadata"]["labels"] = {"app": "web"}
    await call("POST", CONFIGMAPS, labelled)
    await call("POST", CONFIGMAPS, configmap("b"))
    by_label = await call("GET", f"{CONFIGMAPS}?labelSelector=app%3Dweb")
    by_field = await call("GET", f"{CONFIGMAPS}?fieldSelector=metadata.name%3Db")
    refused = await call("GET", f"{CONFIGMAPS}?fieldSelector=data.x%3Db")
    pods = await call("GET", "/api/v1/pods?fieldSelector=spec.x%3Db")
    unread = await call("GET", "/api/v1/pods?fieldSelector=what")
    assert [item["metadata"]["name"] for item in by_label.json["items"]] == ["a"]
    assert [item["metadata"]["name"] for item in by_field.json["items"]] == ["b"]
    assert (refused.status, refused.json["reason"]) == (400, "BadRequest")
    assert pods.json["message"] == "field label not supported: spec.x"
    assert unread.json["message"] == "invalid selector: 'what'; can't understand 'what'"
    assert refused.json["message"] == (
        '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


async def test_an_update_at_an_old_revision_is_a_conflict(call: Caller) -> None:
    """409 with the Status that clients know; at the right revision the object is answered."""
    made = (await call("POST", CONFIGMAPS, configmap("a", x="1"))).json
    changed = await call("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"x": "2"}})
    again = await call("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"x": "3"}})
    assert (changed.status, changed.json) == (200, stored(changed.json, x="2"))
    assert (again.status, again.json) == (
        409,
        {
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": {},
            "status": "Failure",
            "message": 'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply'
            " your changes to the latest version and try again",
            "reason": "Conflict",
            "details": {"name": "a", "kind": "configmaps"},
            "code": 409,
        },
    )


async def test_each_kind_of_patch_changes_the_object(call: Caller) -> None:
    """JSON patch, merge patch and strategic merge patch by their media types."""
    await call("POST", CONFIGMAPS, configmap("a", x="1"))
    patches: list[tuple[str, Any]] = [
        ("application/json-patch+json", [{"op": "replace", "path": "/data/x", "value": "2"}]),
        ("application/merge-patch+json", {"data": {"y": "3"}}),
        ("application/strategic-merge-patch+json", {"data": {"x": None}}),
    ]
    found = []
    for media_type, patch in patches:
        answer = await call("PATCH", f"{CONFIGMAPS}/a", orjson.dumps(patch), Content_Type=media_type)
        found.append((answer.status, answer.json["data"]))
    assert found == [(200, {"x": "2"}), (200, {"x": "2", "y": "3"}), (200, {"y": "3"})]


async def test_a_patch_of_an_unknown_type_is_415(call: Caller) -> None:
    """The error names the types that are read."""
    answer = await call("PATCH", f"{CONFIGMAPS}/a", b"{}", Content_Type="application/json")
    text = (
        "the body of the request was in an unknown format - accepted media types include:"
        " application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json,"
        " application/apply-patch+yaml"
    )
    assert (answer.status, answer.json["reason"], answer.json["message"]) == (415, "UnsupportedMediaType", text)


async def test_an_update_has_to_name_the_object(call: Caller) -> None:
    """As its path does."""
    await call("POST", CONFIGMAPS, configmap("a"))
    nameless = await call("PUT", f"{CONFIGMAPS}/a", {"data": {"x": "1"}})
    other = await call("PUT", f"{CONFIGMAPS}/a", configmap("b"))
    assert [(answer.status, answer.json["message"]) for answer in (nameless, other)] == [
        (400, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        (400, "the name of the object (b) does not match the name on the URL (a)"),
    ]


async def test_the_deletion_of_some_kinds_answers_what_is_gone(call: Caller) -> None:
    """As Kubernetes does, for Services and StorageClasses too."""
    services = CONFIGMAPS.replace("configmaps", "services")
    made = (await call("POST", services, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})).json
    deleted = await call("DELETE", f"{services}/a")
    assert (deleted.status, deleted.json["kind"]) == (200, "Service")
    assert deleted.json["metadata"]["uid"] == made["metadata"]["uid"]


async def test_the_deletion_of_what_is_then_gone_answers_success_with_details(call: Caller) -> None:
    """A Status with name, kind and uid of what is gone; then it is not found."""
    made = (await call("POST", CONFIGMAPS, configmap("a"))).json
    deleted = await call("DELETE", f"{CONFIGMAPS}/a")
    missing = await call("DELETE", f"{CONFIGMAPS}/a")
    assert (deleted.status, deleted.json) == (
        200,
        {
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": {},
            "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]},
        },
    )
    assert (missing.status, missing.json["message"]) == (404, 'configmaps "a" not found')
    assert missing.json["details"] == {"name": "a", "kind": "configmaps"}


async def test_a_deletion_that_a_finalizer_holds_answers_the_object(call: Caller) -> None:
    """With foreground propagation, asked for in the query, the answer is 202 and the marked object."""
    await call("POST", CONFIGMAPS, configmap("a"))
    answer = await call("DELETE", f"{CONFIGMAPS}/a?propagationPolicy=Foreground")
    assert (answer.status, answer.json["kind"]) == (202, "ConfigMap")
    assert answer.json["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert answer.json["metadata"]["deletionTimestamp"] == CREATED


async def test_the_body_of_a_deletion_holds_its_options(call: Caller) -> None:
    """Preconditions of DeleteOptions are kept."""
    await call("POST", CONFIGMAPS, configmap("a"))
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "other"}}
    answer = await call("DELETE", f"{CONFIGMAPS}/a", options)
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")


async def test_a_collection_is_deleted_by_its_selector(call: Caller) -> None:
    """The answer lists what was deleted; the rest stays."""
    labelled = configmap("a")
    labelled["metadata"]["labels"] = {"app": "web"}
    await call("POST", CONFIGMAPS, labelled)
    await call("POST", CONFIGMAPS, configmap("b"))
    answer = await call("DELETE", f"{CONFIGMAPS}?labelSelector=app%3Dweb")
    left = await call("GET", CONFIGMAPS)
    assert (answer.status, answer.json["kind"]) == (200, "ConfigMapList")
    assert [item["metadata"]["name"] for item in answer.json["items"]] == ["a"]
    assert [item["metadata"]["name"] for item in left.json["items"]] == ["b"]


async def test_a_dry_run_writes_nothing(call: Caller) -> None:
    """dryRun=All answers what would be stored; any other value is invalid."""
    dry = await call("POST", f"{CONFIGMAPS}?dryRun=All", configmap("a"))
    left = await call("GET", f"{CONFIGMAPS}/a")
    wrong = await call("POST", f"{CONFIGMAPS}?dryRun=Some", configmap("a"))
    assert (dry.status, left.status, wrong.status) == (201, 404, 422)
    assert wrong.json["message"] == (
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "Some": supported values: "All"'
    )


async def test_unknown_fields_are_warned_of_refused_or_ignored(call: Caller) -> None:
    """As fieldValidation says; Warn where it says nothing."""
    odd = {**configmap("a"), "foo": 1}
    warned = await call("POST", f"{CONFIGMAPS}?dryRun=All", odd)
    strict = await call("POST", f"{CONFIGMAPS}?fieldValidation=Strict", odd)
    ignored = await call("POST", f"{CONFIGMAPS}?dryRun=All&fieldValidation=Ignore", odd)
    assert (warned.status, warned.headers["Warning"]) == (201, '299 - "unknown field \\"foo\\""')
    assert (strict.status, strict.json["message"]) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo"',
    )
    assert (ignored.status, ignored.headers.get("Warning")) == (201, None)


async def test_a_field_that_stands_twice_is_found_where_validation_is_strict(call: Caller) -> None:
    """The path of the double is named."""
    body = b'{"metadata":{"name":"a"},"data":{"x":"1","x":"2"}}'
    answer = await call("POST", f"{CONFIGMAPS}?fieldValidation=Strict", body, Content_Type="application/json")
    assert (answer.status, answer.json["message"]) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.x"',
    )


SCHEME = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'
UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap)"
NO_JSON = f"{UNRECOGNIZED}: couldn't get version/kind; json parse error"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"apiVersion": "v1", "kind": "Secret"},
            'Secret in version "v1" cannot be handled as a ConfigMap: '
            "converting (v1.Secret) to (core.ConfigMap): unknown conversion",
        ),
        (
            {"apiVersion": "v2", "kind": "ConfigMap"},
            'ConfigMap in version "v2" cannot be handled as a ConfigMap: '
            f'no kind "ConfigMap" is registered for version "v2" {SCHEME}',
        ),
        (
            {"apiVersion": "v1", "kind": "configmap"},
            'configmap in version "v1" cannot be handled as a ConfigMap: '
            f'no kind "configmap" is registered for version "v1" {SCHEME}',
        ),
        (
            {"apiVersion": "a/b/c", "kind": "ConfigMap"},
            f'{UNRECOGNIZED}: unexpected GroupVersion string: a/b/c ({{"apiVersion":"a/b/c","kind":" ...)',
        ),
        (
            {"apiVersion": "v1", "kind": 1},
            f"{NO_JSON}: json: cannot unmarshal number into Go struct field .kind of type string"
            ' ({"apiVersion":"v1","kind":1})',
        ),
        (b"{", f"{NO_JSON}: unexpected end of JSON input ({{)"),
        (b"", f"{NO_JSON}: unexpected end of JSON input (<empty>)"),
        (b"kind: Pod", f"{NO_JSON}: invalid character 'k' looking for beginning of value (6b696e643a20506f64)"),
    ],
)
async def test_a_body_of_another_kind_or_none_is_refused(call: Caller, body: Any, said: str) -> None:
    """In Kubernetes' words, with what it begins with where it cannot be read."""
    answer = await call("POST", CONFIGMAPS, body, Content_Type="application/json")
    assert (answer.status, answer.json["message"]) == (400, said)


async def test_a_body_in_protobuf_that_is_none_is_refused(call: Caller) -> None:
    """Its first bytes are shown in hexadecimal."""
    answer = await call("POST", CONFIGMAPS, b"abc", Content_Type="application/vnd.kubernetes.protobuf")
    said = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (616263)"
    assert (answer.status, answer.json["message"]) == (400, f"{UNRECOGNIZED}: {said}")


@pytest.mark.parametrize(
    ("patch", "code", "said"),
    [
        ({"metadata": {"name": "b"}}, 400, "the name of the object (b) does not match the name on the URL (a)"),
        (
            {"metadata": {"namespace": "b"}},
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        ({"kind": "Secret"}, 422, "converting (v1.Secret) to (core.ConfigMap): unknown conversion"),
        ({"kind": "Foo"}, 422, f'no kind "Foo" is registered for version "v1" {SCHEME}'),
        ({"kind": []}, 422, "json: cannot unmarshal array into Go struct field .kind of type string"),
    ],
)
async def test_a_patch_makes_no_other_object(call: Caller, patch: Any, code: int, said: str) -> None:
    """Neither of another name or namespace nor of another kind; a strategic patch leaves the kind alone."""
    await call("POST", CONFIGMAPS, configmap("a"))
    answer = await call("PATCH", f"{CONFIGMAPS}/a", patch, Content_Type="application/merge-patch+json")
    strategic = await call("PATCH", f"{CONFIGMAPS}/a", patch, Content_Type="application/strategic-merge-patch+json")
    assert (answer.status, said in answer.json["message"]) == (code, True)
    assert strategic.status == (200 if "kind" in patch else code)


async def test_what_lies_in_no_namespace_may_name_one(call: Caller) -> None:
    """It is forgotten, as in Kubernetes."""
    node = {"metadata": {"name": "n", "namespace": "default"}}
    made = await call("POST", "/api/v1/nodes", node)
    put = await call("PUT", "/api/v1/nodes/n", {**node, "spec": {"podCIDR": ""}})
    patched = await call("PATCH", "/api/v1/nodes/n", node, Content_Type="application/merge-patch+json")
    assert [one.status for one in (made, put, patched)] == [201, 200, 200]
    assert ["namespace" in one.json["metadata"] for one in (made, put, patched)] == [False, False, False]


async def test_a_deletion_takes_no_other_object(call: Caller) -> None:
    """Only options, of whatever version."""
    await call("POST", CONFIGMAPS, configmap("a"))
    wrong = await call("DELETE", f"{CONFIGMAPS}/a", configmap("a"))
    right = await call("DELETE", f"{CONFIGMAPS}/a", {"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions"})
    assert (wrong.status, right.status) == (400, 200)
    assert 'ConfigMap in version "v1" cannot be handled as a DeleteOptions' in wrong.json["message"]


async def test_a_watch_tells_what_is_there_and_what_changes(call: Caller) -> None:
    """One line an event; the selection decides what comes."""
    made = (await call("POST", CONFIGMAPS, configmap("a", x="1"))).json
    async with call.session.get(f"{call.url}{CONFIGMAPS}?watch=true") as response:
        first = orjson.loads(await response.content.readline())
        changed = (await call("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"x": "2"}})).json
        second = orjson.loads(await response.content.readline())
        await call("DELETE", f"{CONFIGMAPS}/a")
        third = orjson.loads(await response.content.readline())
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    assert [first, second] == [{"type": "ADDED", "object": made}, {"type": "MODIFIED", "object": changed}]
    assert (third["type"], third["object"]["data"]) == ("DELETED", {"x": "2"})
    assert int(third["object"]["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


async def test_a_watch_ends_after_its_timeout(call: Caller) -> None:
    """timeoutSeconds ends the stream without an error."""
    answer = await call("GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=1")
    assert (answer.status, answer.body) == (200, b"")


async def test_initial_events_end_with_a_bookmark_that_says_so(call: Caller) -> None:
    """sendInitialEvents: the objects, then the mark with the annotation that informers look for."""
    made = (await call("POST", CONFIGMAPS, configmap("a"))).json
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    async with call.session.get(f"{call.url}{CONFIGMAPS}?{query}") as response:
        lines = [orjson.loads(await response.content.readline()) for _ in range(2)]
    assert lines == [
        {"type": "ADDED", "object": made},
        {
            "type": "BOOKMARK",
            "object": {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "annotations": {"k8s.io/initial-events-end": "true"},
                    "creationTimestamp": None,
                    "resourceVersion": made["metadata"]["resourceVersion"],
                },
            },
        },
    ]


async def test_the_old_form_of_a_watch_names_one_object(call: Caller) -> None:
    """/watch/ before the resource."""
    for name in ("a", "b"):
        await call("POST", CONFIGMAPS, configmap(name))
    async with call.session.get(f"{call.url}/api/v1/watch/namespaces/default/configmaps/b") as response:
        line = orjson.loads(await response.content.readline())
    assert line["object"]["metadata"]["name"] == "b"


async def test_options_of_a_list_that_contradict_each_other_are_invalid(call: Caller) -> None:
    """With Kubernetes' words."""
    answer = await call("GET", f"{CONFIGMAPS}?resourceVersionMatch=Exact")
    assert (answer.status, answer.json["message"]) == (
        422,
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden'
        " unless resourceVersion is provided",
    )


async def test_a_watch_whose_caller_hangs_up_is_released(call: Caller) -> None:
    """The gateway notices and closes what the watch held."""
    async with call.session.get(f"{call.url}{CONFIGMAPS}?watch=true") as response:
        assert response.status == 200
        assert "apiserver_longrunning_requests 1.0" in (await call("GET", "/metrics")).body.decode()

    async def released() -> str:
        figures = (await call("GET", "/metrics")).body.decode()
        return "" if "apiserver_longrunning_requests 0.0" in figures else "the watch is still counted"

    await pods.wait_until_async(released)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"[]"),
        ("application/json", b"\xff"),
        ("application/json", b'{"metadata":[]}'),
        ("application/json", b'{"metadata":{"name":"\\ud800"}}'),
        ("application/json", b'{"apiVersion":1}'),
        (
            "application/json",
            b'{"x":' + b"[" * 900 + b"]" * 900 + b', "metadata":{"labels":' + b"[" * 900 + b"]" * 900 + b"}}",
        ),
        ("application/yaml", b"a: [\n"),
        ("application/yaml", b"\xff\xfe\x00"),
        ("application/yaml", b"- a\n"),
        ("application/yaml", b"a: &a [*a]\n"),
        ("application/yaml", b"x: " + b"[" * 400 + b"]" * 400),
        ("application/yaml", b"x: " + b"[" * 5000 + b"]" * 5000),
    ],
)
async def test_a_body_that_makes_no_sense_is_a_bad_request(call: Caller, content_type: str, body: bytes) -> None:
    """400, never a fault of ours."""
    answer = await call("POST", CONFIGMAPS, body, Content_Type=content_type)
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")


async def test_yaml_whose_aliases_multiply_is_refused(call: Caller) -> None:
    """A few hundred bytes that stand for billions of parts."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    answer = await call("POST", CONFIGMAPS, "\n".join(lines).encode(), Content_Type="application/yaml")
    assert (answer.status, answer.json["message"]) == (
        400,
        "error converting YAML to JSON: yaml: document contains excessive aliasing",
    )


async def test_a_watch_of_forgotten_history_ends_with_an_error_event(api: ApiServer, call: Caller) -> None:
    """As Kubernetes: 200, then an event of type ERROR with the Status 410."""
    await call("POST", CONFIGMAPS, configmap("a"))
    await api.store.compact(await api.store.revision())
    async with control.memory_api(api.store) as younger, testing.serve(younger) as server:
        tls = aiohttp.TCPConnector(ssl=server.tls("admin", "system:masters"))
        async with aiohttp.ClientSession(connector=tls) as session:
            answer = await Caller(session, server.url)("GET", f"{CONFIGMAPS}?watch=1&resourceVersion=1")
    event = orjson.loads(answer.body)
    assert (answer.status, event["type"]) == (200, "ERROR")
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
