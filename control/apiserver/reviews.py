"""Kinds that are questions: posted, answered at once, never stored.

Who may do what (SubjectAccessReview and its Local and Self forms, SelfSubjectRulesReview), whom a token stands for
(TokenReview), who one is (SelfSubjectReview). The API server calls this for users who may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from control.apiserver import authn, authz, bearers, field, system
from control.apiserver.rbac import authorizer as rbac
from control.apiserver.target import Target
from control.apiserver.validation import reviews as questions
from control.store.entry import Entry
from fairlead.api import codec, errors, objects
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1
from fairlead.api.pb import meta_v1_pb2 as metav1

GROUP = "authorization.k8s.io"


class Reviews:
    """Answers questions."""

    def __init__(
        self,
        authorizer: authz.Authorizer,
        roles: rbac.Authorizer,
        tokens: bearers.Bearers,
        now: Callable[[], float],
    ) -> None:
        self._authorizer = authorizer
        self._roles = roles
        self._tokens = tokens
        self._now = now

    async def answer(self, user: authn.User, target: Target, question: Any) -> Entry:
        """Return a question with its answer as an entry, which belongs to the caller."""
        answer = objects.copy(question)
        match answer:
            case authorizationv1.SubjectAccessReview():
                faults = questions.of_others(answer.spec) + _metadata(answer, metav1.ObjectMeta())
                _refuse("SubjectAccessReview", faults)
                self._access(answer, _subject(answer.spec))
            case authorizationv1.LocalSubjectAccessReview():
                self._local(target, answer)
            case authorizationv1.SelfSubjectAccessReview():
                faults = questions.of_self(answer.spec) + _metadata(answer, metav1.ObjectMeta())
                _refuse("SelfSubjectAccessReview", faults)
                self._access(answer, user)
            case authorizationv1.SelfSubjectRulesReview():
                self._rules(answer, user)
            case authenticationv1.TokenReview():
                await self._token(answer)
            case authenticationv1.SelfSubjectReview():
                answer.metadata.creationTimestamp.seconds = int(self._now())
                answer.status.userInfo.CopyFrom(_user_info(user))
            case _:
                raise errors.no_resource()
        return Entry(target.kind.key(target.namespace, ""), target.kind, answer, 0)

    def _local(self, target: Target, review: authorizationv1.LocalSubjectAccessReview) -> None:
        if review.metadata.namespace not in ("", target.namespace):
            raise errors.BadRequest(system.OTHER_NAMESPACE)
        review.metadata.namespace = target.namespace
        faults = questions.of_others(review.spec)
        faults += _metadata(review, metav1.ObjectMeta(namespace=target.namespace))
        faults += questions.local(review.spec, target.namespace)
        _refuse("LocalSubjectAccessReview", faults)
        self._access(review, _subject(review.spec))

    def _access(self, review: Any, user: authn.User) -> None:
        """Answer whether a user may do what a review names."""
        decision = self._authorizer.authorize(_attributes(review.spec, user))
        review.status.Clear()
        review.status.allowed, review.status.reason = decision.allowed, decision.reason

    def _rules(self, review: authorizationv1.SelfSubjectRulesReview, user: authn.User) -> None:
        """Answer what roles grant a user; what the node authorizer does is not told, as in Kubernetes."""
        if not review.spec.namespace:
            raise errors.BadRequest("no namespace on request")
        found, faults = self._roles.rules_for(user, review.spec.namespace)
        status = review.status
        status.Clear()
        for rule in found:
            if rule.resources:
                status.resourceRules.add(
                    verbs=rule.verbs,
                    apiGroups=rule.apiGroups,
                    resources=rule.resources,
                    resourceNames=rule.resourceNames,
                )
            if rule.nonResourceURLs:
                status.nonResourceRules.add(verbs=rule.verbs, nonResourceURLs=rule.nonResourceURLs)
        if user.node:
            status.incomplete = True
            faults = ["node authorizer does not support user rule resolution", *faults]
        status.evaluationError = rbac.listed(faults) if faults else ""

    async def _token(self, review: authenticationv1.TokenReview) -> None:
        """Answer whom a token stands for."""
        if not review.spec.token:
            raise errors.BadRequest("token is required for TokenReview in authentication")
        status = review.status
        status.Clear()
        try:
            found = await self._tokens.review(review.spec.token, list(review.spec.audiences))
        except authn.BadToken as error:
            status.error = error.why
            return
        status.authenticated = True
        status.user.CopyFrom(_user_info(found.user))
        status.audiences.extend(found.audiences)


def _user_info(user: authn.User) -> authenticationv1.UserInfo:
    """Return a user as reviews answer it."""
    info = authenticationv1.UserInfo(username=user.name, uid=user.uid, groups=user.groups)
    for key, values in user.extra:
        info.extra[key].items.extend(values)
    return info


def _subject(spec: authorizationv1.SubjectAccessReviewSpec) -> authn.User:
    extra = tuple((key, tuple(values.items)) for key, values in sorted(spec.extra.items()))
    return authn.User(spec.user, tuple(spec.groups), spec.uid, extra)


def _attributes(spec: Any, user: authn.User) -> authz.Attributes:
    """Return what a review asks about."""
    if spec.HasField("nonResourceAttributes"):
        asked = spec.nonResourceAttributes
        return authz.Attributes(user, asked.verb, path=asked.path)
    asked = spec.resourceAttributes
    return authz.Attributes(
        user, asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, asked.name, _fields(asked)
    )


def _fields(asked: authorizationv1.ResourceAttributes) -> Mapping[str, str] | None:
    """Return the fields that a review's selector pins to a value."""
    if asked.fieldSelector.rawSelector:
        return authz.equalities(asked.fieldSelector.rawSelector)
    requirements = asked.fieldSelector.requirements
    pinned = [one for one in requirements if one.operator == "In" and len(one.values) == 1]
    return {one.key: one.values[0] for one in pinned} or None


def _metadata(review: Any, wanted: metav1.ObjectMeta) -> field.Faults:
    """Judge that a question has no metadata but its namespace."""
    metadata = metav1.ObjectMeta()
    metadata.CopyFrom(review.metadata)
    metadata.ClearField("managedFields")
    if codec.to_json(metadata) == codec.to_json(wanted):  # clients send a time of creation that is null
        return []
    but = " except for namespace" if wanted.namespace else ""
    return [field.invalid("metadata", field.OMITTED, f"must be empty{but}")]


def _refuse(kind: str, faults: field.Faults) -> None:
    if faults:
        raise errors.invalid("authorization.k8s.io", kind, "", faults)
