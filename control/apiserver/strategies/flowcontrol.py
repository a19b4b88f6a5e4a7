"""FlowSchemas and PriorityLevelConfigurations: whose requests wait in which queue."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from control.apiserver import field, notation
from control.apiserver.strategies import flowdefaults, strategy
from control.apiserver.validation import names, numbers
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1

DEFAULT_PRECEDENCE = 1000
MAX_PRECEDENCE = 10000
METHODS = ("ByNamespace", "ByUser")
SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
TYPES = ("Exempt", "Limited")
RESPONSES = ("Queue", "Reject")
DEFAULT_SHARES = 30
DEFAULT_QUEUES, DEFAULT_HAND, DEFAULT_LENGTH = 64, 8, 50
MAX_QUEUES = 10_000_000
MAX_HASH_BITS = 60
_NAMESPACE_RULE = "each member of this list must be '*' or a DNS-1123 label; "


class _FlowStrategy(strategy.SpecStrategy[Any]):
    """What both kinds have in common: a spec that is counted, and a status with conditions of unique types."""

    def prepare_for_status_update(self, obj: Any, old: Any) -> None:
        """Keep all but the status."""
        strategy.keep_all_but_status(obj, old)
        strategy.keep_user_metadata(obj, old)

    def validate_status_update(self, obj: Any, old: Any) -> field.Faults:
        """Judge the conditions."""
        faults: field.Faults = []
        seen: set[str] = set()
        for index, condition in enumerate(obj.status.conditions):
            path = f"status.conditions[{index}].type"
            if condition.type in seen:
                faults.append(field.duplicate(path, condition.type))
            seen.add(condition.type)
            if not condition.type:
                faults.append(field.required(path, "must not be empty"))
        return faults


class FlowSchemaStrategy(_FlowStrategy):
    """The rules of FlowSchemas."""

    message = flowcontrolv1.FlowSchema

    def __init__(self) -> None:
        super().__init__()
        self._fixed = {one.metadata.name: one.spec for one in _mandatory(flowdefaults.schemas())}

    def default(self, obj: flowcontrolv1.FlowSchema) -> None:
        """Let a schema come after those that know better."""
        obj.spec.matchingPrecedence = obj.spec.matchingPrecedence or DEFAULT_PRECEDENCE

    def validate(self, obj: flowcontrolv1.FlowSchema) -> field.Faults:
        """Judge a FlowSchema."""
        spec, path = obj.spec, "spec.matchingPrecedence"
        precedence, faults = spec.matchingPrecedence, field.Faults()
        if precedence <= 0:
            faults.append(field.invalid(path, precedence, "must be a positive value"))
        if precedence > MAX_PRECEDENCE:
            faults.append(field.invalid(path, precedence, f"must not be greater than {MAX_PRECEDENCE}"))
        if precedence == 1 and obj.metadata.name != flowdefaults.EXEMPT:
            text = "only the schema named 'exempt' may have matchingPrecedence 1"
            faults.append(field.invalid(path, precedence, text))
        method = spec.distinguisherMethod
        if spec.HasField("distinguisherMethod") and method.type not in METHODS:
            shown = field.Raw(f"flowcontrol.FlowDistinguisherMethod{{Type:{field.quoted(method.type)}}}")
            faults.append(field.unsupported("spec.distinguisherMethod.type", shown, METHODS))
        path, level = "spec.priorityLevelConfiguration.name", spec.priorityLevelConfiguration.name
        if level:
            faults += field.invalids(path, level, names.subdomain(level))
        else:
            faults.append(field.required(path, "must reference a priority level"))
        for index, rule in enumerate(spec.rules):
            faults += _rule(rule, f"spec.rules[{index}]")
        fixed = self._fixed.get(obj.metadata.name)
        return faults + _must_equal(obj, fixed, f"spec of '{obj.metadata.name}' must equal the fixed value")


class PriorityLevelStrategy(_FlowStrategy):
    """The rules of PriorityLevelConfigurations."""

    message = flowcontrolv1.PriorityLevelConfiguration

    def __init__(self) -> None:
        super().__init__()
        self._fixed = {one.metadata.name: one.spec for one in _mandatory(flowdefaults.levels())}

    def default(self, obj: flowcontrolv1.PriorityLevelConfiguration) -> None:
        """Fill in shares and queues."""
        spec = obj.spec
        if spec.HasField("exempt"):
            _default_numbers(spec.exempt, nominalConcurrencyShares=0, lendablePercent=0)
        if spec.HasField("limited"):
            _default_numbers(spec.limited, nominalConcurrencyShares=DEFAULT_SHARES, lendablePercent=0)
            if spec.limited.limitResponse.HasField("queuing"):
                queuing = spec.limited.limitResponse.queuing
                queuing.queues = queuing.queues or DEFAULT_QUEUES
                queuing.handSize = queuing.handSize or DEFAULT_HAND
                queuing.queueLengthLimit = queuing.queueLengthLimit or DEFAULT_LENGTH

    def validate(self, obj: flowcontrolv1.PriorityLevelConfiguration) -> field.Faults:
        """Judge a PriorityLevelConfiguration."""
        spec, name, faults = obj.spec, obj.metadata.name, field.Faults()
        if (name == flowdefaults.EXEMPT) != (spec.type == "Exempt"):
            text = "type must be 'Exempt' if and only if name is 'exempt'"
            faults.append(field.invalid("spec.type", spec.type, text))
        if spec.type == "Exempt":
            if spec.HasField("limited"):
                faults.append(field.forbidden("spec.limited", "must be nil if the type is not Limited"))
            if spec.HasField("exempt"):
                faults += _nominal(spec.exempt, "spec.exempt") + _lendable(spec.exempt, "spec.exempt")
        elif spec.type == "Limited":
            if spec.HasField("exempt"):
                faults.append(field.forbidden("spec.exempt", "must be nil if the type is Limited"))
            if not spec.HasField("limited"):
                faults.append(field.required("spec.limited", "must not be empty when type is Limited"))
            else:
                faults += _limited(spec.limited, "spec.limited")
        else:
            faults.append(field.unsupported("spec.type", spec.type, TYPES))
        if name == flowdefaults.EXEMPT:
            rest = flowcontrolv1.PriorityLevelConfiguration(spec=spec)
            rest.spec.exempt.CopyFrom(self._fixed[name].exempt)
            text = "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"
            return faults + _must_equal(rest, self._fixed[name], text)
        return faults + _must_equal(obj, self._fixed.get(name), f"spec of '{name}' must equal the fixed value")


def _mandatory(objects: Iterable[Any]) -> list[Any]:
    return [one for one in objects if one.metadata.name in flowdefaults.MANDATORY]


def _must_equal(obj: Any, fixed: Any, text: str) -> field.Faults:
    if fixed is None or strategy.same(obj.spec, fixed):
        return []
    return [field.invalid("spec", notation.struct(obj.spec), text)]


def _default_numbers(message: Any, **values: int) -> None:
    for name, value in values.items():
        if not message.HasField(name):
            setattr(message, name, value)


def _rule(rule: flowcontrolv1.PolicyRulesWithSubjects, path: str) -> field.Faults:
    faults: field.Faults = []
    if not rule.subjects:
        faults.append(field.required(f"{path}.subjects", "subjects must contain at least one value"))
    for index, subject in enumerate(rule.subjects):
        faults += _subject(subject, f"{path}.subjects[{index}]")
    if not rule.resourceRules and not rule.nonResourceRules:
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        faults.append(field.required(path, text))
    for index, resources in enumerate(rule.resourceRules):
        faults += _resource_rule(resources, f"{path}.resourceRules[{index}]")
    for index, urls in enumerate(rule.nonResourceRules):
        faults += _url_rule(urls, f"{path}.nonResourceRules[{index}]")
    return faults


def _subject(subject: flowcontrolv1.Subject, path: str) -> field.Faults:
    if subject.kind not in SUBJECTS:
        return [field.unsupported(f"{path}.kind", subject.kind, tuple(SUBJECTS))]
    own, faults = SUBJECTS[subject.kind], field.Faults()
    at, named = f"{path}.{own}", getattr(subject, own)
    if not subject.HasField(own):
        faults.append(field.required(at, f"{own} is required when subject kind is '{subject.kind}'"))
    else:
        if not named.name:
            faults.append(field.required(f"{at}.name"))
        if own == "serviceAccount":
            if named.name not in ("", "*"):
                faults += field.invalids(f"{at}.name", named.name, names.subdomain(named.name))
            if named.namespace:
                faults += field.invalids(f"{at}.namespace", named.namespace, names.label(named.namespace))
            else:
                faults.append(field.required(f"{at}.namespace", "must specify namespace for service account"))
    for kind, other in (("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")):
        if other != own and subject.HasField(other):
            text = f"{other} is forbidden when subject kind is not '{kind}'"
            faults.append(field.forbidden(f"{path}.{other}", text))
    return faults


def _alone(path: str, values: Sequence[str], what: str) -> field.Faults:
    """Return the fault of a wildcard beside others."""
    if len(values) < 2 or "*" not in values:
        return []
    return [field.invalid(path, notation.strings(values), f"if '*' is present, must not specify other {what}")]


def _verbs(verbs: Sequence[str], path: str) -> field.Faults:
    if not verbs:
        return [field.required(path, "verbs must contain at least one value")]
    if "*" not in verbs and not set(verbs) <= set(VERBS):
        return [field.unsupported(path, notation.strings(verbs), VERBS)]
    return _alone(path, verbs, "verbs")


def _resource_rule(rule: flowcontrolv1.ResourcePolicyRule, path: str) -> field.Faults:
    faults = _verbs(list(rule.verbs), f"{path}.verbs")
    for name, one, several in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        values = list(getattr(rule, name))
        if not values:
            faults.append(field.required(f"{path}.{name}", f"resource rules must supply at least one {one}"))
        faults += _alone(f"{path}.{name}", values, several)
    at, namespaces = f"{path}.namespaces", list(rule.namespaces)
    if not namespaces and not rule.clusterScope:
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        faults.append(field.required(at, text))
    elif "*" in namespaces:
        faults += _alone(at, namespaces, "namespaces")
    else:
        for index, namespace in enumerate(namespaces):
            found = [_NAMESPACE_RULE + one for one in names.label(namespace)]
            faults += field.invalids(f"{at}[{index}]", namespace, found)
    return faults


def _url_rule(rule: flowcontrolv1.NonResourcePolicyRule, path: str) -> field.Faults:
    faults, at = _verbs(list(rule.verbs), f"{path}.verbs"), f"{path}.nonResourceURLs"
    urls = list(rule.nonResourceURLs)
    if not urls:
        faults.append(field.required(at, "nonResourceURLs must contain at least one value"))
    elif "*" in urls:
        faults += _alone(at, urls, "non-resource URLs")
    else:
        for index, url in enumerate(urls):
            if why := _url_fault(url):
                faults.append(field.invalid(f"{at}[{index}]", url, why))
    return faults


def _url_fault(url: str) -> str:
    """Return what is wrong with the path of a rule; "" if nothing."""
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    return "wildcard can only do suffix matching" if stars > 1 or (stars and not url.endswith("/*")) else ""


def _nominal(value: Any, path: str) -> field.Faults:
    """Judge what a level gets."""
    shares = value.nominalConcurrencyShares
    if shares >= 0:
        return []
    return [field.invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")]


def _lendable(value: Any, path: str) -> field.Faults:
    """Judge what a level lends."""
    return numbers.between(f"{path}.lendablePercent", value.lendablePercent, 0, 100)


def _limited(value: flowcontrolv1.LimitedPriorityLevelConfiguration, path: str) -> field.Faults:
    faults = _nominal(value, path)
    response, at = value.limitResponse, f"{path}.limitResponse"
    if response.type == "Reject":
        if response.HasField("queuing"):
            text = "must be nil if limited.limitResponse.type is not Limited"
            faults.append(field.forbidden(f"{at}.queuing", text))
    elif response.type == "Queue":
        if not response.HasField("queuing"):
            text = "must not be empty if limited.limitResponse.type is Limited"
            faults.append(field.required(f"{at}.queuing", text))
        else:
            faults += _queuing(response.queuing, f"{at}.queuing")
    else:
        faults.append(field.unsupported(f"{at}.type", response.type, RESPONSES))
    faults += _lendable(value, path)
    if value.borrowingLimitPercent < 0:
        text = "if specified, must be a non-negative integer"
        faults.append(field.invalid(f"{path}.borrowingLimitPercent", value.borrowingLimitPercent, text))
    return faults


def _queuing(value: flowcontrolv1.QueuingConfiguration, path: str) -> field.Faults:
    faults: field.Faults = []
    queues, hand = value.queues, value.handSize
    if value.queueLengthLimit <= 0:
        faults.append(field.invalid(f"{path}.queueLengthLimit", value.queueLengthLimit, "must be positive"))
    if queues <= 0:
        faults.append(field.invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > MAX_QUEUES:
        faults.append(field.invalid(f"{path}.queues", queues, f"must not be greater than {MAX_QUEUES}"))
    if hand <= 0:
        faults.append(field.invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        faults.append(field.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))
    elif (bits := entropy_bits(queues, hand)) > MAX_HASH_BITS:
        text = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than"
        faults.append(field.invalid(f"{path}.handSize", hand, f"{text} {MAX_HASH_BITS}"))
        assert bits
    return faults


def entropy_bits(queues: int, hand: int) -> int:
    """Return how many bits of a hash the dealing of a hand of queues takes."""
    return math.ceil(math.log2(queues) * hand)
