"""Webhook configurations: which requests are shown to whom before they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.apiserver import field, notation
from control.apiserver.cel import admission
from control.apiserver.policies import compiling
from control.apiserver.strategies import strategy
from control.apiserver.validation import names, selectors, webhooks
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionv1

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
SIDE_EFFECTS = ("None", "NoneOnDryRun")
REINVOCATIONS = ("IfNeeded", "Never")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
TIMEOUT_SECONDS = 10
MAX_TIMEOUT_SECONDS = 30
MAX_CONDITIONS = 64
PORT = 443
NAME_SEGMENTS = 3


class _WebhookStrategy(strategy.Strategy[Any]):
    """What both kinds of configurations have in common."""

    allow_unconditional_update = False

    def default(self, obj: Any) -> None:
        """Fill in what a webhook leaves open."""
        for hook in obj.Webhooks:
            _default(hook)

    def prepare_for_create(self, obj: Any) -> None:
        """Start at generation 1."""
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: Any, old: Any) -> None:
        """Count the generation if a webhook changed."""
        obj.metadata.generation = old.metadata.generation + (list(obj.Webhooks) != list(old.Webhooks))

    def validate(self, obj: Any) -> field.Faults:
        """Judge the webhooks; their names are unique."""
        faults: field.Faults = []
        seen: set[str] = set()
        for index, hook in enumerate(obj.Webhooks):
            path = f"webhooks[{index}]"
            faults += _hook(hook, path)
            if hook.name and hook.name in seen:
                faults.append(field.duplicate(f"{path}.name", hook.name))
            seen.add(hook.name)
        return faults


class MutatingWebhookStrategy(_WebhookStrategy):
    """The rules of MutatingWebhookConfigurations."""

    message = admissionv1.MutatingWebhookConfiguration

    def default(self, obj: admissionv1.MutatingWebhookConfiguration) -> None:
        """Call a webhook once, unless it asks for more."""
        super().default(obj)
        for hook in obj.Webhooks:
            if not hook.HasField("reinvocationPolicy"):
                hook.reinvocationPolicy = "Never"


class ValidatingWebhookStrategy(_WebhookStrategy):
    """The rules of ValidatingWebhookConfigurations."""

    message = admissionv1.ValidatingWebhookConfiguration


def _default(hook: Any) -> None:
    for name, value in (
        ("failurePolicy", "Fail"),
        ("matchPolicy", "Equivalent"),
        ("timeoutSeconds", TIMEOUT_SECONDS),
    ):
        if not hook.HasField(name):
            setattr(hook, name, value)
    for name in ("namespaceSelector", "objectSelector"):
        if not hook.HasField(name):
            getattr(hook, name).SetInParent()
    if hook.clientConfig.HasField("service") and not hook.clientConfig.service.HasField("port"):
        hook.clientConfig.service.port = PORT
    for each in hook.rules:
        default_rule(each)


def default_rule(value: admissionv1.RuleWithOperations) -> None:
    """Let a rule that names no scope be about every one."""
    if not value.rule.HasField("scope"):
        value.rule.scope = "*"


def _hook(hook: Any, path: str) -> field.Faults:
    faults = _fully_qualified(f"{path}.name", hook.name)
    for index, each in enumerate(hook.rules):
        faults += rule(each, f"{path}.rules[{index}]")
    faults += among(hook, "failurePolicy", FAILURE_POLICIES, path) + among(hook, "matchPolicy", MATCH_POLICIES, path)
    if not hook.HasField("sideEffects"):
        text = f"must specify one of {', '.join(SIDE_EFFECTS)}"
        faults.append(field.required(f"{path}.sideEffects", text))
    faults += among(hook, "sideEffects", SIDE_EFFECTS, path)
    if not 1 <= hook.timeoutSeconds <= MAX_TIMEOUT_SECONDS:
        text = "the timeout value must be between 1 and 30 seconds"
        faults.append(field.invalid(f"{path}.timeoutSeconds", hook.timeoutSeconds, text))
    for name in ("namespaceSelector", "objectSelector"):
        faults += selectors.validate(getattr(hook, name), f"{path}.{name}")
    if "reinvocationPolicy" in hook.DESCRIPTOR.fields_by_name:
        faults += among(hook, "reinvocationPolicy", REINVOCATIONS, path)
    faults += webhooks.client(hook.clientConfig, f"{path}.clientConfig")
    faults += conditions(hook.matchConditions, f"{path}.matchConditions")
    at, needed = f"{path}.admissionReviewVersions", f"must specify one of {', '.join(webhooks.REVIEWS)}"
    return faults + webhooks.reviews(hook.admissionReviewVersions, at, needed)


def among(hook: Any, name: str, supported: tuple[str, ...], path: str) -> field.Faults:
    """Judge a field that may be left out: one of some words."""
    if not hook.HasField(name) or getattr(hook, name) in supported:
        return []
    return [field.unsupported(f"{path}.{name}", getattr(hook, name), supported)]


def _fully_qualified(path: str, name: str) -> field.Faults:
    if not name:
        return [field.required(path)]
    if found := names.subdomain(name):
        return [field.invalid(path, name, ",".join(found))]
    if len(name.split(".")) < NAME_SEGMENTS:
        text = "should be a domain with at least three segments separated by dots"
        return [field.invalid(path, name, text)]
    return []


def rule(value: admissionv1.RuleWithOperations, path: str) -> field.Faults:
    """Judge operations and resources."""
    at, faults = f"{path}.operations", field.Faults()
    operations = list(value.operations)
    if not operations:
        faults.append(field.required(at))
    if len(operations) > 1 and "*" in operations:
        text = "if '*' is present, must not specify other operations"
        shown = notation.typed_strings("admissionregistration.OperationType", operations)
        faults.append(field.invalid(at, shown, text))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            faults.append(field.unsupported(f"{at}[{index}]", operation, OPERATIONS))
    inner = value.rule
    for name, words in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        listed = list(getattr(inner, name))
        if not listed:
            faults.append(field.required(f"{path}.{name}"))
        if len(listed) > 1 and "*" in listed:
            text = f"if '*' is present, must not specify other {words}"
            faults.append(field.invalid(f"{path}.{name}", notation.strings(listed), text))
    for index, version in enumerate(inner.apiVersions):
        if not version:
            faults.append(field.required(f"{path}.apiVersions[{index}]"))
    faults += _resources(list(inner.resources), f"{path}.resources")
    return faults + among(inner, "scope", SCOPES, path)


def _resources(resources: Sequence[str], path: str) -> field.Faults:
    """Judge resources, each `pods`, `pods/status`, `pods/*`, `*/scale`, `*` or `*/*`: none may cover another."""
    faults: field.Faults = [] if resources else [field.required(path)]
    every_part: set[str] = set()
    part_of_all: set[str] = set()
    for index, resource in enumerate(resources):
        at = f"{path}[{index}]"
        if not resource:
            faults.append(field.required(at))
        name, slash, part = resource.partition("/")
        if not slash:
            continue
        if name in every_part:
            text = f"if '{name}/*' is present, must not specify {resource}"
            faults.append(field.invalid(at, resource, text))
        if part in part_of_all:
            text = f"if '*/{part}' is present, must not specify {resource}"
            faults.append(field.invalid(at, resource, text))
        every_part |= {name} if part == "*" else set()
        part_of_all |= {part} if name == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        text = "if '*/*' is present, must not specify other resources"
        faults.append(field.invalid(path, notation.strings(resources), text))
    whole = [one for one in resources if one and "/" not in one]
    if "*" in whole and whole[-1] != "*":
        text = "if '*' is present, must not specify other resources without subresources"
        faults.append(field.invalid(path, notation.strings(resources), text))
    return faults


def conditions(written: Sequence[admissionv1.MatchCondition], path: str, *, has_params: bool = False) -> field.Faults:
    """Judge match conditions: their number and names, and whether their expressions compile."""
    faults: field.Faults = []
    if len(written) > MAX_CONDITIONS:
        faults.append(field.too_many(path, len(written), MAX_CONDITIONS))
    seen: set[str] = set()
    for index, condition in enumerate(written):
        at = f"{path}[{index}]"
        source = condition.expression.strip()
        if not source:
            faults.append(field.required(f"{at}.expression"))
        else:
            made = compiling.Scope(has_params).compiled(source, admission.BOOL)
            faults += [field.invalid(f"{at}.expression", source, made.error)] if made.error else []
        if not condition.name:
            faults.append(field.required(f"{at}.name"))
        else:
            faults += field.invalids(f"{at}.name", condition.name, names.qualified(condition.name))
        if condition.name and condition.name in seen:
            faults.append(field.duplicate(f"{at}.name", condition.name))
        seen.add(condition.name)
    return faults
