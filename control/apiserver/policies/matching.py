"""Which requests a policy or a binding is about: resource rules, exclusions, names, selectors. Pure.

Source: Kubernetes' documentation, "Validating Admission Policy", matching. Rules and selectors are those of webhooks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from control.apiserver.admission import plugin
from control.apiserver.webhooks import matching
from fairlead.api import scheme
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

Resources = registrationv1.MatchResources
POLICIES = frozenset({"validatingadmissionpolicies", "validatingadmissionpolicybindings"})


def may_concern(request: plugin.Request) -> bool:
    """Whether policies hear of a request at all: not of policies, so that none locks itself in."""
    return not (request.kind.group == matching.GROUP and request.kind.resource in POLICIES)


def version_for(
    resources: Resources, request: plugin.Request, labels: Mapping[str, str] | None, rows: Sequence[scheme.Kind]
) -> scheme.Kind | None:
    """Return the version of the object that rules name, None for a request that they are not about.

    `labels` are the namespace's, None outside of namespaces. Without rules every resource matches.
    """
    if not matching.selects(_as_hook(resources, ()), request, labels):
        return None
    if _version(resources, resources.excludeResourceRules, request, rows) is not None:
        return None
    if not resources.resourceRules:
        return request.asked or request.kind
    return _version(resources, resources.resourceRules, request, rows)


def _version(
    resources: Resources,
    rules: Iterable[registrationv1.NamedRuleWithOperations],
    request: plugin.Request,
    rows: Sequence[scheme.Kind],
) -> scheme.Kind | None:
    named = [each for each in rules if not each.resourceNames or request.name in each.resourceNames]
    return matching.version_for(_as_hook(resources, named), request, rows) if named else None


def _as_hook(
    resources: Resources, rules: Iterable[registrationv1.NamedRuleWithOperations]
) -> registrationv1.ValidatingWebhook:
    """Return a webhook with the same rules and selectors."""
    hook = registrationv1.ValidatingWebhook(rules=[each.ruleWithOperations for each in rules])
    hook.matchPolicy = resources.matchPolicy
    for name in ("namespaceSelector", "objectSelector"):
        if resources.HasField(name):
            getattr(hook, name).CopyFrom(getattr(resources, name))
    return hook
