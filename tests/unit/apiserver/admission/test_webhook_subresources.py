"""Webhooks are asked about subresources with what these carry: Scale, Binding, Eviction, TokenRequest, options."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from control.apiserver import authn, tokens
from control.apiserver.server import ApiServer
from control.apiserver.target import Target
from fairlead import certificates
from fairlead.api import errors, objects, scheme
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control
from tests.support import definitions, hooks
from tests.unit.apiserver import yamls
from tests.unit.apiserver.admission.test_webhooks import configure

KEY = certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EVERYTHING = "{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*']}"
ROOT = authn.user(*control.ADMIN)
Mutating = registrationv1.MutatingWebhookConfiguration
Validating = registrationv1.ValidatingWebhookConfiguration
POD = "{metadata: {name: web, namespace: default}, spec: {containers: [{name: m, image: i}]}}"
DEPLOYMENT = """
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: m, image: i}]}}
"""


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server that issues tokens."""
    async with control.memory_api(issuer=tokens.Issuer(KEY, time.time)) as made:
        account = corev1.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "default", "default"
        await made.as_user(*control.ADMIN).create(account)
        yield made


@pytest.fixture
def admin(api: ApiServer) -> Any:
    """A client of system:masters."""
    return api.as_user(*control.ADMIN)


def rule(resource: str, operation: str = "CREATE", group: str = "", version: str = "v1") -> str:
    """A webhook's rule."""
    return (
        f"{{operations: [{operation}], apiGroups: ['{group}'], apiVersions: [{version}], resources: ['{resource}']}}"
    )


def binding(node: str = "n") -> corev1.Binding:
    """A Binding of the pod."""
    made = corev1.Binding(target=corev1.ObjectReference(kind="Node", name=node))
    made.metadata.name, made.metadata.namespace = "web", "default"
    return made


def eviction(**options: Any) -> policyv1.Eviction:
    """An Eviction of the pod."""
    made = policyv1.Eviction(deleteOptions=metav1.DeleteOptions(**options))
    made.metadata.name, made.metadata.namespace = "web", "default"
    return made


