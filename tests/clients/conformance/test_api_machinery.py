"""[sig-api-machinery]: operations on kinds, discovery, lists in chunks, tables, the server's version."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from fairlead.testing import cluster as testing
from tests.clients.conformance import operations
from tests.support.rawrest import MERGE, STRATEGIC, Rest

RULES = [
    {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}
]
FLOW_SCHEMA = {
    "matchingPrecedence": 10000,
    "priorityLevelConfiguration": {"name": "global-default"},
    "distinguisherMethod": {"type": "ByUser"},
    "rules": [
        {
            "subjects": [{"kind": "User", "user": {"name": "nobody-of-that-name"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }
    ],
}
LEVEL = {
    "type": "Limited",
    "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
}
KINDS = [
    operations.Kind(
        *("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema"),
        made={"spec": FLOW_SCHEMA},
        change={"spec": {"matchingPrecedence": 9999}},
        other={"matchingPrecedence": 9001},
        subresources=("status",),
    ),
    operations.Kind(
        *("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration"),
        made={"spec": LEVEL},
        change={"spec": {"limited": {"nominalConcurrencyShares": 4, "limitResponse": {"type": "Reject"}}}},
        other={"limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}},
        subresources=("status",),
    ),
    operations.Kind(
        *("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
        made={
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"none": "such"}},
                    "resourceRules": RULES,
                },
                "validations": [{"expression": "object.spec.replicas <= 100"}],
            }
        },
        change={"spec": {"failurePolicy": "Ignore"}},
        other={"failurePolicy": "Fail"},
        subresources=("status",),
    ),
    operations.Kind(
        *(
            "admissionregistration.k8s.io",
            "v1",
            "validatingadmissionpolicybindings",
            "ValidatingAdmissionPolicyBinding",
        ),
        made={"spec": {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}},
        change={"spec": {"validationActions": ["Warn"]}},
    ),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_a_kind_of_cluster_configuration_has_every_operation(rest: Rest, kind: operations.Kind) -> None:
    """ "should support FlowSchema API operations", and those of the other kinds."""
    operations.discovered(rest, kind)
    name = operations.written(rest, kind)["metadata"]["name"]
    if "status" in kind.subresources:
        # a policy's conditions must be whole, the others' not
        more = {"message": "Set from an e2e test", "lastTransitionTime": "2024-01-01T00:00:00Z"}
        first = {"type": "PatchStatusFailed", "status": "False", "reason": "e2e"}
        second = {"type": "StatusUpdateFailed", "status": "False", "reason": "E2E", **more}
        if kind.kind == "ValidatingAdmissionPolicy":
            first |= more
        operations.status_written(rest, kind, name, first, second)
    operations.deleted(rest, kind, name)


# every group that a conformance test asks for, with a resource of it
SERVED = {
    ("admissionregistration.k8s.io", "v1"): "validatingwebhookconfigurations",
    ("apiextensions.k8s.io", "v1"): "customresourcedefinitions",
    ("apiregistration.k8s.io", "v1"): "apiservices",
    ("apps", "v1"): "deployments",
    ("authentication.k8s.io", "v1"): "tokenreviews",
    ("authorization.k8s.io", "v1"): "selfsubjectaccessreviews",
    ("autoscaling", "v1"): "horizontalpodautoscalers",
    ("autoscaling", "v2"): "horizontalpodautoscalers",
    ("batch", "v1"): "jobs",
    ("certificates.k8s.io", "v1"): "certificatesigningrequests",
    ("coordination.k8s.io", "v1"): "leases",
    ("discovery.k8s.io", "v1"): "endpointslices",
    ("events.k8s.io", "v1"): "events",
    ("networking.k8s.io", "v1"): "ingresses",
    ("node.k8s.io", "v1"): "runtimeclasses",
    ("policy", "v1"): "poddisruptionbudgets",
    ("scheduling.k8s.io", "v1"): "priorityclasses",
    ("storage.k8s.io", "v1"): "csinodes",
}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_each_group_has_a_document_with_a_version_that_it_prefers(rest: Rest) -> None:
    """Discovery "should locate the groupVersion and a resource", "should validate PreferredVersion"."""
    for (group, version), resource in SERVED.items():
        found = rest("GET", f"/apis/{group}/{version}")
        assert found["groupVersion"] == f"{group}/{version}"
        assert resource in [each["name"] for each in found["resources"]]
    core = rest("GET", "/api/v1")
    assert (core["groupVersion"], "namespaces" in [each["name"] for each in core["resources"]]) == ("v1", True)

    listed = rest("GET", "/apis/")["groups"]
    assert {group for group, _ in SERVED} <= {group["name"] for group in listed}
    for group in listed:
        alone = rest("GET", f"/apis/{group['name']}/")
        assert alone["preferredVersion"] in alone["versions"]


def test_aggregated_discovery_has_every_group_and_custom_kinds_too(rest: Rest, define: Any) -> None:
    """AggregatedDiscovery, raw and through the client's interface: v2 as one document for /apis and one for /api."""
    define(crd("things"))

    answer = rest.ask("GET", "/apis", accept=AGGREGATED)
    core = rest("GET", "/api", accept=AGGREGATED)

    assert answer.headers["Content-Type"] == AGGREGATED
    assert (answer.body["apiVersion"], answer.body["kind"]) == ("apidiscovery.k8s.io/v2", "APIGroupDiscoveryList")
    found = {
        (group["metadata"]["name"], version["version"]): [each["resource"] for each in version["resources"]]
        for group in answer.body["items"]
        for version in group["versions"]
    }
    for key, resource in {**SERVED, ("example.com", "v1"): "things"}.items():
        assert resource in found[key]
    (legacy,) = core["items"]
    assert "namespaces" in [each["resource"] for each in legacy["versions"][0]["resources"]]


