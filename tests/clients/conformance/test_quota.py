"""[sig-api-machinery] ResourceQuota: the life of each kind as a quota counts it, scopes, status."""

from __future__ import annotations

from typing import Any

from tests.support.rawrest import STRATEGIC, Rest

CORE = "/api/v1/namespaces/default"
QUOTAS = f"{CORE}/resourcequotas"
HARD = {
    "pods": "5",
    "services": "10",
    "services.nodeports": "1",
    "services.loadbalancers": "1",
    "replicationcontrollers": "10",
    "resourcequotas": "1",
    "cpu": "1",
    "memory": "500Mi",
    "configmaps": "10",
    "secrets": "10",
    "persistentvolumeclaims": "10",
    "requests.storage": "10Gi",
    "requests.ephemeral-storage": "50Gi",
    "limits.ephemeral-storage": "100Gi",
    "count/replicasets.apps": "5",
    "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
    "gold.storageclass.storage.k8s.io/requests.storage": "10Gi",
    "requests.example.com/dongle": "3",
}


def quota(rest: Rest, name: str = "test-quota", **more: Any) -> Any:
    """Create a quota and wait until its status holds what its spec does."""
    spec = {"hard": HARD, **more}
    made = rest("POST", QUOTAS, {"metadata": {"name": name}, "spec": spec})
    return rest.until(
        QUOTAS,
        lambda found: (found["status"].get("hard"), found["spec"]["hard"]) == (made["spec"]["hard"],) * 2,
        fieldSelector=f"metadata.name={name}",
    )


def until(rest: Rest, used: dict[str, str], name: str = "test-quota") -> None:
    """Wait until a quota's status counts so much."""
    rest.until(
        QUOTAS,
        lambda found: used.items() <= found["status"].get("used", {}).items(),
        fieldSelector=f"metadata.name={name}",
    )


def test_a_quotas_status_is_calculated(rest: Rest) -> None:
    """ResourceQuota "should create a ResourceQuota and ensure its status is promptly calculated"."""
    used = quota(rest)["status"]["used"]
    assert (used["resourcequotas"], used["pods"], sorted(used)) == ("1", "0", sorted(HARD))


TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
KINDS = [
    ("configmaps", f"{CORE}/configmaps", {"data": {"a": "b"}}),
    ("secrets", f"{CORE}/secrets", {"stringData": {"a": "b"}}),
    (
        "replicationcontrollers",
        f"{CORE}/replicationcontrollers",
        {"spec": {"replicas": 0, "selector": {"a": "b"}, "template": TEMPLATE}},
    ),
    (
        "count/replicasets.apps",
        "/apis/apps/v1/namespaces/default/replicasets",
        {"spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}},
    ),
]


def test_objects_lives_are_counted(rest: Rest) -> None:
    """ResourceQuota "should … capture the life of a configMap", "… secret", "… replication controller", …"""
    used = quota(rest)["status"]["used"]
    before = {resource: used[resource] for resource, _, _ in KINDS}
    for _, path, content in KINDS:
        rest("POST", path, {"metadata": {"name": "test"}, **content})
    until(rest, {resource: str(int(count) + 1) for resource, count in before.items()})
    for _, path, _ in KINDS:
        rest("DELETE", f"{path}/test", {"propagationPolicy": "Background"})
    until(rest, before)


def service(name: str, kind: str) -> dict[str, Any]:
    """Return a Service of a type."""
    return {"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80, "targetPort": 80}]}}


def test_services_of_each_type_are_counted(rest: Rest) -> None:
    """ResourceQuota "should … capture the life of a service": node ports run out first."""
    first = int(quota(rest)["status"]["used"]["services"])
    rest("POST", f"{CORE}/services", service("plain", "ClusterIP"))
    rest("POST", f"{CORE}/services", service("ports", "NodePort"))
    told = rest.refused(403, "POST", f"{CORE}/services", service("balanced", "LoadBalancer"))
    assert "exceeded quota: test-quota, requested: services.nodeports=1" in told
    used = rest("GET", f"{QUOTAS}/test-quota")["status"]["used"]
    counted = [used[f"services{each}"] for each in ("", ".nodeports", ".loadbalancers")]
    assert counted == [str(first + 2), "1", "0"]
    for name in ("plain", "ports"):
        rest("DELETE", f"{CORE}/services/{name}")
    until(rest, {"services": str(first), "services.nodeports": "0"})


def pod(name: str, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **spec: Any) -> Any:
    """Return a pod that asks for so much."""
    resources = {"requests": requests or {}, "limits": limits or {}}
    containers = [{"name": "pause", "image": "pause", "resources": resources}]
    # nobody has a dongle: it waits
    return {"metadata": {"name": name}, "spec": {"containers": containers, "nodeSelector": {"x-test": "no"}, **spec}}


def test_what_pods_ask_for_is_counted(rest: Rest) -> None:
    """ResourceQuota "should … capture the life of a pod": with extended resources, and no update changes it."""
    quota(rest)
    dongles = {"example.com/dongle": "2"}
    asked = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", **dongles}
    made = rest("POST", f"{CORE}/pods", pod("test-pod", asked, dongles))
    want = {"pods": "1", "cpu": "500m", "memory": "252Mi", "requests.ephemeral-storage": "30Gi"}
    want |= {"requests.example.com/dongle": "2"}
    until(rest, want)

    told = rest.refused(403, "POST", f"{CORE}/pods", pod("fail-pod", {"cpu": "600m", "memory": "100Mi"}))
    assert "exceeded quota: test-quota, requested: cpu=600m, used: cpu=500m, limited: cpu=1" in told
    again = {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "10Gi", **dongles}
    told = rest.refused(403, "POST", f"{CORE}/pods", pod("fail-pod-for-extended-resource", again, dongles))
    assert "requests.example.com/dongle=2, limited: requests.example.com/dongle=3" in told
    made["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "100m", "memory": "100Mi"}
    assert rest.ask("PUT", f"{CORE}/pods/test-pod", made).status in (409, 422)
    until(rest, want)

    rest("DELETE", f"{CORE}/pods/test-pod", {"gracePeriodSeconds": 0})
    until(rest, dict.fromkeys(want, "0"))


SMALL, LARGE = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}
SCOPED = [
    (pod("best-effort"), ("BestEffort", "NotTerminating")),
    (pod("burstable", SMALL, LARGE), ("NotBestEffort", "NotTerminating")),
    (pod("ending", SMALL, LARGE, activeDeadlineSeconds=3600), ("NotBestEffort", "Terminating")),
]


def test_a_quota_counts_what_is_in_its_scope(rest: Rest) -> None:
    """ResourceQuota "should verify ResourceQuota with best effort scope", "… with terminating scopes"."""
    scopes = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating")
    for name in scopes:
        quota(rest, name.lower(), hard={"pods": "5"}, scopes=[name])
    counts = dict.fromkeys(scopes, 0)
    for made, inside in SCOPED:
        rest("POST", f"{CORE}/pods", made)
        counts |= {name: counts[name] + 1 for name in inside}
        for name, count in counts.items():
            until(rest, {"pods": str(count)}, name.lower())
    for made, _ in SCOPED:
        rest("DELETE", f"{CORE}/pods/{made['metadata']['name']}", {"gracePeriodSeconds": 0})
    for name in scopes:
        until(rest, {"pods": "0"}, name.lower())


def test_a_quota_is_updated_patched_listed_and_deleted(rest: Rest) -> None:
    """ResourceQuota "should be able to update and delete ResourceQuota", "… manage the lifecycle …"."""
    body = {"metadata": {"name": "q", "labels": {"q": "q"}}, "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}}
    made = rest("POST", QUOTAS, body)
    assert rest("GET", f"{QUOTAS}/q")["spec"] == body["spec"]
    body["spec"] = {"hard": {"cpu": "2", "memory": "1Gi"}}
    updated = rest("PUT", f"{QUOTAS}/q", body)
    assert updated["spec"] == rest("GET", f"{QUOTAS}/q")["spec"] == body["spec"]

    listed = rest("GET", "/api/v1/resourcequotas", labelSelector="q=q")["items"]
    assert [each["metadata"]["name"] for each in listed] == ["q"]
    patch = {"metadata": {"labels": {"more": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = rest("PATCH", f"{QUOTAS}/q", patch, sent=STRATEGIC)
    assert (patched["metadata"]["labels"], patched["spec"]["hard"]) == (
        {"q": "q", "more": "patched"},
        {"cpu": "2", "memory": "750Mi"},
    )
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    rest("DELETE", QUOTAS, labelSelector="q=q")
    assert rest.refused(404, "GET", f"{QUOTAS}/q") == 'resourcequotas "q" not found'


def test_a_quotas_status_is_written_and_mended(rest: Rest) -> None:
    """ResourceQuota "should apply changes to a resourcequota status": seen, then put right."""
    first = {"cpu": "500m", "memory": "500Mi"}
    rest("POST", QUOTAS, {"metadata": {"name": "q", "labels": {"q": "q"}}, "spec": {"hard": first}})
    found = rest("GET", f"{QUOTAS}/q")
    while (answer := rest.ask("PUT", f"{QUOTAS}/q/status", {**found, "status": {"hard": first}})).status == 409:
        found = rest("GET", f"{QUOTAS}/q")
    assert (answer.status, answer.body["status"]["hard"]) == (200, first)

    second = {"cpu": "1", "memory": "1Gi"}
    rest("PATCH", f"{QUOTAS}/q", {"spec": {"hard": second}}, sent=STRATEGIC)
    rest("PATCH", f"{QUOTAS}/q/status", {"status": {"hard": second}}, sent=STRATEGIC)
    read = rest("GET", f"{QUOTAS}/q/status")
    assert (read["kind"], read["status"]["hard"]) == ("ResourceQuota", second)

    third = {"cpu": "2", "memory": "2Gi"}
    revision = rest("GET", QUOTAS, labelSelector="q=q")["metadata"]["resourceVersion"]
    with rest.watch(QUOTAS, labelSelector="q=q", resourceVersion=revision) as events:
        patched = rest("PATCH", f"{QUOTAS}/q/status", {"status": {"hard": third}}, sent=STRATEGIC)
        assert (patched["status"]["hard"], patched["spec"]["hard"]) == (third, second)
        events.until(lambda _, seen: seen["status"]["hard"] == third)
        mended = events.until(lambda _, seen: seen["status"]["hard"] == second)[-1][1]
    assert mended["spec"]["hard"] == second
