"""[sig-api-machinery] AdmissionWebhook and ValidatingAdmissionPolicy.

The webhooks are called by URL: the containers of this cluster only pretend. That a Service's are found is in
tests/unit/apiserver/admission/test_webhooks.py.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.clients.conformance import definitions
from tests.clients.whole.conftest import Kubectl
from tests.support import hooks
from tests.support.rawrest import JSON_PATCH, MERGE, STRATEGIC, Rest

Serve = Callable[..., hooks.Hook]
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
VALIDATING, MUTATING = "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


def path(kind: str) -> str:
    """Return the path of the configurations of a kind."""
    return f"{CONFIGURATIONS}/{kind.lower()}s"


def rule(resource: str, *operations: str, group: str = "", version: str = "v1") -> dict[str, Any]:
    """Return a rule for a resource."""
    return {"operations": [*operations], "apiGroups": [group], "apiVersions": [version], "resources": [resource]}


def webhook(hook: hooks.Hook, name: str, *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a webhook with these rules."""
    client = {"url": hook.url, "caBundle": hooks.encoded(hook.authority)}
    common = {"sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": client}
    return {"name": f"{name}.k8s.io", "rules": [*rules], **common, **more}


def register(rest: Rest, kind: str, name: str, *webhooks: dict[str, Any]) -> Any:
    """Put webhooks in force."""
    return rest("POST", path(kind), {"metadata": {"name": name, "labels": {"list": "yes"}}, "webhooks": [*webhooks]})


def configmap(name: str, **data: str) -> dict[str, Any]:
    """Return a ConfigMap."""
    return {"metadata": {"name": name}, "data": data}


def stages(request: dict[str, Any]) -> dict[str, Any]:
    """Answer as a webhook that adds stage 1 to what has begun, and stage 2 to what has stage 1."""
    data = request["object"].get("data", {})
    added = []
    if data.get("mutation-start") == "yes" and "mutation-stage-1" not in data:
        added = ["mutation-stage-1"]
    elif data.get("mutation-stage-1") == "yes" and "mutation-stage-2" not in data:
        added = ["mutation-stage-2"]
    operations = [{"op": "add", "path": f"/data/{key}", "value": "yes"} for key in added]
    text = base64.b64encode(orjson.dumps(operations)).decode()
    return {"uid": request["uid"], "allowed": True, "patch": text, "patchType": "JSONPatch"}


def unwanted(request: dict[str, Any]) -> dict[str, Any]:
    """Answer as a webhook that denies whatever says webhook-disallow, in its labels, container names or data."""
    found = request["object"] or request["oldObject"]
    reasons = []
    if "webhook-disallow" in [each["name"] for each in found.get("spec", {}).get("containers", ())]:
        reasons.append("the pod contains unwanted container name")
    if found["metadata"].get("labels", {}).get("webhook-e2e-test") == "webhook-disallow":
        reasons.append("the pod contains unwanted label")
    if "webhook-disallow" in (found.get("data") or {}).values():
        reasons.append("the object contains unwanted data")
    status = {"status": {"message": "; ".join(reasons)}} if reasons else {}
    return {"uid": request["uid"], "allowed": not reasons, **status}


def pod(name: str, container: str = "main", **labels: str) -> dict[str, Any]:
    """Return a pod."""
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": container, "image": "a"}]}}


def test_documents_of_discovery_have_webhook_configurations(rest: Rest) -> None:
    """AdmissionWebhook "should include webhook resources in discovery documents"."""
    groups = {each["name"]: each["versions"] for each in rest("GET", "/apis")["groups"]}
    group, resources = rest("GET", "/apis/admissionregistration.k8s.io"), rest("GET", CONFIGURATIONS)
    assert "v1" in [each["version"] for each in groups["admissionregistration.k8s.io"]]
    assert "v1" in [each["version"] for each in group["versions"]]
    names = {each["name"] for each in resources["resources"]}
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= names


