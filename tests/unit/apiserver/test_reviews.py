"""Kinds that are questions: who may do what, whom a token stands for, who one is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from control.apiserver import authn, target, tokens
from control.apiserver.rbac import defaults
from control.apiserver.server import ApiServer
from fairlead import certificates
from fairlead.api import errors, scheme
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.testing import control

KEY = certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
NOW = 1_700_000_000.0
JANE = authn.User("jane", ("devs", authn.AUTHENTICATED), "uid-1", (("scopes", ("a", "b")),))


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server where devs may list pods in `default`."""
    async with control.memory_api(now=lambda: NOW, issuer=tokens.Issuer(KEY, lambda: NOW)) as made:
        admin = made.as_user(*control.ADMIN)
        role = rbacv1.Role()
        role.metadata.name, role.metadata.namespace = "reader", "default"
        role.rules.append(defaults.rule("list | core | pods"))
        await admin.create(role)
        binding = rbacv1.RoleBinding()
        binding.metadata.name, binding.metadata.namespace = "devs", "default"
        binding.roleRef.kind, binding.roleRef.name = "Role", "reader"
        binding.subjects.add(kind="Group", name="devs")
        await admin.create(binding)
        account = corev1.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "robot", "default"
        await admin.create(account)
        await made.cache.fresh()
        yield made


def pods_in(namespace: str, verb: str = "list") -> authorizationv1.ResourceAttributes:
    """What is asked about."""
    return authorizationv1.ResourceAttributes(namespace=namespace, verb=verb, resource="pods")


async def test_everyone_may_ask_about_itself(api: ApiServer) -> None:
    """With the reason of the allowance; nothing is stored."""
    jane = api.client(JANE)
    review = authorizationv1.SelfSubjectAccessReview()
    review.spec.resourceAttributes.CopyFrom(pods_in("default"))
    revision = api.cache.revision

    allowed = await jane.create(review)
    review.spec.resourceAttributes.namespace = "kube-system"
    refused = await jane.create(review)
    path = authorizationv1.SelfSubjectAccessReview()
    path.spec.nonResourceAttributes.path, path.spec.nonResourceAttributes.verb = "/healthz", "get"
    public = await jane.create(path)

    reason = 'RBAC: allowed by RoleBinding "devs/default" of Role "reader" to Group "devs"'
    assert (allowed.status.allowed, allowed.status.reason) == (True, reason)
    assert (refused.status.allowed, refused.status.reason) == (False, "")
    assert public.status.allowed
    assert allowed.metadata.resourceVersion == ""
    assert await api.cache.fresh() == revision


async def test_others_are_asked_about_with_leave_only(api: ApiServer) -> None:
    """As any request: by a role."""
    review = authorizationv1.SubjectAccessReview()
    review.spec.user = "jane"
    review.spec.groups.append("devs")
    review.spec.resourceAttributes.CopyFrom(pods_in("default"))

    with pytest.raises(errors.Forbidden) as caught:
        await api.client(JANE).create(review)

    assert (await api.as_user(*control.ADMIN).create(review)).status.allowed
    assert caught.value.message == (
        'subjectaccessreviews.authorization.k8s.io is forbidden: User "jane" cannot create resource'
        ' "subjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope'
    )


async def test_a_local_review_is_about_its_own_namespace(api: ApiServer) -> None:
    """Which both name."""
    admin = api.as_user(*control.ADMIN)
    review = authorizationv1.LocalSubjectAccessReview()
    review.metadata.namespace = "default"
    review.spec.user = "joe"
    review.spec.groups.append("devs")
    review.spec.resourceAttributes.CopyFrom(pods_in("default"))

    assert (await admin.create(review)).status.allowed
    review.spec.resourceAttributes.namespace = "prod"
    review.spec.nonResourceAttributes.path = "/x"
    with pytest.raises(errors.Invalid) as refused:
        await admin.create(review)

    path = 'authorization.NonResourceAttributes{Path:"/x", Verb:""}'
    assert [f"{one.field}: {one.message}" for one in refused.value.causes] == [
        f"spec.nonResourceAttributes: Invalid value: {path}: cannot be specified in combination with"
        " resourceAttributes",
        'spec.resourceAttributes.namespace: Invalid value: "prod": must match metadata.namespace',
        f"spec.nonResourceAttributes: Invalid value: {path}: disallowed on this kind of request",
    ]


