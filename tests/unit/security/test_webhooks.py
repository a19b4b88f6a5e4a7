"""Whoever a webhook is to stop finds no way around it: every door to the same deed asks it."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from tests.support import hooks
from tests.unit.apiserver.admission.test_webhooks import configure
from tests.unit.security.conftest import Attack

Validating = registrationv1.ValidatingWebhookConfiguration
PODS = "/api/v1/namespaces/mine/pods"
APPS = "/apis/apps/v1/namespaces/mine/deployments"
ACCOUNTED = {"serviceAccountName": "web", "containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": ACCOUNTED}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "big"},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE},
}
WAITING = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "waiting"}, "spec": ACCOUNTED}
BINDING = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "waiting"}, "target": {"name": "node-2"}}
SCALE = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "big"}, "spec": {"replicas": 999}}
MANY = {"spec": {"replicas": 999}}
EVICTION = {"kind": "Eviction", "metadata": {"name": "web"}}
FINALIZED = {"metadata": {"name": "mine"}, "spec": {"finalizers": ["a/b"]}}
SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
    "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
}
SPDY = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON = {"Content-Type": "application/json-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
REPLACE = [{"op": "replace", "path": "/spec/replicas", "value": 999}]
SHELL = f"{PODS}/web/exec?command=sh&stdout=1"
PORTS = f"{PODS}/web/portforward"

# What is forbidden as a rule, and every way of doing it.
DOORS: list[tuple[str, str, str, Any, dict[str, str]]] = [
    ("CONNECT pods/exec", "POST", SHELL, None, SPDY),
    ("CONNECT pods/exec", "GET", SHELL, None, SOCKET),
    ("CONNECT pods/exec", "GET", SHELL, None, {}),
    ("CONNECT pods/exec", "POST", f"{PODS}/web/exec?command=sh&stdout=1&dryRun=All", None, SPDY),
    ("CONNECT pods/attach", "POST", f"{PODS}/web/attach?stdout=1", None, SPDY),
    ("CONNECT pods/attach", "GET", f"{PODS}/web/attach?stdout=1", None, SOCKET),
    ("CONNECT pods/portforward", "POST", PORTS, None, SPDY),
    ("CONNECT pods/portforward", "GET", f"{PORTS}?ports=80", None, SOCKET),
    ("CONNECT pods/proxy", "GET", f"{PODS}/web/proxy/", None, {}),
    ("CONNECT pods/proxy", "GET", f"{PODS}/http:web:80/proxy/x", None, {}),
    ("CONNECT pods/proxy", "PUT", f"{PODS}/web:80/proxy/x", {}, {}),
    ("CONNECT pods/proxy", "HEAD", f"{PODS}/web/proxy/", None, {}),
    ("CONNECT pods/proxy", "GET", f"{PODS}/web/proxy/socket", None, SOCKET),
    ("CONNECT services/proxy", "DELETE", "/api/v1/namespaces/mine/services/web:80/proxy/x", None, {}),
    ("CONNECT nodes/proxy", "GET", "/api/v1/nodes/node-1/proxy/pods", None, {}),
    ("CREATE pods/binding", "POST", f"{PODS}/waiting/binding", BINDING, {}),
    ("CREATE bindings", "POST", "/api/v1/namespaces/mine/bindings", BINDING, {}),
    ("CREATE pods/eviction", "POST", f"{PODS}/web/eviction", {"apiVersion": "policy/v1", **EVICTION}, {}),
    ("CREATE pods/eviction", "POST", f"{PODS}/web/eviction", {"apiVersion": "policy/v1beta1", **EVICTION}, {}),
    ("CREATE pods/eviction", "POST", f"{PODS}/web/eviction?dryRun=All", {"apiVersion": "policy/v1", **EVICTION}, {}),
    ("CREATE serviceaccounts/token", "POST", "/api/v1/namespaces/mine/serviceaccounts/web/token", {"spec": {}}, {}),
    ("UPDATE deployments/scale", "PUT", f"{APPS}/big/scale", SCALE, {}),
    ("UPDATE deployments/scale", "PATCH", f"{APPS}/big/scale", MANY, MERGE),
    ("UPDATE deployments/scale", "PATCH", f"{APPS}/big/scale", MANY, STRATEGIC),
    ("UPDATE deployments/scale", "PATCH", f"{APPS}/big/scale", REPLACE, JSON),
    ("UPDATE deployments/scale", "PATCH", f"{APPS}/big/scale?fieldManager=m&force=1", SCALE, APPLY),
    ("UPDATE pods/status", "PATCH", f"{PODS}/web/status", {"status": {"phase": "Failed"}}, MERGE),
    ("UPDATE namespaces/finalize", "PUT", "/api/v1/namespaces/mine/finalize", FINALIZED, {}),
    ("DELETE pods", "DELETE", f"{PODS}/web", None, {}),
    ("DELETE pods", "DELETE", f"{PODS}?labelSelector=app%3Dweb", None, {}),
    ("DELETE pods", "DELETE", f"{PODS}/web?gracePeriodSeconds=0&propagationPolicy=Orphan", None, {}),
]


@pytest.mark.parametrize(("what", "method", "path", "body", "headers"), DOORS)
async def test_no_door_is_open_that_a_webhook_shuts(
    attack: Attack, what: str, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    """An administrator is refused in the webhook's words, and nothing is written, signed or connected."""
    root = await attack.as_user("root", "system:masters")
    for collection, made in ((APPS, DEPLOYMENT), (PODS, WAITING)):
        assert (await root("POST", collection, made)).status == 201
    operation, resource = what.split()
    group = "apps" if resource.startswith("deployments") else ""
    rule = f"{{operations: [{operation}], apiGroups: ['{group}'], apiVersions: [v1], resources: [{resource}]}}"
    async with hooks.serving(hooks.deny(message="not here", code=403)) as hook:
        await configure(attack.api, Validating, hook, rules=rule)
        before = await attack.stored()
        answer = await root(method, path, body, **headers)

        assert answer.status == 403, answer.body
        if method != "HEAD":
            assert answer.json["message"] == 'admission webhook "policy.example.com" denied the request: not here'
        assert {(one["operation"], one["resource"]["resource"]) for one in hook.asked} == {
            (operation, resource.split("/")[0])
        }
        assert await attack.stored() == before


@pytest.mark.parametrize("path", ["exec?command=sh&stdout=1", "attach?stdout=1", "portforward", "proxy/"])
async def test_a_webhook_that_does_not_answer_shuts_the_door(attack: Attack, path: str) -> None:
    """Unless its configuration says Ignore; then it is open, and nothing but the missing node ends it."""
    root = await attack.as_user("root", "system:masters")
    rule = "{operations: [CONNECT], apiGroups: [''], apiVersions: [v1], resources: ['pods/*']}"
    async with hooks.serving(hooks.allow()) as hook:
        pass
    await configure(attack.api, Validating, hook, rules=rule)
    shut = await root("POST", f"{PODS}/web/{path}", None, **SPDY)
    await attack.admin.delete(Validating, "policy")
    await configure(attack.api, Validating, hook, ", failurePolicy: Ignore", rules=rule)
    opened = await root("POST", f"{PODS}/web/{path}", None, **SPDY)

    assert (shut.status, "failed calling webhook" in shut.json["message"]) == (500, True)
    assert "webhook" not in opened.body.decode(errors="replace")