def test_pods_and_configmaps_are_denied(rest: Rest, hook: Serve) -> None:
    """AdmissionWebhook "should be able to deny pod and configmap creation", one namespace excepted."""
    serving, hanging = hook(unwanted), hook(hooks.allow(), hold=asyncio.Event())
    left_out = {"matchExpressions": [{"key": "skip-webhook", "operator": "NotIn", "values": ["yes"]}]}
    register(
        *(rest, VALIDATING, "deny"),
        webhook(serving, "deny-pod", rule("pods", "CREATE")),
        webhook(serving, "deny-configmap", rule("configmaps", "CREATE", "UPDATE"), namespaceSelector=left_out),
        webhook(
            *(hanging, "hang", rule("pods", "CREATE")),
            objectSelector={"matchLabels": {"webhook-e2e-test": "wait-forever"}},
            timeoutSeconds=1,
        ),
    )
    label = {"webhook-e2e-test": "webhook-disallow"}
    told = rest.refused(400, "POST", PODS, pod("bad", "webhook-disallow", **label))
    assert told.startswith(
        'admission webhook "deny-pod.k8s.io" denied the request: the pod contains unwanted container'
    )
    assert "the pod contains unwanted label" in told
    hung = rest.refused(500, "POST", PODS, pod("hanging", **{"webhook-e2e-test": "wait-forever"}))
    assert "context deadline exceeded" in hung

    rest.refused(400, "POST", CONFIGMAPS, configmap("bad", **{"webhook-e2e-test": "webhook-disallow"}))
    good = rest("POST", CONFIGMAPS, configmap("good", admit="this"))
    good["data"]["webhook-e2e-test"] = "webhook-disallow"
    rest.refused(400, "PUT", f"{CONFIGMAPS}/good", good)
    patch = {"data": {"webhook-e2e-test": "webhook-disallow"}}
    assert "unwanted data" in rest.refused(400, "PATCH", f"{CONFIGMAPS}/good", patch, sent=STRATEGIC)

    rest("POST", "/api/v1/namespaces", {"metadata": {"name": "left-out", "labels": {"skip-webhook": "yes"}}})
    bad = configmap("bad", **{"webhook-e2e-test": "webhook-disallow"})
    rest("POST", "/api/v1/namespaces/left-out/configmaps", bad)


def test_attaching_to_a_pod_is_denied(rest: Rest, hook: Serve, kubectl: Kubectl) -> None:
    """AdmissionWebhook "should be able to deny attaching pod"."""
    answer = hooks.deny(message="attaching to pod 'to-be-attached-pod' is not allowed")
    register(rest, VALIDATING, "attach", webhook(hook(answer), "deny-attach", rule("pods/attach", "CONNECT")))
    rest("POST", PODS, pod("to-be-attached-pod"))
    rest.until(PODS, lambda found: found["status"].get("phase") == "Running")
    told = rest.refused(
        400, "POST", f"{PODS}/to-be-attached-pod/attach", stdin="true", stdout="true", container="main"
    )
    assert "attaching to pod 'to-be-attached-pod' is not allowed" in told
    assert "attaching to pod 'to-be-attached-pod' is not allowed" in kubectl.fails(
        "attach", "to-be-attached-pod", "-i", "-c", "main"
    )


def test_custom_objects_are_denied(rest: Rest, hook: Serve) -> None:
    """AdmissionWebhook "should be able to deny custom resource creation, update and deletion"."""
    made = definitions.define(rest, definitions.definition(scope="Namespaced"))
    objects = definitions.objects(made, namespace="default")
    serving = hook(unwanted)
    rules = rule("noxus", "CREATE", "UPDATE", "DELETE", group="example.com")
    register(rest, VALIDATING, "custom", webhook(serving, "deny-custom", rules))

    bad = definitions.instance(made, "bad", data={"webhook-e2e-test": "webhook-disallow"})
    assert "unwanted data" in rest.refused(400, "POST", objects, bad)
    good = rest("POST", objects, definitions.instance(made, "good", data={"webhook-e2e-test": "allow"}))
    patch = {"data": {"webhook-e2e-test": "webhook-disallow"}}
    assert "unwanted data" in rest.refused(400, "PATCH", f"{objects}/good", patch, sent=MERGE)
    assert good["data"] == {"webhook-e2e-test": "allow"}
    only_deletions = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["DELETE"]}]
    rest("PATCH", f"{path(VALIDATING)}/custom", only_deletions, sent=JSON_PATCH)
    rest("PATCH", f"{objects}/good", patch, sent=MERGE)
    assert "unwanted data" in rest.refused(400, "DELETE", f"{objects}/good")
    rest("PATCH", f"{objects}/good", {"data": None}, sent=MERGE)
    rest("DELETE", f"{objects}/good")


