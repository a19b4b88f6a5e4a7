"""Service-account tokens: what is issued, whom it stands for, when it dies."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from control.apiserver import authn, tokens
from control.apiserver.server import ApiServer
from fairlead import certificates
from fairlead.api import errors, objects
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.testing import control
from tests.unit.apiserver import yamls

KEY = certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The server's clock."""
    return Clock()


@pytest.fixture
async def api(clock: Clock) -> AsyncIterator[ApiServer]:
    """An API server with two accounts, and a pod of `robot` on node-1."""
    async with control.memory_api(now=clock, issuer=tokens.Issuer(KEY, clock)) as made:
        admin = made.as_user(*control.ADMIN)
        for name in ("default", "robot"):
            text = f"metadata: {{name: {name}, namespace: default}}"
            await admin.create(yamls.read(text, corev1.ServiceAccount))
        manifest = "{metadata: {name: web, namespace: default}, spec: {containers: [{name: a, image: b}]}}"
        pod = yamls.read(manifest, corev1.Pod)
        pod.spec.serviceAccountName = "robot"
        await admin.create(pod)
        binding = corev1.Binding()
        binding.target.name = "node-1"
        await admin.post(corev1.Pod, "web", "default", "binding", binding)
        yield made


async def ask(client: Any, pod: str = "web", uid: str = "", **spec: Any) -> authenticationv1.TokenRequest:
    """Ask for a token of `robot`, bound to a pod."""
    request = authenticationv1.TokenRequest()
    for name, value in spec.items():
        setattr(request.spec, name, value)
    if pod:
        request.spec.boundObjectRef.apiVersion, request.spec.boundObjectRef.kind = "v1", "Pod"
        request.spec.boundObjectRef.name, request.spec.boundObjectRef.uID = pod, uid
    answer: authenticationv1.TokenRequest = await client.post(
        corev1.ServiceAccount, "robot", "default", "token", request
    )
    return answer


async def test_a_token_is_kubernetes_and_stands_for_the_account(api: ApiServer) -> None:
    """A JWT, RS256, with Kubernetes' claims."""
    admin = api.as_user(*control.ADMIN)
    answer = await ask(admin)

    header, claims = (
        orjson.loads(base64.urlsafe_b64decode(part + "==")) for part in answer.status.token.split(".")[:2]
    )
    user = await api.tokens.authenticate(answer.status.token)

    pod = await admin.get(corev1.Pod, "web", "default")
    account = await admin.get(corev1.ServiceAccount, "robot", "default")
    assert header["alg"] == "RS256"
    assert claims == {
        "aud": [tokens.DEFAULT_ISSUER],
        "exp": 4600,
        "iat": 1000,
        "iss": tokens.DEFAULT_ISSUER,
        "jti": claims["jti"],
        "kubernetes.io": {
            "namespace": "default",
            "node": {"name": "node-1", "uid": ""},
            "pod": {"name": "web", "uid": pod.metadata.uid},
            "serviceaccount": {"name": "robot", "uid": account.metadata.uid},
        },
        "nbf": 1000,
        "sub": "system:serviceaccount:default:robot",
    }
    assert answer.status.expirationTimestamp.seconds == 4600
    assert user == authn.User(
        "system:serviceaccount:default:robot",
        ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"),
        account.metadata.uid,
        (
            ("authentication.kubernetes.io/credential-id", (f"JTI={claims['jti']}",)),
            ("authentication.kubernetes.io/node-name", ("node-1",)),
            ("authentication.kubernetes.io/pod-name", ("web",)),
            ("authentication.kubernetes.io/pod-uid", (pod.metadata.uid,)),
        ),
    )


async def test_a_token_dies_with_its_time_its_pod_and_its_account(api: ApiServer, clock: Clock) -> None:
    """Each alone is enough."""
    admin = api.as_user(*control.ADMIN)
    of_pod = (await ask(admin)).status.token
    of_account = (await ask(admin, pod="")).status.token
    judge = api.tokens

    clock.now = 4600.0
    with pytest.raises(errors.Unauthorized):
        await judge.authenticate(of_account)
    clock.now = 1000.0
    await admin.delete(corev1.Pod, "web", "default", options=metav1.DeleteOptions(gracePeriodSeconds=0))
    await api.cache.fresh()
    with pytest.raises(errors.Unauthorized):
        await judge.authenticate(of_pod)
    await judge.authenticate(of_account)
    await admin.delete(corev1.ServiceAccount, "robot", "default")
    await api.cache.fresh()
    with pytest.raises(errors.Unauthorized):
        await judge.authenticate(of_account)


@pytest.mark.parametrize(("key", "value"), [("name", "default"), ("namespace", "kube-system")])
async def test_a_request_for_another_account_is_refused(api: ApiServer, key: str, value: str) -> None:
    """Its metadata may name the account of the path, and no other."""
    admin = api.as_user(*control.ADMIN)
    request = authenticationv1.TokenRequest()
    setattr(request.metadata, key, value)
    with pytest.raises(errors.Invalid) as refused:
        await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)
    assert str(refused.value) == (
        f'TokenRequest.authentication.k8s.io "robot" is invalid: metadata.{key}: Invalid value: "{value}":'
        f" must match the service account {key} if specified"
    )