def crd(plural: str, scope: str = "Namespaced") -> str:
    """Return a definition that takes everything, as text."""
    kind = plural.rstrip("s").capitalize()
    return (
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,"
        f" metadata: {{name: {plural}.example.com}}, spec: {{group: example.com, scope: {scope},"
        f" names: {{plural: {plural}, singular: {plural.rstrip('s')}, kind: {kind}, listKind: {kind}List}},"
        " versions: [{name: v1, served: true, storage: true, schema:"
        " {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}"
    )


def test_the_servers_version_is_two_numbers(rest: Rest) -> None:
    """server version "should find the server version"."""
    version = rest("GET", "/version")
    assert re.fullmatch("[1-9]", version["major"])
    assert re.fullmatch("[0-9]+", version["minor"])


def test_what_has_no_metadata_is_no_table(rest: Rest) -> None:
    """Table transformation "should return a 406 for a backend which does not implement metadata"."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    told = rest.ask("POST", path, review, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert (told.status, told.body["reason"], told.body["code"]) == (406, "NotAcceptable", 406)


SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
WARDLE = "v1alpha1.wardle.example.com"


def test_an_api_service_has_every_operation(rest: Rest) -> None:
    """Aggregator "… support the 1.17 Sample API Server": what it does with the APIService, behind which nobody is."""
    service = {"namespace": "default", "name": "sample-api", "port": 7443}
    spec = {"service": service, "group": "wardle.example.com", "version": "v1alpha1", "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 2000, "versionPriority": 200}
    one, status = f"{SERVICES}/{WARDLE}", f"{SERVICES}/{WARDLE}/status"
    rest("POST", SERVICES, {"metadata": {"name": WARDLE}, "spec": spec})
    seen = rest.until(
        SERVICES, lambda found: "conditions" in found["status"], fieldSelector=f"metadata.name={WARDLE}"
    )
    (available,) = seen["status"]["conditions"]
    assert (available["type"], available["status"], available["reason"]) == ("Available", "False", "ServiceNotFound")

    assert rest("PATCH", one, {"spec": {"versionPriority": 400}}, sent=MERGE)["spec"]["versionPriority"] == 400
    assert WARDLE in [each["metadata"]["name"] for each in rest("GET", SERVICES)["items"]]
    labels = {"e2e-apiservice": "patched"}
    assert rest("PATCH", one, {"metadata": {"labels": labels}}, sent=STRATEGIC)["metadata"]["labels"] == labels

    condition = {"status": "True", "reason": "E2E", "message": "Set from e2e test", "lastTransitionTime": None}
    more = {"type": "StatusUpdated", **condition}
    operations.replaced(rest, status, lambda found: found["status"]["conditions"].append(more))
    assert [each["type"] for each in rest("GET", status)["status"]["conditions"]] == ["Available", "StatusUpdated"]

    def renamed(found: dict[str, Any]) -> None:
        found["metadata"]["labels"] = {WARDLE: "updated"}

    assert operations.replaced(rest, one, renamed)["metadata"]["labels"] == {WARDLE: "updated"}
    known = rest("GET", status)["status"]["conditions"]
    patch = {"status": {"conditions": [*known, {"type": "StatusPatched", **condition}]}}
    rest("PATCH", status, patch, sent=MERGE)
    assert "StatusPatched" in [each["type"] for each in rest("GET", status)["status"]["conditions"]]

    rest("DELETE", SERVICES, labelSelector=f"{WARDLE}=updated")
    assert rest("GET", SERVICES, labelSelector=f"{WARDLE}=updated")["items"] == []


TEMPLATES = "/api/v1/namespaces/default/podtemplates"
TOTAL = 60


@pytest.fixture
def templates(rest: Rest) -> None:
    """Many PodTemplates, whose names are in order."""
    for number in range(TOTAL):
        spec = {"containers": [{"name": "test", "image": "test2"}]}
        rest("POST", TEMPLATES, {"metadata": {"name": f"template-{number:04}"}, "template": {"spec": spec}})


def chunks(rest: Rest, token: str | None, found: int, choose: Any) -> tuple[int, set[str]]:
    """Take the rest of the list in chunks; returns how many there were in all and the revisions that they told."""
    revisions = set()
    while True:
        limit = choose()
        page = rest("GET", TEMPLATES, limit=limit, **({"continue": token} if token else {}))
        revisions.add(page["metadata"]["resourceVersion"])
        names = [item["metadata"]["name"] for item in page["items"]]
        assert len(names) <= limit
        assert names == [f"template-{number:04}" for number in range(found, found + len(names))]
        found += len(names)
        token = page["metadata"].get("continue")
        if not token:
            assert "remainingItemCount" not in page["metadata"]
            return found, revisions
        assert page["metadata"]["remainingItemCount"] + found == TOTAL


@pytest.mark.usefixtures("templates")
def test_a_list_comes_in_chunks_of_any_size_at_one_revision(rest: Rest) -> None:
    """API chunking "should return chunks of results for list calls"."""
    chosen = random.Random(7)
    for _ in range(3):
        found, revisions = chunks(rest, None, 0, lambda: chosen.randint(1, TOTAL // 6))
        assert (found, len(revisions)) == (TOTAL, 1)
    assert len(rest("GET", TEMPLATES, limit=TOTAL + 1)["items"]) == TOTAL


@pytest.mark.usefixtures("templates")
def test_a_list_goes_on_from_its_last_key_once_its_revision_is_forgotten(
    rest: Rest, cluster: testing.Threaded
) -> None:
    """API chunking "should support continue listing from the last key if the original version has been compacted"."""
    first = rest("GET", TEMPLATES, limit=TOTAL // 10)["metadata"]
    assert first["remainingItemCount"] == TOTAL - TOTAL // 10
    rest("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "later"}})
    cluster.call(compacted(cluster))

    expired = rest.ask("GET", TEMPLATES, limit=TOTAL // 10, **{"continue": first["continue"]})
    assert (expired.status, expired.body["reason"]) == (410, "Expired")
    token = expired.body["metadata"]["continue"]
    found, revisions = chunks(rest, token, TOTAL // 10, lambda: TOTAL // 10)

    assert (found, len(revisions)) == (TOTAL, 1)
    assert first["resourceVersion"] not in revisions


async def compacted(cluster: testing.Threaded) -> None:
    """Forget all revisions but the last."""
    store = cluster.running.api.store
    await store.compact(await store.revision())


def test_a_table_comes_in_chunks(rest: Rest) -> None:
    """Table transformation "should return chunks of table results for list calls"; rows have all their cells."""
    for number in range(5):
        spec = {"containers": [{"name": "test", "image": "test2"}]}
        rest("POST", TEMPLATES, {"metadata": {"name": f"template-{number:04}"}, "template": {"spec": spec}})
    as_table = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
    first = rest("GET", TEMPLATES, limit=2, accept=as_table)
    second = rest("GET", TEMPLATES, accept=as_table, **{"continue": first["metadata"]["continue"]})
    assert (first["apiVersion"], first["metadata"]["resourceVersion"] != "") == ("meta.k8s.io/v1beta1", True)
    assert [row["cells"][0] for row in first["rows"]] == ["template-0000", "template-0001"]
    assert [row["cells"][0] for row in second["rows"]] == ["template-0002", "template-0003", "template-0004"]
    nodes = rest("GET", "/api/v1/nodes", accept=as_table)
    assert nodes["columnDefinitions"][0]["name"] == "Name"
    assert {len(row["cells"]) for row in nodes["rows"]} == {len(nodes["columnDefinitions"])}