def told(asked: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a review says of its request: operation, resource, subresource, kind, name and namespace."""
    kind, resource = asked["kind"], asked["resource"]
    return (
        asked["operation"],
        "/".join((*filter(None, (resource["group"],)), resource["version"], resource["resource"])),
        asked.get("subResource", ""),
        "/".join((*filter(None, (kind["group"],)), kind["version"], kind["kind"])),
        asked["name"],
        asked.get("namespace", ""),
    )


async def test_a_binding_is_a_creation_of_pods_binding(api: ApiServer, admin: Any) -> None:
    """Once, with the Binding and no old object, and nobody hears of it as of an update."""
    await admin.create(yamls.read(POD, corev1.Pod))
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, hook, rules=EVERYTHING)
        await admin.post(corev1.Pod, "web", "default", "binding", binding())

    (asked,) = hook.asked
    assert told(asked) == ("CREATE", "v1/pods", "binding", "v1/Binding", "web", "default")
    assert (asked["object"]["apiVersion"], asked["object"]["kind"]) == ("v1", "Binding")
    assert (asked["object"]["target"], asked["oldObject"]) == ({"kind": "Node", "name": "n"}, None)
    assert asked["options"] == {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}


async def test_a_binding_to_its_own_collection_is_a_creation_of_bindings(api: ApiServer, admin: Any) -> None:
    """The older way passes nobody by either."""
    await admin.create(yamls.read(POD, corev1.Pod))
    async with hooks.serving(hooks.deny(message="no")) as hook:
        await configure(api, Validating, hook, rules=rule("bindings"))
        with pytest.raises(errors.BadRequest, match='admission webhook "policy.example.com" denied the request: no'):
            await admin.create(binding())

    (asked,) = hook.asked
    assert told(asked) == ("CREATE", "v1/bindings", "", "v1/Binding", "web", "default")
    assert (await admin.get(corev1.Pod, "web", "default")).spec.nodeName == ""


async def test_a_mutating_webhook_chooses_another_node(api: ApiServer, admin: Any) -> None:
    """What it makes of a Binding is what is bound."""
    await admin.create(yamls.read(POD, corev1.Pod))
    sent = binding("n")
    async with hooks.serving(hooks.patch({"op": "replace", "path": "/target/name", "value": "other"})) as hook:
        await configure(api, Mutating, hook, rules=rule("pods/binding"))
        await admin.post(corev1.Pod, "web", "default", "binding", sent)

    assert (await admin.get(corev1.Pod, "web", "default")).spec.nodeName == "other"
    assert sent.target.name == "n"  # the caller's own message


async def test_a_binding_that_names_another_pod_is_refused(admin: Any) -> None:
    """Also where a webhook made it so."""
    await admin.create(yamls.read(POD, corev1.Pod))
    wrong = binding()
    wrong.metadata.name = "db"
    with pytest.raises(errors.BadRequest, match="name in URL does not match name in Binding object"):
        await admin.post(corev1.Pod, "web", "default", "binding", wrong)


async def test_an_eviction_is_a_creation_and_no_deletion(api: ApiServer, admin: Any) -> None:
    """With the Eviction; the deletion that follows, and what is noted in the pod, ask nobody."""
    await admin.create(yamls.read(POD, corev1.Pod))
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, hook, rules=EVERYTHING)
        await admin.post(corev1.Pod, "web", "default", "eviction", eviction(gracePeriodSeconds=0))

    (asked,) = hook.asked
    assert told(asked) == ("CREATE", "v1/pods", "eviction", "policy/v1/Eviction", "web", "default")
    assert asked["object"]["deleteOptions"]["gracePeriodSeconds"] == 0
    with pytest.raises(errors.NotFound):
        await admin.get(corev1.Pod, "web", "default")


async def test_a_refused_eviction_leaves_pod_and_budget(api: ApiServer, admin: Any) -> None:
    """Nothing is spent before admission has spoken."""
    await admin.create(yamls.read(POD, corev1.Pod))
    async with hooks.serving(hooks.deny(message="keep it", code=403)) as hook:
        await configure(api, Validating, hook, rules=rule("pods/eviction"))
        before = (await admin.get(corev1.Pod, "web", "default")).metadata.resourceVersion
        with pytest.raises(errors.Forbidden, match="denied the request: keep it"):
            await admin.post(corev1.Pod, "web", "default", "eviction", eviction())

    assert (await admin.get(corev1.Pod, "web", "default")).metadata.resourceVersion == before


async def test_a_mutating_webhook_makes_an_eviction_dry(api: ApiServer, admin: Any) -> None:
    """Its options are the ones that count."""
    await admin.create(yamls.read(POD, corev1.Pod))
    add = {"op": "add", "path": "/deleteOptions", "value": {"dryRun": ["All"]}}
    async with hooks.serving(hooks.patch(add)) as hook:
        await configure(api, Mutating, hook, rules=rule("pods/eviction"))
        await admin.post(corev1.Pod, "web", "default", "eviction", eviction())

    assert not (await admin.get(corev1.Pod, "web", "default")).metadata.HasField("deletionTimestamp")


async def scale(api: ApiServer, how: str, replicas: int, target: Target) -> int:
    """Scale by PUT, PATCH or apply; returns what is answered."""
    if how == "put":
        body = autoscalingv1.Scale()
        body.metadata.name, body.spec.replicas = target.name, replicas
        entry = await api.update(ROOT, target, body)
    else:
        text = f'{{"spec": {{"replicas": {replicas}}}}}'
        if how == "apply":
            text = f'{{"apiVersion": "autoscaling/v1", "kind": "Scale", {text[1:]}'
        type_ = PatchType.APPLY if how == "apply" else PatchType.MERGE
        entry = await api.patch(ROOT, target, Patch(type_, text.encode(), force=how == "apply"), manager="m")
    assert isinstance(entry.object, autoscalingv1.Scale)
    return entry.object.spec.replicas


@pytest.mark.parametrize("how", ["put", "patch", "apply"])
async def test_a_scale_is_an_update_of_the_scale(api: ApiServer, admin: Any, how: str) -> None:
    """Old and new are Scales; who hears of Deployments' updates does not hear of it."""
    await admin.create(yamls.read(DEPLOYMENT, appsv1.Deployment))
    target = Target(scheme.DEFAULT.of(appsv1.Deployment), "default", "web", "scale")
    async with hooks.serving(hooks.allow()) as hook, hooks.serving(hooks.deny()) as other:
        await configure(api, Validating, hook, rules=rule("deployments/scale", "UPDATE", "apps"))
        await configure(api, Validating, other, name="whole", rules=rule("deployments", "UPDATE", "apps"))
        assert await scale(api, how, 5, target) == 5

    (asked,) = hook.asked
    assert told(asked) == ("UPDATE", "apps/v1/deployments", "scale", "autoscaling/v1/Scale", "web", "default")
    assert (asked["object"]["spec"], asked["oldObject"]["spec"]) == ({"replicas": 5}, {"replicas": 2})
    assert asked["object"]["status"]["selector"] == "app=web"
    assert other.asked == []


@pytest.mark.parametrize("how", ["put", "patch", "apply"])
async def test_a_mutating_webhook_bounds_a_scale(api: ApiServer, admin: Any, how: str) -> None:
    """And a validating one sees what is left."""
    await admin.create(yamls.read(DEPLOYMENT, appsv1.Deployment))
    target = Target(scheme.DEFAULT.of(appsv1.Deployment), "default", "web", "scale")
    bound = hooks.patch({"op": "replace", "path": "/spec/replicas", "value": 3})
    async with hooks.serving(bound) as hook, hooks.serving(hooks.allow()) as after:
        await configure(api, Mutating, hook, rules=rule("*/scale", "UPDATE", "*"))
        await configure(api, Validating, after, rules=rule("*/scale", "UPDATE", "*"))
        assert await scale(api, how, 50, target) == 3

    assert (await admin.get(appsv1.Deployment, "web", "default")).spec.replicas == 3
    assert [one["object"]["spec"] for one in after.asked] == [{"replicas": 3}]


async def test_a_scale_that_a_webhook_makes_negative_is_refused(api: ApiServer, admin: Any) -> None:
    """What it changes is judged as what anybody writes."""
    await admin.create(yamls.read(DEPLOYMENT, appsv1.Deployment))
    target = Target(scheme.DEFAULT.of(appsv1.Deployment), "default", "web", "scale")
    async with hooks.serving(hooks.patch({"op": "replace", "path": "/spec/replicas", "value": -1})) as hook:
        await configure(api, Mutating, hook, rules=rule("*/scale", "UPDATE", "*"))
        with pytest.raises(errors.Invalid, match="must be greater than or equal to 0"):
            await scale(api, "patch", 1, target)


SCALED = {
    "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
    "status": {},
}


async def test_scale_and_status_of_custom_resources(api: ApiServer, admin: Any) -> None:
    """The one as a Scale, the other as the object; a size that was never set is Kubernetes' least number."""
    (widget,) = await definitions.establish(api, admin, definitions.version("v1", subresources=SCALED))
    wanted = widget()
    wanted.metadata.name, wanted.metadata.namespace = "one", "default"
    made = await admin.create(wanted)
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, hook, rules=rule("widgets/*", "'*'", "example.com"))
        await scale(api, "put", 3, Target(made.kind, "default", "one", "scale"))
        fresh = (await admin.get(widget, "one", "default")).copied()
        fresh.content["status"] = {"size": 1}
        await admin.update(fresh, subresource="status")

    scaled, status = hook.asked
    assert told(scaled) == ("UPDATE", "example.com/v1/widgets", "scale", "autoscaling/v1/Scale", "one", "default")
    assert (scaled["object"]["spec"], scaled["oldObject"]["spec"]) == ({"replicas": 3}, {"replicas": -(2**31)})
    assert told(status) == ("UPDATE", "example.com/v1/widgets", "status", "example.com/v1/Widget", "one", "default")
    assert (status["object"]["status"], status["oldObject"].get("status")) == ({"size": 1}, None)