async def test_a_token_is_bound_to_what_the_core_group_has_alone(api: ApiServer) -> None:
    """In any version of it: the group counts."""
    admin = api.as_user(*control.ADMIN)
    request = authenticationv1.TokenRequest()
    reference = request.spec.boundObjectRef
    reference.kind, reference.name = "Pod", "web"
    await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)
    for version, kind in (("apps/v1", "Pod"), ("v1", "ConfigMap")):
        reference.apiVersion, reference.kind = version, kind
        told = f"{'' if '/' in version else '/'}{version}, Kind={kind}"
        with pytest.raises(errors.BadRequest, match=f"^cannot bind token to object of type {told}$"):
            await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)


@pytest.mark.parametrize(("kind", "plural"), [(corev1.Secret, "secrets"), (corev1.Node, "nodes")])
async def test_a_token_dies_with_the_secret_or_node_that_it_is_bound_to(
    api: ApiServer, kind: Any, plural: str
) -> None:
    """One of the same name is another."""
    admin = api.as_user(*control.ADMIN)
    thing = kind()
    thing.metadata.name = "thing"
    thing.metadata.namespace = "default" if plural == "secrets" else ""
    await admin.create(thing)
    request = authenticationv1.TokenRequest()
    reference = request.spec.boundObjectRef
    reference.apiVersion, reference.kind, reference.name = "v1", kind.DESCRIPTOR.name, "thing"
    token = (await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)).status.token

    await api.tokens.authenticate(token)
    reference.uID = "another"
    with pytest.raises(errors.Conflict, match=r"the UID in the bound object reference \(another\) does not match"):
        await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)
    await admin.delete(kind, "thing", thing.metadata.namespace)
    await admin.create(thing)
    await api.cache.fresh()
    with pytest.raises(errors.Unauthorized):
        await api.tokens.authenticate(token)


@pytest.mark.parametrize("kind", [corev1.Pod, corev1.ServiceAccount])
async def test_no_finalizer_keeps_a_token_alive(api: ApiServer, clock: Clock, kind: Any) -> None:
    """What is being deleted vouches for a token a minute longer, however long something holds the object."""
    admin = api.as_user(*control.ADMIN)
    name = "web" if kind is corev1.Pod else "robot"
    token = (await ask(admin)).status.token
    held = objects.copy(await admin.get(kind, name, "default"))
    held.metadata.finalizers.append("example.com/kept")
    await admin.update(held)
    now = metav1.DeleteOptions(gracePeriodSeconds=0)

    await admin.delete(kind, name, "default", options=now)
    await api.cache.fresh()
    clock.now += 59
    await api.tokens.authenticate(token)
    clock.now += 2

    with pytest.raises(errors.Unauthorized):
        await api.tokens.authenticate(token)


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_token_that_was_changed_is_nobodys(api: ApiServer, part: int) -> None:
    """Header, claims or signature."""
    parts = (await ask(api.as_user(*control.ADMIN))).status.token.split(".")
    middle = len(parts[part]) // 2
    letter = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + letter + parts[part][middle + 1 :]

    with pytest.raises(errors.Unauthorized):
        await api.tokens.authenticate(".".join(parts))


async def test_a_token_for_others_is_not_taken_here(api: ApiServer) -> None:
    """Its audience is somebody else."""
    request = authenticationv1.TokenRequest()
    request.spec.audiences.append("vault")
    answer = await api.as_user(*control.ADMIN).post(corev1.ServiceAccount, "robot", "default", "token", request)

    with pytest.raises(errors.Unauthorized):
        await api.tokens.authenticate(answer.status.token)


async def test_a_node_gets_tokens_for_its_own_pods(api: ApiServer) -> None:
    """Bound to one of them, and only of their accounts."""
    mine = api.as_user("system:node:node-1", ["system:nodes"])
    other = api.as_user("system:node:node-2", ["system:nodes"])

    pod = await api.as_user(*control.ADMIN).get(corev1.Pod, "web", "default")
    assert (await ask(mine, uid=pod.metadata.uid)).status.token
    with pytest.raises(errors.Forbidden, match="requested token with a pod binding without a uid"):
        await ask(mine)
    with pytest.raises(errors.Forbidden, match="requested token not bound to a pod"):
        await ask(mine, pod="")
    with pytest.raises(errors.Forbidden, match="no relationship found between node 'node-2' and this object"):
        await ask(other)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"expirationSeconds": 60},
            "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than",
        ),
        ({"expirationSeconds": 1 << 33}, "may not specify a duration larger than 2\\^32 seconds"),
    ],
)
async def test_a_time_out_of_bounds_is_refused(api: ApiServer, spec: dict[str, int], text: str) -> None:
    """Ten minutes at least."""
    with pytest.raises(errors.Invalid, match=text):
        await ask(api.as_user(*control.ADMIN), **spec)


async def test_a_pod_of_another_account_binds_nothing(api: ApiServer) -> None:
    """The token would outlive its reason."""
    admin = api.as_user(*control.ADMIN)
    pod = "{metadata: {name: db, namespace: default}, spec: {containers: [{name: a, image: b}]}}"
    await admin.create(yamls.read(pod, corev1.Pod))

    with pytest.raises(errors.BadRequest, match="to pod running with different serviceaccount name"):
        await ask(admin, pod="db")
