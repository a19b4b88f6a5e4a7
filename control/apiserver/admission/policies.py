"""ValidatingAdmissionPolicy: policies in the Common Expression Language, as their bindings apply them.

A policy takes effect with the watch cache's next event. What it denies is refused, warned of or written to the audit
log, as each binding says. Source: Kubernetes' documentation, "Validating Admission Policy".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from control.apiserver import authz, warnings
from control.apiserver.admission import lookup, plugin, webhooks
from control.apiserver.audit import event as audit
from control.apiserver.cel import admission, authorizing
from control.apiserver.policies import compiling, judging, matching
from control.store import cache as caches
from fairlead.api import codec, errors, scheme, selectors
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import core_v1_pb2 as corev1

Binding = registrationv1.ValidatingAdmissionPolicyBinding
PolicyObject = registrationv1.ValidatingAdmissionPolicy

DENY, WARN, AUDIT = "Deny", "Warn", "Audit"
FAILURE = "validation.policy.admission.k8s.io/validation_failure"
REFUSALS: Mapping[str, type[errors.ApiError]] = {
    "Forbidden": errors.Forbidden,
    "Invalid": errors.Invalid,
    "RequestEntityTooLarge": errors.RequestEntityTooLarge,
    "Unauthorized": errors.Unauthorized,
}
MOST_COMPILED = 256  # policies whose expressions are kept


class _Misconfigured(Exception):
    """A policy or binding that cannot be carried out; its policy's failurePolicy decides."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """One request, its namespace, and how its policies' questions are answered."""

    request: plugin.Request
    namespace: corev1.Namespace | None
    labels: Mapping[str, str] | None
    ask: authorizing.Ask
    rows: Sequence[scheme.Kind]


class ValidatingAdmissionPolicy(plugin.Plugin):
    """Lets policies refuse what is written."""

    def __init__(self, cache: caches.Cache, authorizer: authz.Authorizer, versions: webhooks.Versions) -> None:
        self._cache = cache
        self._authorizer = authorizer
        self._versions = versions
        self._policies = lookup.Lookup(cache, PolicyObject)
        self._bindings = lookup.Lookup(cache, Binding)
        self._namespaces = lookup.Lookup(cache, corev1.Namespace)
        self._compiled: dict[tuple[str, int], compiling.Policy] = {}

    async def validate(self, request: plugin.Request) -> None:
        """Ask each policy through each of its bindings; the first denial is given."""
        if not matching.may_concern(request):
            return
        subject: _Subject | None = None
        denials: list[tuple[str, str]] = []
        for policy, bindings in self._bound():
            if subject is None:
                subject = await self._subject(request)
            denials += await self._judged(policy, bindings, subject)
        if denials:
            raise _refusal(request, denials[0])

    def _bound(self) -> Iterator[tuple[PolicyObject, Sequence[Binding]]]:
        """Iterate over policies with their bindings, by name."""
        by_policy: dict[str, list[Binding]] = {}
        for binding in self._bindings.all():
            by_policy.setdefault(binding.spec.policyName, []).append(binding)
        for name in sorted(by_policy):
            policy = self._policies.get(name)
            if policy is not None:
                yield policy, by_policy[name]

    async def _subject(self, request: plugin.Request) -> _Subject:
        namespace, labels = await lookup.namespace_of(request, self._namespaces)
        ask = judging.asks(request, self._authorizer)
        return _Subject(request, namespace, labels, ask, self._versions.served())

    async def _judged(
        self, policy: PolicyObject, bindings: Sequence[Binding], subject: _Subject
    ) -> list[tuple[str, str]]:
        """Return what a policy denies, as reasons and messages; warn and note what its bindings say."""
        request = subject.request
        kind = matching.version_for(policy.spec.matchConstraints, request, subject.labels, subject.rows)
        if kind is None:
            return []
        denied: list[tuple[str, str]] = []
        annotations: dict[str, list[str]] = {}
        for binding in bindings:
            resources = binding.spec.matchResources
            if matching.version_for(resources, request, subject.labels, subject.rows) is None:
                continue
            try:
                judgements = await self._applied(policy, binding, subject, kind)
            except _Misconfigured as error:
                if policy.spec.failurePolicy != compiling.IGNORE:
                    denied.append(("", _denial(policy, binding, f"failed to configure binding: {error}")))
                continue
            for judgement in judgements:
                denied += _acted(policy, binding, judgement)
                for key, value in judgement.annotations.items():
                    if value not in annotations.setdefault(key, []):
                        annotations[key].append(value)
        for key, values in annotations.items():
            audit.annotate(f"{policy.metadata.name}/{key}", ", ".join(values))
        return denied

    async def _applied(
        self, policy: PolicyObject, binding: Binding, subject: _Subject, kind: scheme.Kind
    ) -> list[judging.Judgement]:
        """Return what a policy says of a request, once for each of a binding's parameters."""
        params = await self._params(policy, binding, subject.request)
        shown = [await self._at(one, kind) for one in (subject.request.obj, subject.request.old)]
        seen = judging.values(subject.request, kind, shown)
        if subject.namespace is not None:
            seen["namespaceObject"] = admission.namespace_object(codec.to_json(subject.namespace))
        compiled = self._ready(policy)
        with authorizing.asking(subject.ask):
            return [judging.judge(compiled, {**seen, "params": each}) for each in params]

    async def _at(self, obj: Any, kind: scheme.Kind) -> Any:
        return await self._versions.convert(obj, kind) if obj is not None else None

    def _ready(self, policy: PolicyObject) -> compiling.Policy:
        """Return a policy's expressions, compiled once for each of its generations."""
        key = (policy.metadata.uid, policy.metadata.generation)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= MOST_COMPILED:
                self._compiled.clear()
            found = self._compiled[key] = compiling.policy(policy.spec)
        return found

    async def _params(self, policy: PolicyObject, binding: Binding, request: plugin.Request) -> Sequence[Any]:
        """Return the JSON of a binding's parameters; one None where the policy or the binding names none."""
        if not policy.spec.HasField("paramKind") or not binding.spec.HasField("paramRef"):
            return [None]
        named, reference = policy.spec.paramKind, binding.spec.paramRef
        try:
            kind = self._cache.scheme.by_kind(named.apiVersion, named.kind)
        except scheme.UnknownKind:
            group, _, version = named.apiVersion.rpartition("/")
            shown = f"{group}/{version}, Kind={named.kind}"
            raise _Misconfigured(f"failed to find resource referenced by paramKind: '{shown}'") from None
        found = [await self._presented(each, kind) for each in self._found(kind, reference, request)]
        if not found and reference.parameterNotFoundAction == DENY:
            raise _Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
        return found

    async def _presented(self, obj: Any, kind: scheme.Kind) -> dict[str, Any]:
        shown = await self._versions.convert(obj, kind)
        return {"apiVersion": kind.api_version, "kind": kind.kind, **codec.to_json(shown)}

    def _found(self, kind: scheme.Kind, reference: registrationv1.ParamRef, request: plugin.Request) -> Iterator[Any]:
        namespace = (reference.namespace or request.namespace) if kind.namespaced else ""
        if kind.namespaced and not namespace:
            text = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            raise _Misconfigured(text)
        if reference.namespace and not kind.namespaced:
            raise _Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        stored = self._cache.scheme.hub(kind)
        if reference.name:
            entry = self._cache.get(stored, namespace, reference.name)
            yield from () if entry is None else (entry.object,)
            return
        selector = selectors.of_message(reference.selector)
        for entry in self._cache.list(stored, namespace):
            if selector.matches(entry.object.metadata.labels):
                yield entry.object


