"""Every verb over REST: whole answers, as Kubernetes gives them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from control.apiserver import reading
from control.apiserver.server import ApiServer
from tests.unit.gateway.rest.conftest import CONFIGMAPS, Caller, configmap

CREATED = "2023-11-14T22:13:20Z"


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


async def test_options_of_a_list_that_contradict_each_other_are_invalid(call: Caller) -> None:
    """With Kubernetes' words."""
    answer = await call("GET", f"{CONFIGMAPS}?resourceVersionMatch=Exact")
    assert (answer.status, answer.json["message"]) == (
        422,
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden'
        " unless resourceVersion is provided",
    )
