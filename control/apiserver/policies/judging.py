"""What one compiled policy says of one request, and the values that its expressions see. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control.apiserver import authn, authz
from control.apiserver.admission import plugin
from control.apiserver.cel import authorizing, library
from control.apiserver.policies import compiling, evaluating
from control.apiserver.webhooks import reviews
from fairlead.api import scheme

LONGEST_MESSAGE = 5120  # bytes of what a messageExpression may make
LONGEST_ANNOTATION = 10240  # bytes of an audit annotation
VERBS = {"CREATE": "create", "UPDATE": "update", "DELETE": "delete", "CONNECT": "create"}


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a policy denies a request; `index` is the validation's, `reason` one of Kubernetes' or empty."""

    message: str
    reason: str = ""
    index: int = 0


@dataclass(slots=True)
class Judgement:
    """What a policy says; `errors` deny whatever the binding's actions are."""

    denials: list[Denial] = field(default_factory=list)
    errors: list[Denial] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)


def values(request: plugin.Request, kind: scheme.Kind, shown: Sequence[Any]) -> dict[str, Any]:
    """Return what expressions see of a request; `shown` are its object and old object at the version of `kind`."""
    asked = dict(reviews.review(request, kind, "", shown)["request"])
    del asked["uid"]
    return {
        "object": asked.pop("object"),
        "oldObject": asked.pop("oldObject"),
        "request": asked,
        "namespaceObject": None,
        "authorizer": library.authorizer(_own_check(request)),
    }


def _own_check(request: plugin.Request) -> authorizing.ResourceCheck:
    return authorizing.ResourceCheck(
        group=request.kind.group,
        resource=request.kind.resource,
        subresource=request.subresource,
        namespace=request.namespace,
        name=request.name,
    )


def asks(request: plugin.Request, authorizer: authz.Authorizer) -> authorizing.Ask:
    """Return what answers an expression's questions about who may do what."""

    def ask(check: authorizing.Check, verb: str) -> authorizing.Decision:
        user = authn.user(check.user) if check.user else request.user
        if check.path:
            decision = authorizer.authorize(authz.Attributes(user, verb, path=check.path))
        else:
            decision = authorizer.authorize(
                authz.Attributes(
                    user,
                    verb,
                    group=check.group,
                    resource=check.resource,
                    subresource=check.subresource,
                    namespace=check.namespace,
                    name=check.name,
                )
            )
        return authorizing.Decision(decision.allowed, decision.reason)

    return ask


def judge(policy: compiling.Policy, seen: Mapping[str, Any]) -> Judgement:
    """Return what a policy says of what its expressions see."""
    told = Judgement()
    evaluation = evaluating.Evaluation(seen, policy.variables)
    try:
        if not evaluating.holds(policy.conditions, evaluation):
            return told
    except evaluating.Failure as failure:
        told.denials += _failed(policy, failure, 0)
        return told
    for index, validation in enumerate(policy.validations):
        told.denials += _denials(policy, validation, evaluation, index)
    for key, value in _annotations(policy, evaluation, told):
        told.annotations[key] = value
    return told


def _failed(policy: compiling.Policy, failure: evaluating.Failure, index: int) -> list[Denial]:
    return [Denial(str(failure), index=index)] if policy.fails_closed else []


def _denials(
    policy: compiling.Policy, validation: compiling.Validation, evaluation: evaluating.Evaluation, index: int
) -> list[Denial]:
    try:
        if evaluation.value(validation.condition) is True:
            return []
    except evaluating.Failure as failure:
        return _failed(policy, failure, index)
    return [Denial(_message(validation, evaluation), validation.written.reason, index)]


def _message(validation: compiling.Validation, evaluation: evaluating.Evaluation) -> str:
    written = validation.written
    plain = written.message.strip() or f"failed expression: {written.Expression.strip()}"
    if validation.message is None:
        return plain
    try:
        made = evaluation.value(validation.message)
    except evaluating.Failure:
        return plain
    text = made.strip() if isinstance(made, str) else ""
    return text if text and "\n" not in text and len(text.encode()) <= LONGEST_MESSAGE else plain


def _annotations(
    policy: compiling.Policy, evaluation: evaluating.Evaluation, told: Judgement
) -> Iterator[tuple[str, str]]:
    for key, compiled in policy.annotations:
        try:
            value = evaluation.value(compiled)
        except evaluating.Failure as failure:
            told.errors += _failed(policy, failure, 0)
            continue
        if isinstance(value, str) and value.strip():
            yield key, value.strip().encode()[:LONGEST_ANNOTATION].decode(errors="ignore")
        elif value is not None and not isinstance(value, str):
            text = (
                f"valueExpression '{compiled.source}' resulted in unsupported return type: {type(value).__name__}. "
                "Return type must be either string or null."
            )
            told.errors.append(Denial(text))
