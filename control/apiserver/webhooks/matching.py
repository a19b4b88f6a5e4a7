"""Which webhooks a request concerns: rules, scopes, selectors. Pure.

Source: Kubernetes' documentation, "Dynamic Admission Control", matching requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from control.apiserver.admission import plugin
from fairlead.api import scheme, selectors
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import meta_v1_pb2 as metav1

Hook = registrationv1.MutatingWebhook | registrationv1.ValidatingWebhook

EXACT = "Exact"
GROUP = "admissionregistration.k8s.io"


def may_concern(request: plugin.Request) -> bool:
    """Whether webhooks hear of a request at all: not of their own configurations, so that none locks itself in."""
    return request.kind.group != GROUP


def version_for(hook: Hook, request: plugin.Request, rows: Iterable[scheme.Kind]) -> scheme.Kind | None:
    """Return the version of the object that a webhook's rules name, None where they do not match.

    That of the request comes first; with matchPolicy Equivalent the others in `rows` do as well.
    """
    kind = own_version(hook, request)
    if kind is None and hook.matchPolicy != EXACT:
        return equivalent(hook, request, other_versions(request, rows))
    return kind


def own_version(hook: Hook, request: plugin.Request) -> scheme.Kind | None:
    """Return the version that the request named, None where a webhook's rules do not."""
    kind = request.asked or request.kind
    return kind if any(_rule_matches(rule, request, kind) for rule in hook.rules) else None


def other_versions(request: plugin.Request, rows: Iterable[scheme.Kind]) -> list[scheme.Kind]:
    """Return the versions in which the same objects are served beside the one that the request named."""
    kind = request.asked or request.kind
    return [row for row in rows if row.prefix == kind.prefix and row.api_version != kind.api_version]


def equivalent(hook: Hook, request: plugin.Request, others: Sequence[scheme.Kind]) -> scheme.Kind | None:
    """Return the other version that the first rule of a webhook to fit one names; None where none does."""
    pairs = ((rule, kind) for rule in hook.rules for kind in others)
    return next((kind for rule, kind in pairs if _rule_matches(rule, request, kind)), None)


def _rule_matches(rule: registrationv1.RuleWithOperations, request: plugin.Request, kind: scheme.Kind) -> bool:
    inner = rule.rule
    return (
        _listed(rule.operations, request.operation)
        and _listed(inner.apiGroups, kind.group)
        and _listed(inner.apiVersions, kind.version)
        and any(_names(text, kind.resource, request.subresource) for text in inner.resources)
        and _in_scope(inner.scope, kind)
    )


def _listed(values: Iterable[str], value: str) -> bool:
    return any(one in ("*", value) for one in values)


def _names(text: str, resource: str, subresource: str) -> bool:
    """Say whether `pods`, `pods/status`, `pods/*`, `*` or `*/*` names a resource or a subresource of it."""
    wanted, _, sub = text.partition("/")
    return wanted in ("*", resource) and sub in ("*", subresource)


def _in_scope(scope: str, kind: scheme.Kind) -> bool:
    return scope in ("", "*") or (scope == "Namespaced") == kind.namespaced


def selects(hook: Hook, request: plugin.Request, namespace_labels: Mapping[str, str] | None) -> bool:
    """Whether a webhook's selectors choose the request; `namespace_labels` is None outside of namespaces."""
    by_namespace = namespace_labels is not None and _chooses(hook, "namespaceSelector")
    if by_namespace and not selectors.of_message(hook.namespaceSelector).matches(namespace_labels or {}):
        return False
    if not _chooses(hook, "objectSelector"):
        return True
    chosen = selectors.of_message(hook.objectSelector)
    metadata = [one.metadata for one in (request.obj, request.old) if hasattr(one, "metadata")]
    return any(chosen.matches(one.labels) for one in metadata)


def _chooses(hook: Any, name: str) -> bool:
    """Say whether a webhook has a selector that does not choose everything, also what has no labels."""
    if not hook.HasField(name):
        return False
    selector: metav1.LabelSelector = getattr(hook, name)
    return bool(selector.matchLabels or selector.matchExpressions)