def _acted(policy: PolicyObject, binding: Binding, judgement: judging.Judgement) -> list[tuple[str, str]]:
    """Carry out a binding's actions; returns what is denied."""
    denied = [("", _denial(policy, binding, error.message)) for error in judgement.errors]
    for denial in judgement.denials:
        if DENY in binding.spec.validationActions:
            denied.append((denial.reason, _denial(policy, binding, denial.message)))
        if WARN in binding.spec.validationActions:
            named = f"'{policy.metadata.name}' with binding '{binding.metadata.name}'"
            warnings.add(f"Validation failed for ValidatingAdmissionPolicy {named}: {denial.message}")
        if AUDIT in binding.spec.validationActions:
            failure = {
                "message": denial.message,
                "policy": policy.metadata.name,
                "binding": binding.metadata.name,
                "expressionIndex": denial.index,
                "validationActions": list(binding.spec.validationActions),
            }
            audit.annotate(FAILURE, orjson.dumps([failure]).decode())
    return denied


def _denial(policy: PolicyObject, binding: Binding, why: str) -> str:
    named = f"'{policy.metadata.name}' with binding '{binding.metadata.name}'"
    return f"ValidatingAdmissionPolicy {named} denied request: {why}"


def _refusal(request: plugin.Request, denial: tuple[str, str]) -> errors.ApiError:
    """Return the error of a request that a policy denied: the message is a Forbidden's, whatever the reason."""
    reason, message = denial
    told = request.forbidden(message)
    return REFUSALS.get(reason, errors.Invalid)(
        told.message, group=told.group, kind=told.kind, name=told.name, causes=[errors.Cause("", message, "")]
    )
