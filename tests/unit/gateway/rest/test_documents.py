"""What is no resource: discovery, versions, health, figures; and paths that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from control.apiserver.server import ApiServer
from control.gateway.rest import paths
from fairlead import version
from fairlead.api import errors
from tests.unit.gateway.rest.conftest import Caller

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
EVERY = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def row(rows: list[dict[str, Any]], key: str, name: str) -> dict[str, Any]:
    """Return the row of a name."""
    return next(one for one in rows if one[key] == name)


async def test_the_core_group_is_v1_at_this_address(call: Caller) -> None:
    """/api."""
    answer = await call("GET", "/api")
    assert answer.json == {
        "apiVersion": "v1",
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": call.url.removeprefix("https://")}
        ],
    }


async def test_groups_tell_their_versions_and_which_is_preferred(call: Caller) -> None:
    """/apis and /apis/GROUP say the same."""
    every = (await call("GET", "/apis")).json
    apps = (await call("GET", "/apis/apps")).json
    v1 = {"groupVersion": "apps/v1", "version": "v1"}
    assert apps == {
        "apiVersion": "v1",
        "kind": "APIGroup",
        "name": "apps",
        "versions": [v1],
        "preferredVersion": v1,
    }
    assert every["kind"] == "APIGroupList"
    listed = row(every["groups"], "name", "apps")
    assert {**listed, "apiVersion": "v1", "kind": "APIGroup"} == apps


async def test_what_extends_the_api_is_a_category(call: Caller) -> None:
    """`kubectl get api-extensions` finds all of it."""
    found = []
    for group in ("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps"):
        resources = (await call("GET", f"/apis/{group}/v1")).json["resources"]
        found += [one["name"] for one in resources if "api-extensions" in one.get("categories", ())]
    assert found == [
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
        "customresourcedefinitions",
        "apiservices",
    ]


async def test_resources_tell_their_verbs_and_names(call: Caller) -> None:
    """/api/v1 with subresources; a subresource of another kind names that kind's group and version."""
    core = (await call("GET", "/api/v1")).json
    apps = (await call("GET", "/apis/apps/v1")).json
    names = [one["name"] for one in core["resources"]]
    assert (core["kind"], core["groupVersion"]) == ("APIResourceList", "v1")
    assert names == sorted(names)
    assert row(core["resources"], "name", "pods") == {
        "name": "pods",
        "singularName": "pod",
        "namespaced": True,
        "kind": "Pod",
        "verbs": EVERY,
        "shortNames": ["po"],
        "categories": ["all"],
        "storageVersionHash": "xPOwRZ+Yhw8=",  # as every kube-apiserver has it
    }
    assert row(core["resources"], "name", "configmaps")["storageVersionHash"] == "qFsyl6wFWjQ="
    assert "storageVersionHash" not in row(core["resources"], "name", "bindings")
    assert row(core["resources"], "name", "pods/eviction") == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
        "verbs": ["create"],
    }
    assert row(apps["resources"], "name", "deployments/scale") == {
        "name": "deployments/scale",
        "singularName": "",
        "namespaced": True,
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }


async def test_the_root_lists_what_is_served(call: Caller) -> None:
    """Each path is one that answers."""
    listed = (await call("GET", "/")).json["paths"]

    assert listed == sorted(listed)
    assert {"/", "/api/v1", "/apis/apps", "/apis/apps/v1", "/livez/ping", "/metrics", "/openapi/v2"} <= set(listed)
    assert {path: (await call("GET", path)).status for path in listed} == dict.fromkeys(listed, 200)


async def test_every_version_of_a_kind_tells_how_its_objects_are_stored(call: Caller) -> None:
    """Events are one resource in two groups."""
    core = (await call("GET", "/api/v1")).json["resources"]
    events = (await call("GET", "/apis/events.k8s.io/v1")).json["resources"]

    assert row(core, "name", "events")["storageVersionHash"] == row(events, "name", "events")["storageVersionHash"]


