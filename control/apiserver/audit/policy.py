"""The audit policy (audit.k8s.io/v1): which level a request is logged at, and which stages of it are.

The first rule that matches decides; what no rule matches is not logged. Whatever the policy says, what holds secrets
(`GUARDED`) is never logged above Metadata: no request or response body of these reaches the log. Pure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from control.apiserver import authz
from fairlead.api import codec

VERSIONS = ("audit.k8s.io/v1",)
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
# (group, resource with subresource)
GUARDED = frozenset(
    {
        ("", "secrets"),
        ("", "configmaps"),
        ("", "serviceaccounts/token"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authentication.k8s.io", "tokenrequests"),
    }
)


class PolicyError(ValueError):
    """A policy that cannot be used; the text names the field."""


class Level(enum.IntEnum):
    """How much is logged of a request, each level more than the one before."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def text(self) -> str:
        """Return the level as policies and events name it."""
        return _TEXTS[self]


_TEXTS = {
    Level.NONE: "None",
    Level.METADATA: "Metadata",
    Level.REQUEST: "Request",
    Level.REQUEST_RESPONSE: "RequestResponse",
}
_LEVELS = {text: level for level, text in _TEXTS.items()}


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources of a group, of all names or of some: `pods`, `pods/log`, `pods/*`, `*/status`, `*`; none: all."""

    group: str = ""
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def matches(self, request: authz.Attributes) -> bool:
        """Say whether a request is for one of them."""
        if self.group != request.group:
            return False
        if not self.resources:
            return True
        if self.names and request.name not in self.names:
            return False
        some = {"*", request.target, f"{request.resource}/*"}
        if request.subresource:
            some.add(f"*/{request.subresource}")
        return not some.isdisjoint(self.resources)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; an empty list matches everything."""

    level: Level
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[Resources, ...] = ()
    namespaces: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool | None = None

    def matches(self, request: authz.Attributes) -> bool:
        """Say whether the rule is for a request."""
        if self.users and request.user.name not in self.users:
            return False
        if self.groups and not set(self.groups) & set(request.user.groups):
            return False
        if self.verbs and request.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            if request.path or (self.namespaces and request.namespace not in self.namespaces):
                return False
            return not self.resources or any(one.matches(request) for one in self.resources)
        if self.urls:
            return bool(request.path) and any(authz.matches_url(url, request.path) for url in self.urls)
        return True


@dataclass(frozen=True, slots=True)
class Decision:
    """What is logged of a request."""

    level: Level
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


NOTHING = Decision(Level.NONE)


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in their order, and what holds for all of them."""

    rules: tuple[Rule, ...]
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def decide(self, request: authz.Attributes) -> Decision:
        """Return what is logged of a request."""
        rule = next((one for one in self.rules if one.matches(request)), None)
        if rule is None or rule.level is Level.NONE:
            return NOTHING
        level = min(rule.level, Level.METADATA) if guarded(request) else rule.level
        omit = rule.omit_managed_fields
        return Decision(
            level, self.omit_stages | rule.omit_stages, self.omit_managed_fields if omit is None else omit
        )


def guarded(request: authz.Attributes) -> bool:
    """Say whether a request is for what holds secrets."""
    return (request.group, request.target) in GUARDED or (request.group, request.resource) in GUARDED


def parse(text: str) -> Policy:
    """Return the policy of a YAML document; PolicyError names what is wrong with it."""
    try:
        documents = codec.load_yaml_documents(text)
    except codec.DecodeError as error:
        raise PolicyError(str(error)) from None
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        raise PolicyError("expected one document, a Policy")
    document = documents[0]
    if document.get("apiVersion") not in VERSIONS or document.get("kind") != "Policy":
        raise PolicyError(f"expected kind Policy of {VERSIONS[0]}")
    _known(document, ("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"), "")
    rules = _list(document, "rules", "", Mapping)
    if not rules:
        raise PolicyError("rules: Required value: a policy without rules logs nothing")
    return Policy(
        tuple(_rule(rule, f"rules[{number}]") for number, rule in enumerate(rules)),
        _stages(document, ""),
        bool(document.get("omitManagedFields", False)),
    )


_RULE_FIELDS = (
    "level",
    "users",
    "userGroups",
    "verbs",
    "resources",
    "namespaces",
    "nonResourceURLs",
    "omitStages",
    "omitManagedFields",
)


def _rule(rule: Mapping[str, Any], path: str) -> Rule:
    _known(rule, _RULE_FIELDS, f"{path}.")
    level = _LEVELS.get(rule.get("level", ""))
    if level is None:
        known = ", ".join(f'"{one}"' for one in _LEVELS)
        raise PolicyError(f'{path}.level: Unsupported value: "{rule.get("level", "")}": supported values: {known}')
    resources = _list(rule, "resources", f"{path}.", Mapping)
    urls = _list(rule, "nonResourceURLs", f"{path}.", str)
    if urls and (resources or rule.get("namespaces")):
        text = "rules cannot apply to both regular resources and non-resource URLs"
        raise PolicyError(f"{path}.nonResourceURLs: Invalid value: {text}")
    omit = rule.get("omitManagedFields")
    return Rule(
        level,
        _list(rule, "users", f"{path}.", str),
        _list(rule, "userGroups", f"{path}.", str),
        _list(rule, "verbs", f"{path}.", str),
        tuple(_resources(one, f"{path}.resources[{number}]") for number, one in enumerate(resources)),
        _list(rule, "namespaces", f"{path}.", str),
        urls,
        _stages(rule, f"{path}."),
        None if omit is None else bool(omit),
    )


def _resources(value: Mapping[str, Any], path: str) -> Resources:
    _known(value, ("group", "resources", "resourceNames"), f"{path}.")
    names = _list(value, "resourceNames", f"{path}.", str)
    resources = _list(value, "resources", f"{path}.", str)
    if names and not resources:
        raise PolicyError(f"{path}.resourceNames: Invalid value: using resourceNames requires at least one resource")
    return Resources(str(value.get("group", "")), resources, names)


def _stages(value: Mapping[str, Any], prefix: str) -> frozenset[str]:
    stages = _list(value, "omitStages", prefix, str)
    for number, stage in enumerate(stages):
        if stage not in STAGES:
            raise PolicyError(f'{prefix}omitStages[{number}]: Unsupported value: "{stage}"')
    return frozenset(stages)


def _list(value: Mapping[str, Any], name: str, prefix: str, of: type) -> tuple[Any, ...]:
    found = value.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, of) for one in found):
        raise PolicyError(f"{prefix}{name}: expected a list")
    return tuple(found)


def _known(value: Mapping[str, Any], names: Sequence[str], prefix: str) -> None:
    unknown = sorted(set(value) - set(names))
    if unknown:
        raise PolicyError(f'unknown field "{prefix}{unknown[0]}"')