async def test_tokens_are_asked_about_and_changed(api: ApiServer, admin: Any) -> None:
    """A TokenRequest goes past both kinds of webhooks before anything is signed."""
    audience = hooks.patch({"op": "add", "path": "/spec/audiences", "value": ["vault"]})
    async with hooks.serving(audience) as hook, hooks.serving(hooks.allow()) as after:
        await configure(api, Mutating, hook, rules=rule("serviceaccounts/token"))
        await configure(api, Validating, after, rules=rule("serviceaccounts/token"))
        request = authenticationv1.TokenRequest()
        answer = await admin.post(corev1.ServiceAccount, "default", "default", "token", request)

    assert list(answer.spec.audiences) == ["vault"]
    (asked,) = after.asked
    assert told(asked)[2:4] == ("token", "authentication.k8s.io/v1/TokenRequest")
    assert asked["object"]["spec"]["audiences"] == ["vault"]
    assert not asked["object"]["status"].get("token")


async def test_other_subresources_carry_their_object(api: ApiServer, admin: Any) -> None:
    """Ephemeral containers, status, finalizers and approvals are updates with old and new."""
    pod = objects.copy(await admin.create(yamls.read(POD, corev1.Pod)))
    space = objects.copy(await admin.get(corev1.Namespace, "default"))
    pod.spec.ephemeralContainers.add().ephemeralContainerCommon.CopyFrom(
        corev1.EphemeralContainerCommon(name="debug", image="busybox")
    )
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, hook, rules=EVERYTHING)
        pod = objects.copy(await admin.update(pod, subresource="ephemeralcontainers"))
        pod.status.phase = "Running"
        await admin.update(pod, subresource="status")
        space.spec.finalizers.append("example.com/x")
        await admin.update(space, subresource="finalize")

    assert [told(one) for one in hook.asked] == [
        ("UPDATE", "v1/pods", "ephemeralcontainers", "v1/Pod", "web", "default"),
        ("UPDATE", "v1/pods", "status", "v1/Pod", "web", "default"),
        ("UPDATE", "v1/namespaces", "finalize", "v1/Namespace", "default", "default"),
    ]
    assert hook.asked[0]["object"]["spec"]["ephemeralContainers"][0]["name"] == "debug"
    assert "ephemeralContainers" not in hook.asked[0]["oldObject"]["spec"]