def test_a_definition_is_denied(rest: Rest, hook: Serve) -> None:
    """AdmissionWebhook "should deny crd creation"."""
    rules = rule("*", "CREATE", group="apiextensions.k8s.io", version="*")
    register(rest, VALIDATING, "definitions", webhook(hook(unwanted), "deny-crd", rules))
    wanted = definitions.definition()
    wanted["metadata"]["labels"] = {"webhook-e2e-test": "webhook-disallow"}
    assert "unwanted label" in rest.refused(400, "POST", definitions.PATH, wanted)
    rest("POST", definitions.PATH, definitions.definition())


def test_one_webhook_sees_what_another_has_changed(rest: Rest, hook: Serve) -> None:
    """AdmissionWebhook "should mutate configmap", "… custom resource", "… with pruning"."""
    properties = {"mutation-start": {"type": "string"}, "mutation-stage-1": {"type": "string"}}
    data = {"type": "object", "properties": properties}
    schema = {"type": "object", "properties": {"data": data}}
    open_ = definitions.define(rest, definitions.definition(plural="opens"))
    closed = definitions.define(rest, definitions.definition(definitions.version(schema=schema), plural="closeds"))
    serving = hook(stages)
    custom = [rule(plural, "CREATE", group="example.com") for plural in ("opens", "closeds")]
    both = [webhook(serving, f"stage-{number}", rule("configmaps", "CREATE"), *custom) for number in (1, 2)]
    register(rest, MUTATING, "stages", *both)
    begun = {"mutation-start": "yes"}
    done = {**begun, "mutation-stage-1": "yes", "mutation-stage-2": "yes"}

    assert rest("POST", CONFIGMAPS, configmap("one", **begun))["data"] == done
    for made, want in ((open_, done), (closed, {**begun, "mutation-stage-1": "yes"})):
        created = rest("POST", definitions.objects(made), definitions.instance(made, "one", data=begun))
        assert created["data"] == want


def test_a_changed_object_of_another_stored_version_is_stored(rest: Rest, hook: Serve) -> None:
    """AdmissionWebhook "should mutate custom resource with different stored version"."""
    versions = [definitions.version("v1"), definitions.version("v2", storage=False)]
    made = definitions.define(rest, definitions.definition(*versions))
    rules = rule("noxus", "CREATE", "UPDATE", group="example.com")
    serving = hook(stages)
    register(rest, MUTATING, "stages", *[webhook(serving, f"stage-{number}", rules) for number in (1, 2)])
    created = rest(
        "POST", definitions.objects(made), definitions.instance(made, "one", data={"mutation-start": "yes"})
    )
    change = [
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
    ]
    rest("PATCH", f"{definitions.PATH}/noxus.example.com", change, sent=JSON_PATCH)

    patch = [{"op": "add", "path": "/dummy", "value": "test"}]
    patched = rest("PATCH", f"{definitions.objects(made)}/one", patch, sent=JSON_PATCH)

    assert (patched["apiVersion"], patched["data"], patched["dummy"]) == ("example.com/v1", created["data"], "test")


def test_a_container_that_a_webhook_adds_has_defaults(rest: Rest, hook: Serve) -> None:
    """AdmissionWebhook "should mutate pod and apply defaults after mutation"."""
    container = {"name": "webhook-added-init-container", "image": "webhook-added-image", "resources": {}}
    answer = hooks.patch({"op": "add", "path": "/spec/initContainers", "value": [container]})
    register(rest, MUTATING, "pods", webhook(hook(answer), "add", rule("pods", "CREATE")))
    (added,) = rest("POST", PODS, pod("one"))["spec"]["initContainers"]
    assert (added["name"], added["terminationMessagePolicy"]) == ("webhook-added-init-container", "File")