async def test_aggregated_discovery_tells_all_at_once(call: Caller) -> None:
    """With an ETag by which a caller that has it is answered 304."""
    core = await call("GET", "/api", accept=AGGREGATED)
    every = await call("GET", "/apis", accept=AGGREGATED)
    again = await call("GET", "/apis", accept=AGGREGATED, If_None_Match=every.headers["ETag"])
    beta = await call("GET", "/apis", accept=AGGREGATED.replace("v=v2", "v=v2beta1"))
    assert every.headers["Content-Type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert (again.status, again.body) == (304, b"")
    assert (every.json["kind"], every.json["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert {**beta.json, "apiVersion": "apidiscovery.k8s.io/v2"} == every.json
    (only,) = core.json["items"]
    assert (only["metadata"].get("name"), [one["version"] for one in only["versions"]]) == (None, ["v1"])
    apps = next(one for one in every.json["items"] if one["metadata"]["name"] == "apps")
    deployment = row(apps["versions"][0]["resources"], "resource", "deployments")
    assert apps["versions"][0]["freshness"] == "Current"
    assert deployment == {
        "resource": "deployments",
        "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "scope": "Namespaced",
        "singularResource": "deployment",
        "verbs": EVERY,
        "shortNames": ["deploy"],
        "categories": ["all"],
        "subresources": [
            {
                "subresource": "scale",
                "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
                "verbs": ["get", "patch", "update"],
            },
            {
                "subresource": "status",
                "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "verbs": ["get", "patch", "update"],
            },
        ],
    }


async def test_discovery_and_aggregated_discovery_agree(call: Caller) -> None:
    """Every resource and subresource of every group with the same verbs."""
    aggregated: dict[str, list[str]] = {}
    plain: dict[str, list[str]] = {}
    for path in ("/api", "/apis"):
        for group in (await call("GET", path, accept=AGGREGATED)).json["items"]:
            for found in group["versions"]:
                root = f"{path}/{group['metadata']['name']}" if path == "/apis" else path
                base = f"{root}/{found['version']}"
                for one in (await call("GET", base)).json["resources"]:
                    plain[f"{base}/{one['name']}"] = one["verbs"]
                for one in found["resources"]:
                    aggregated[f"{base}/{one['resource']}"] = one["verbs"]
                    for sub in one.get("subresources", ()):
                        aggregated[f"{base}/{one['resource']}/{sub['subresource']}"] = sub["verbs"]
    assert plain == aggregated
    assert "/apis/metrics.k8s.io/v1beta1/nodes" in plain


async def test_the_version_is_kubernetes_with_ours_behind_it(call: Caller) -> None:
    """What clients compare themselves with."""
    answer = await call("GET", "/version")
    told = answer.json
    assert (told["major"], told["minor"], told["gitVersion"]) == ("1", "32", f"v1.32.0+fairlead-{version.VERSION}")


@pytest.mark.parametrize("name", ["healthz", "livez", "readyz"])
async def test_health_is_ok_in_one_word_or_check_by_check(call: Caller, name: str) -> None:
    """With ?verbose each check has its line; each has a path of its own."""
    short = await call("GET", f"/{name}")
    verbose = await call("GET", f"/{name}?verbose&exclude=etcd&exclude=b&exclude=a")
    some = ["ping", "log", "etcd", "poststarthook/rbac/bootstrap-roles"]
    each = [await call("GET", f"/{name}/{check}") for check in some]
    none = await call("GET", f"/{name}/nonsense")
    lines = verbose.body.decode().splitlines()
    assert (short.status, short.body, [one.body for one in each]) == (200, b"ok", [b"ok"] * len(some))
    assert lines[:3] == ["[+]ping ok", "[+]log ok", "[+]etcd excluded: ok"]
    assert "[+]poststarthook/rbac/bootstrap-roles ok" in lines
    assert lines[-2:] == [
        'warn: some health checks cannot be excluded: no matches for "a","b"',
        f"{name} check passed",
    ]
    assert (none.status, none.body) == (404, b"404 page not found\n")


async def test_a_process_without_etcd_is_neither_ready_nor_live(api: ApiServer, call: Caller) -> None:
    """500, and which check failed, as in Kubernetes; who would restart what lives leaves etcd out."""

    class Gone:
        """A store that does not answer."""

        async def revision(self) -> int:
            """Fail as the real one does."""
            raise errors.ServiceUnavailable("etcd does not answer")

    api.store = Gone()  # type: ignore[assignment]
    ready = await call("GET", "/readyz")
    live = await call("GET", "/livez")
    itself = await call("GET", "/livez?exclude=etcd")
    etcd = await call("GET", "/livez/etcd")
    failed = [line for line in ready.body.decode().splitlines() if not line.startswith("[+]")]
    assert (ready.status, failed) == (
        500,
        ["[-]etcd failed: reason withheld", "[-]etcd-readiness failed: reason withheld", "readyz check failed"],
    )
    assert (live.status, live.body.decode().splitlines()[-1]) == (500, "livez check failed")
    assert (itself.status, itself.body) == (200, b"ok")
    assert (etcd.status, etcd.body) == (500, b"internal server error: etcd does not answer\n")


async def test_the_figures_count_requests(call: Caller) -> None:
    """Under Kubernetes' names, for Prometheus."""
    await call("GET", "/api/v1/namespaces/default/pods")
    await call("GET", "/api/v1/namespaces/default/pods/none")
    answer = await call("GET", "/metrics")
    found = answer.body.decode()
    labels = 'group="",resource="pods",scope="{}",subresource="",verb="{}",version="v1"'
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert f'apiserver_request_total{{code="200",{labels.format("namespace", "LIST")}}} 1.0' in found
    assert f'apiserver_request_total{{code="404",{labels.format("resource", "GET")}}} 1.0' in found
    assert "process_resident_memory_bytes" in found


@pytest.mark.parametrize("path", ["/nonsense", "/apis/none.example", "/apis/none.example/v1/things", "/api/v2"])
async def test_a_path_that_leads_nowhere_is_a_plain_404(call: Caller, path: str) -> None:
    """As Kubernetes answers it: no Status."""
    answer = await call("GET", path)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (
        404,
        b"404 page not found\n",
        "text/plain; charset=utf-8",
    )


@pytest.mark.parametrize(
    "path", ["/api/v1/things", "/api/v1/namespaces/default/pods/a/nonsense", "/api/v1/namespaces/default/nodes"]
)
async def test_an_unknown_resource_of_a_known_group_is_a_status(call: Caller, path: str) -> None:
    """404 with the words that clients look for."""
    answer = await call("GET", path)
    assert (answer.status, answer.json["reason"], answer.json["message"]) == (
        404,
        "NotFound",
        "the server could not find the requested resource",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/namespaces/default/pods/a"),
        ("PUT", "/api/v1/pods"),
        ("PATCH", "/api/v1/pods"),
        ("POST", "/api/v1/pods"),
        ("DELETE", "/api/v1/pods"),
        ("DELETE", "/api/v1/namespaces"),
        ("POST", "/apis/authorization.k8s.io/v1/localsubjectaccessreviews"),
        ("PUT", "/api"),
        ("PUT", "/api/v1/pods/a/exec"),
        ("DELETE", "/api/v1/namespaces/default/pods/a/exec"),
        ("PATCH", "/api/v1/namespaces/default/pods/a/attach"),
        ("DELETE", "/api/v1/nodes/a/status"),
        ("POST", "/api/v1/nodes/a/status"),
        ("DELETE", "/apis/apps/v1/namespaces/default/deployments/a/scale"),
        ("GET", "/api/v1/namespaces/default/pods/a/binding"),
        ("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a/status"),
    ],
)
async def test_a_method_that_a_path_does_not_have_is_405(call: Caller, method: str, path: str) -> None:
    """With Kubernetes' words."""
    answer = await call(method, path, {})
    assert (answer.status, answer.json["reason"], answer.json["message"]) == (
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )


async def test_all_namespaces_at_once_are_only_read(call: Caller) -> None:
    """Nobody deletes the ConfigMaps of every namespace by one request, or those of all namespaces with them."""
    configmaps = "/api/v1/namespaces/default/configmaps"
    await call("POST", configmaps, {"metadata": {"name": "a"}})

    for path in ("/api/v1/configmaps", "/api/v1/namespaces"):
        assert (await call("DELETE", path)).status == 405
    assert (await call("DELETE", "/api/v1/configmaps/a")).json["message"] == errors.NO_RESOURCE
    assert [one["metadata"]["name"] for one in (await call("GET", "/api/v1/configmaps")).json["items"]] == ["a"]
    assert (await call("DELETE", configmaps)).status == 200


@pytest.mark.parametrize("subresource", ["attach", "binding", "eviction", "exec", "log", "portforward"])
async def test_a_subresource_is_no_way_to_its_object(call: Caller, subresource: str) -> None:
    """A right to `pods/log` is none to the pod: what the subresource does not offer changes nothing."""
    await call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    pods, spec = "/api/v1/namespaces/default/pods", {"containers": [{"name": "a", "image": "b"}]}
    created = await call("POST", pods, {"metadata": {"name": "a"}, "spec": spec})
    labelled = {"metadata": {"labels": {"x": "y"}}}

    patched = await call("PATCH", f"{pods}/a/{subresource}", labelled, Content_Type="application/merge-patch+json")
    put = await call("PUT", f"{pods}/a/{subresource}", created.json)
    deleted = await call("DELETE", f"{pods}/a/{subresource}")
    read = await call("GET", f"{pods}/a")

    assert (created.status, patched.status, put.status, deleted.status) == (201, 405, 405, 405)
    assert read.json == created.json


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("/api/v1/pods", paths.Path("", "v1", "pods")),
        ("/api/v1/namespaces", paths.Path("", "v1", "namespaces")),
        ("/api/v1/namespaces/a", paths.Path("", "v1", "namespaces", name="a")),
        ("/api/v1/namespaces/a/finalize", paths.Path("", "v1", "namespaces", "", "a", "finalize")),
        ("/api/v1/namespaces/a/pods", paths.Path("", "v1", "pods", "a")),
        (
            "/apis/apps/v1/namespaces/a/deployments/b/scale",
            paths.Path("apps", "v1", "deployments", "a", "b", "scale"),
        ),
        ("/api/v1/namespaces/a/pods/b/proxy/x/y/", paths.Path("", "v1", "pods", "a", "b", "proxy", "x/y/")),
        ("/api/v1/watch/namespaces/a/pods", paths.Path("", "v1", "pods", "a", watching=True)),
        ("/api/v1/nodes/a%3Ab", paths.Path("", "v1", "nodes", name="a:b")),
        ("/api/v1/nodes/a%2Fb", None),
        ("/api/v1/nodes/a%252Fb", None),
        ("/api/v1/namespaces/a/../b/pods", None),
        ("/api/v1/namespaces/a/%2e%2e/pods", None),
        ("/api/v1", None),
        ("/apis/apps/v1", None),
        ("/api/v1//x", None),
        ("/api/v1/namespaces//pods", None),
        ("/x/v1/pods", None),
        ("", None),
    ],
)
def test_a_path_is_taken_apart(raw: str, wanted: paths.Path | None) -> None:
    """Into group, version, namespace, resource, name, subresource and rest."""
    assert paths.parse(raw) == wanted


async def test_a_handler_answers_a_subresource_and_a_path(call: Caller, server: Any) -> None:
    """The seam for streams and documents: the handler learns who asks what of whom."""
    seen = []

    async def handler(asked: Any) -> web.Response:
        seen.append((asked.user.name, asked.verb, asked.about and asked.about.name, asked.rest))
        return web.Response(text="handled")

    server.gateway.handlers.add("pods", "exec", ("get", "create"), handler)
    server.gateway.handlers.add_path("/openapi/v3/", handler)
    answers = [
        await call("POST", "/api/v1/namespaces/default/pods/a/exec"),
        await call("GET", "/openapi/v3/apis/apps/v1"),
    ]
    assert [answer.body for answer in answers] == [b"handled", b"handled"]
    assert seen == [("admin", "create", "a", ""), ("admin", "get", None, "/openapi/v3/apis/apps/v1")]