async def test_questions_are_creations(api: ApiServer, admin: Any) -> None:
    """A review that a webhook refuses is not answered."""
    async with hooks.serving(hooks.deny(message="ask nobody")) as hook:
        await configure(api, Validating, hook, rules=rule("selfsubjectaccessreviews", group="authorization.k8s.io"))
        question = authorizationv1.SelfSubjectAccessReview()
        question.spec.resourceAttributes.verb = "get"
        with pytest.raises(errors.BadRequest, match="denied the request: ask nobody"):
            await admin.create(question)


async def test_a_deleted_collection_asks_for_each(api: ApiServer, admin: Any) -> None:
    """With the old object and the options of the deletion; what is refused stays."""
    for name in ("a", "b"):
        made = corev1.ConfigMap()
        made.metadata.name, made.metadata.namespace = name, "default"
        await admin.create(made)
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, hook)
        await admin.delete_collection(
            corev1.ConfigMap, "default", options=metav1.DeleteOptions(propagationPolicy="Background")
        )

    assert sorted(one["oldObject"]["metadata"]["name"] for one in hook.asked) == ["a", "b"]
    assert {(one["operation"], one["object"]) for one in hook.asked} == {("DELETE", None)}
    assert hook.asked[0]["options"] == {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
    }


async def test_a_webhook_cannot_change_a_deletion(api: ApiServer, admin: Any) -> None:
    """There is nothing to change, and Kubernetes says so."""
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = "a", "default"
    await admin.create(made)
    async with hooks.serving(hooks.patch({"op": "add", "path": "/data", "value": {}})) as hook:
        await configure(api, Mutating, hook)
        with pytest.raises(errors.InternalError) as refused:
            await admin.delete(corev1.ConfigMap, "a", "default")

    assert refused.value.message == (
        'Internal error occurred: admission webhook "policy.example.com" attempted to modify the object,'
        " which is not supported for this operation"
    )