@pytest.mark.parametrize(
    ("policy", "seconds", "refused"),
    [("Fail", 1, True), ("Ignore", 1, False), ("Fail", 10, False), ("Fail", None, False)],
)
def test_a_webhooks_time_is_honoured(
    rest: Rest, hook: Serve, policy: str, seconds: int | None, refused: bool
) -> None:
    """AdmissionWebhook "should honor timeout": 1 second of one that holds, or as long as a good one needs."""
    serving = hook(hooks.allow(), hold=asyncio.Event() if seconds == 1 else None)
    more = {"timeoutSeconds": seconds} if seconds else {}
    made = register(
        rest, VALIDATING, "slow", webhook(serving, "slow", rule("configmaps", "CREATE"), failurePolicy=policy, **more)
    )
    assert made["webhooks"][0]["timeoutSeconds"] == (seconds or 10)
    answer = rest.ask("POST", CONFIGMAPS, configmap("one"))
    assert answer.status == (500 if refused else 201), answer.body
    if refused:
        assert answer.body["reason"] == "InternalError"
        assert "timeout=1s" in answer.body["message"]
        assert "context deadline exceeded" in answer.body["message"]


def test_a_webhook_that_cannot_be_called_denies_everything(rest: Rest, hook: Serve) -> None:
    """AdmissionWebhook "should unconditionally reject operations on fail closed webhook": no CA bundle."""
    wanted = webhook(hook(hooks.allow()), "fail-closed", rule("configmaps", "CREATE"), failurePolicy="Fail")
    del wanted["clientConfig"]["caBundle"]
    register(rest, VALIDATING, "closed", wanted)
    answer = rest.ask("POST", CONFIGMAPS, configmap("one"))
    assert (answer.status, answer.body["reason"]) == (500, "InternalError")
    assert answer.body["message"].startswith('Internal error occurred: failed calling webhook "fail-closed.k8s.io"')


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_webhooks_do_not_reach_webhook_configurations(rest: Rest, hook: Serve, kind: str) -> None:
    """AdmissionWebhook "should not be able to mutate or prevent deletion of webhook configuration objects"."""
    answer = (
        hooks.patch({"op": "add", "path": "/metadata/labels/added", "value": "yes"})
        if kind == MUTATING
        else hooks.deny()
    )
    rules = rule("*", "CREATE", "UPDATE", "DELETE", group="admissionregistration.k8s.io", version="*")
    serving = hook(answer)
    register(rest, kind, "greedy", webhook(serving, "greedy", rules))
    for other in (VALIDATING, MUTATING):
        made = register(rest, other, "dummy", webhook(serving, "dummy", rule("nothings", "CREATE")))
        assert made["metadata"]["labels"] == {"list": "yes"}
        rest("DELETE", f"{path(other)}/dummy")