async def test_a_local_review_is_in_the_namespace_that_it_is_posted_to(api: ApiServer) -> None:
    """Also where it does not say so; it must not say otherwise."""
    user = authn.User(*control.ADMIN)
    kind = scheme.DEFAULT.by_kind("authorization.k8s.io/v1", "LocalSubjectAccessReview")
    place = target.Target(kind, "default")
    review = authorizationv1.LocalSubjectAccessReview()
    review.spec.groups.append("devs")
    review.spec.resourceAttributes.CopyFrom(pods_in("default"))

    answer = (await api.create(user, place, review)).object
    review.metadata.namespace = "prod"
    with pytest.raises(errors.BadRequest, match="does not match the namespace sent on the request"):
        await api.create(user, place, review)

    assert (answer.metadata.namespace, answer.status.allowed) == ("default", True)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda review: review.ClearField("spec"),
            'must be specified, spec.user: Invalid value: "": at least one of user or group must be specified]',
        ),
        (
            lambda review: review.spec.ClearField("resourceAttributes"),
            'spec.resourceAttributes: Invalid value: "null": exactly one of nonResourceAttributes or'
            " resourceAttributes must be specified",
        ),
        (
            lambda review: review.spec.nonResourceAttributes.SetInParent(),
            'spec.nonResourceAttributes: Invalid value: authorization.NonResourceAttributes{Path:"", Verb:""}: cannot'
            " be specified in combination with resourceAttributes",
        ),
        (
            lambda review: review.spec.resourceAttributes.fieldSelector.SetInParent(),
            "spec.resourceAttributes.fieldSelector.requirements: Required value: when"
            " spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required",
        ),
        (
            lambda review: review.spec.resourceAttributes.labelSelector.requirements.add(key="a", operator="In"),
            "spec.resourceAttributes.labelSelector.requirements[0].values: Required value: must be specified when"
            " `operator` is 'In' or 'NotIn'",
        ),
        (
            lambda review: review.spec.resourceAttributes.fieldSelector.requirements.add(operator="Newer"),
            "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified",
        ),
        (lambda review: review.metadata.labels.update(a="b"), "metadata: Invalid value: must be empty"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(api: ApiServer, change: Any, text: str) -> None:
    """With Kubernetes' words."""
    review = authorizationv1.SubjectAccessReview()
    review.spec.user = "jane"
    review.spec.resourceAttributes.CopyFrom(pods_in("default"))
    change(review)

    with pytest.raises(errors.Invalid) as caught:
        await api.as_user(*control.ADMIN).create(review)

    assert text.removeprefix("[") in caught.value.message


async def test_all_that_one_may_do_is_listed(api: ApiServer) -> None:
    """What `kubectl auth can-i --list` shows."""
    review = authorizationv1.SelfSubjectRulesReview()
    review.spec.namespace = "default"

    status = (await api.client(JANE).create(review)).status

    assert authorizationv1.ResourceRule(verbs=["list"], apiGroups=[""], resources=["pods"]) in status.resourceRules
    assert any("/healthz" in rule.nonResourceURLs for rule in status.nonResourceRules)
    assert not status.incomplete
    review.spec.namespace = ""
    with pytest.raises(errors.BadRequest, match="no namespace on request"):
        await api.client(JANE).create(review)


async def test_a_node_is_told_that_its_rules_are_not_all(api: ApiServer) -> None:
    """The node authorizer cannot list them."""
    review = authorizationv1.SelfSubjectRulesReview()
    review.spec.namespace = "default"

    status = (await api.as_user("system:node:node-1").create(review)).status

    assert status.incomplete
    assert status.evaluationError == "node authorizer does not support user rule resolution"


async def test_one_learns_who_one_is(api: ApiServer) -> None:
    """Name, uid, groups and extras."""
    answer = await api.client(JANE).create(authenticationv1.SelfSubjectReview())

    info = answer.status.userInfo
    assert (info.username, info.uid, list(info.groups)) == ("jane", "uid-1", ["devs", "system:authenticated"])
    assert list(info.extra["scopes"].items) == ["a", "b"]
    assert answer.metadata.creationTimestamp.seconds == NOW


async def test_a_token_is_reviewed_with_its_audiences(api: ApiServer) -> None:
    """Whom it stands for, and which of the asked audiences it is for."""
    admin = api.as_user(*control.ADMIN)
    request = authenticationv1.TokenRequest()
    request.spec.audiences.extend(["vault", "db"])
    token = (await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)).status.token

    async def review(*audiences: str, text: str = token) -> authenticationv1.TokenReviewStatus:
        asked = authenticationv1.TokenReview()
        asked.spec.token = text
        asked.spec.audiences.extend(audiences)
        return (await admin.create(asked)).status

    good, here, bad = await review("vault", "other"), await review(), await review("vault", text="nonsense")

    assert (good.authenticated, good.user.username) == (True, "system:serviceaccount:default:robot")
    assert list(good.audiences) == ["vault"]
    assert (here.authenticated, here.error) == (
        False,
        'token audiences ["vault" "db"] is invalid for the target audiences'
        ' ["https://kubernetes.default.svc.cluster.local"]',
    )
    assert (bad.authenticated, bad.error) == (False, "invalid bearer token")
    with pytest.raises(errors.BadRequest, match="token is required for TokenReview in authentication"):
        await review(text="")


async def test_a_question_knows_no_other_verb(api: ApiServer) -> None:
    """Nothing to get, list or watch."""
    client = api.as_user(*control.ADMIN)
    with pytest.raises(errors.MethodNotAllowed):
        await client.list(authenticationv1.TokenReview)
    with pytest.raises(errors.MethodNotAllowed):
        await client.get(authenticationv1.SelfSubjectReview, "x")
    assert api.kinds.serves(scheme.DEFAULT.of(authenticationv1.TokenReview))