async def test_a_dry_binding_is_told_as_dry(api: ApiServer, admin: Any) -> None:
    """A webhook with side effects takes no part in it."""
    await admin.create(yamls.read(POD, corev1.Pod))
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, hook, rules=rule("pods/binding"))
        await admin.post(corev1.Pod, "web", "default", "binding", binding(), dry_run=True)

    assert (hook.asked[0]["dryRun"], hook.asked[0]["options"]["dryRun"]) == (True, ["All"])
    assert (await admin.get(corev1.Pod, "web", "default")).spec.nodeName == ""


@pytest.mark.parametrize(
    ("resource", "name", "subresource", "options"),
    [
        (corev1.Pod, "web", "exec", corev1.PodExecOptions(stdin=True, container="m", command=["sh", "-c"])),
        (corev1.Pod, "web", "attach", corev1.PodAttachOptions(stdout=True, tty=True)),
        (corev1.Pod, "web", "portforward", corev1.PodPortForwardOptions(ports=[80])),
        (corev1.Pod, "http:web:80", "proxy", corev1.PodProxyOptions(path="/a/")),
        (corev1.Service, "web:80", "proxy", corev1.ServiceProxyOptions(path="/a")),
        (corev1.Node, "n", "proxy", corev1.NodeProxyOptions(path="/pods")),
    ],
)
async def test_connections(api: ApiServer, resource: Any, name: str, subresource: str, options: Any) -> None:
    """The object is the options, there is no old one and nothing under `options`."""
    kind = scheme.DEFAULT.of(resource)
    target = Target(kind, "default" if kind.namespaced else "", name, subresource)
    async with hooks.serving(hooks.deny(message="stay out", code=403)) as hook:
        await configure(api, Validating, hook, rules=rule(f"{kind.resource}/{subresource}", "CONNECT"))
        with pytest.raises(errors.Forbidden) as refused:
            await api.connect(ROOT, "create", target, options)

    assert refused.value.message == 'admission webhook "policy.example.com" denied the request: stay out'
    (asked,) = hook.asked
    named = options.DESCRIPTOR.name
    expected = ("CONNECT", f"v1/{kind.resource}", subresource, f"v1/{named}", name, target.namespace)
    assert told(asked) == expected
    assert (asked["object"]["apiVersion"], asked["object"]["kind"]) == ("v1", named)
    assert (asked["oldObject"], asked["options"], asked["dryRun"]) == (None, None, False)
    if subresource == "exec":
        assert asked["object"] == {
            "apiVersion": "v1",
            "kind": "PodExecOptions",
            "stdin": True,
            "container": "m",
            "command": ["sh", "-c"],
        }


async def test_who_may_not_connect_asks_no_webhook(api: ApiServer) -> None:
    """Authorisation comes first."""
    target = Target(scheme.DEFAULT.of(corev1.Pod), "default", "web", "exec")
    async with hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, hook, rules=EVERYTHING)
        with pytest.raises(errors.Forbidden, match="cannot create resource"):
            await api.connect(authn.user("mallory"), "create", target, corev1.PodExecOptions())

    assert hook.asked == []


async def test_selectors_of_what_has_no_labels(api: ApiServer) -> None:
    """Options have none: an object selector that asks for some is never met, an empty one always."""
    target = Target(scheme.DEFAULT.of(corev1.Pod), "default", "web", "exec")
    connects, wants = rule("pods/exec", "CONNECT"), ", objectSelector: {matchLabels: {a: b}}"
    async with hooks.serving(hooks.deny()) as picky, hooks.serving(hooks.allow()) as hook:
        await configure(api, Validating, picky, wants, name="picky", rules=connects)
        await configure(api, Validating, hook, ", objectSelector: {}", rules=connects)
        await api.connect(ROOT, "create", target, corev1.PodExecOptions())

    assert (len(picky.asked), len(hook.asked)) == (0, 1)