def decided(rest: Rest, kind: str, name: str) -> bool:
    """Create a ConfigMap; tell whether the webhook had its way: changed it, or denied it."""
    answer = rest.ask("POST", CONFIGMAPS, configmap(name, **{"mutation-start": "yes", "also": "webhook-disallow"}))
    if kind == MUTATING:
        assert answer.status == 201, answer.body
        return "mutation-stage-1" in answer.body["data"]
    assert answer.status in (201, 400), answer.body
    return answer.status == 400


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_an_update_or_patch_of_a_webhook_counts_at_once(rest: Rest, hook: Serve, kind: str) -> None:
    """AdmissionWebhook "patching/updating a validating webhook should work", "… a mutating webhook …"."""
    serving = hook(unwanted if kind == VALIDATING else stages)
    made = register(rest, kind, "one", webhook(serving, "one", rule("configmaps", "CREATE")))
    assert decided(rest, kind, "a")
    made["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
    rest("PUT", f"{path(kind)}/one", made)
    assert not decided(rest, kind, "b")
    patch = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
    rest("PATCH", f"{path(kind)}/one", patch, sent=JSON_PATCH)
    assert decided(rest, kind, "c")


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_webhooks_are_listed_and_deleted_by_label(rest: Rest, hook: Serve, kind: str) -> None:
    """AdmissionWebhook "listing validating webhooks should work", "… mutating webhooks …": ten of them."""
    serving = hook(unwanted if kind == VALIDATING else stages)
    for number in range(10):
        register(rest, kind, f"webhook-{number}", webhook(serving, "one", rule("configmaps", "CREATE")))
    assert len(rest("GET", path(kind), labelSelector="list=yes")["items"]) == 10
    assert decided(rest, kind, "a")
    rest("DELETE", path(kind), labelSelector="list=yes")
    assert rest("GET", path(kind), labelSelector="list=yes")["items"] == []
    assert not decided(rest, kind, "b")


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_conditions_are_kept_judged_and_asked(rest: Rest, hook: Serve, kind: str) -> None:
    """AdmissionWebhook "… with match conditions", "reject … invalid match conditions", "except 'skip-me'"."""
    serving = hook(unwanted if kind == VALIDATING else stages)
    conditions = [{"name": "expression-1", "expression": "object.metadata.name != 'skip-me'"}]
    wanted = webhook(serving, "one", rule("configmaps", "CREATE"), matchConditions=conditions)
    made = register(rest, kind, "one", wanted)
    assert made["webhooks"][0]["matchConditions"] == conditions
    assert (decided(rest, kind, "a"), decided(rest, kind, "skip-me")) == (True, False)

    conditions.append({"name": "expression-2", "expression": "request.userInfo.username != 'system:nobody'"})
    made["webhooks"][0]["matchConditions"] = conditions
    rest("PUT", f"{path(kind)}/one", made)
    assert rest("GET", f"{path(kind)}/one")["webhooks"][0]["matchConditions"] == conditions

    bad = [{"name": "bad", "expression": "... [] bad expression"}]
    body = {"metadata": {"name": "bad"}, "webhooks": [{**wanted, "matchConditions": bad}]}
    assert "compilation failed" in rest.refused(422, "POST", path(kind), body)


DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def policy(rest: Rest, **spec: Any) -> None:
    """Put a policy about Deployments in force in namespaces with a label, of which default is one."""
    rest("PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": {"unique": "true"}}}, sent=MERGE)
    selector = {"namespaceSelector": {"matchLabels": {"unique": "true"}}}
    rules = [rule("deployments", "CREATE", "UPDATE", group="apps")]
    match = {**selector, "resourceRules": rules}
    body = {"metadata": {"name": "one.example.com"}, "spec": {"matchConstraints": match, **spec}}
    rest("POST", f"{CONFIGURATIONS}/validatingadmissionpolicies", body)
    binding = {"policyName": "one.example.com", "matchResources": selector, "validationActions": ["Deny"]}
    body = {"metadata": {"name": "binding.example.com"}, "spec": binding}
    rest("POST", f"{CONFIGURATIONS}/validatingadmissionpolicybindings", body)


def workload(name: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment or ReplicaSet."""
    labels = {"app": "nginx"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def test_a_policy_judges_deployments(rest: Rest) -> None:
    """ValidatingAdmissionPolicy "should validate against a Deployment": by replicas, but not ReplicaSets."""
    message = "'wants replicas > 1, got ' + object.spec.replicas"
    policy(rest, validations=[{"expression": "object.spec.replicas > 1", "messageExpression": message}])
    assert rest.ask("POST", DEPLOYMENTS, workload("marker", 1)).body["reason"] == "Invalid"
    rest("POST", DEPLOYMENTS, workload("replicated", 2))
    rest("POST", "/apis/apps/v1/namespaces/default/replicasets", workload("alone", 1))


def test_a_policys_expressions_use_variables(rest: Rest) -> None:
    """ValidatingAdmissionPolicy "should allow expressions to refer variables"."""
    policy(
        rest,
        variables=[
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        validations=[
            {"expression": "variables.replicas > 1"},
            {
                "expression": "variables.oddReplicas",
                "messageExpression": "variables.oddReplicas ? 'this should be unreachable' :"
                " 'replicas must be odd but is: ' + string(variables.replicas)",
            },
        ],
    )
    assert rest.ask("POST", DEPLOYMENTS, workload("marker", 1)).body["reason"] == "Invalid"
    told = rest.refused(422, "POST", DEPLOYMENTS, workload("even", 2))
    assert told.endswith("denied request: replicas must be odd but is: 2")
    rest("POST", DEPLOYMENTS, workload("odd", 3))
