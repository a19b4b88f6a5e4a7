"""Which flow a request belongs to, by the default schemas and others."""

from __future__ import annotations

import pytest

from control.apiserver import authn, authz
from control.apiserver.strategies import flowdefaults
from control.gateway.fairness import schemas
from fairlead.api import codec
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1

LEVELS = [one.metadata.name for one in flowdefaults.levels()]
DEFAULTS = schemas.compiled(flowdefaults.schemas(), LEVELS)
ALICE = authn.user("alice")
NODE, SCHEDULER = authn.user("system:node:n1"), authn.user("system:kube-scheduler")
ACCOUNT = "system:serviceaccount:"
BOT = f"{ACCOUNT}web:bot"


def schema(
    name: str, precedence: int, rule: dict[str, object], level: str = "workload-low"
) -> flowcontrolv1.FlowSchema:
    """Return a FlowSchema with one rule."""
    spec = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "distinguisherMethod": {"type": "ByNamespace"},
        "rules": [rule],
    }
    return codec.from_json({"metadata": {"name": name}, "spec": spec}, flowcontrolv1.FlowSchema)


PODS_OF_WEB = {
    "subjects": [{"kind": "User", "user": {"name": "alice"}}],
    "resourceRules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["web"]}],
}


@pytest.mark.parametrize(
    ("asked", "name", "level", "distinguisher"),
    [
        (authz.Attributes(authn.user("root", ("system:masters",)), "list", "", "pods"), "exempt", "exempt", ""),
        (authz.Attributes(authn.anonymous(), "get", path="/livez"), "probes", "exempt", ""),
        (authz.Attributes(ALICE, "get", path="/version"), "global-default", "global-default", "alice"),
        (authz.Attributes(ALICE, "list", "", "pods", "", "web"), "global-default", "global-default", "alice"),
        (
            authz.Attributes(NODE, "update", "coordination.k8s.io", "leases", "", "kube-node-lease"),
            "system-node-high",
            "node-high",
            "system:node:n1",
        ),
        (
            authz.Attributes(NODE, "patch", "", "nodes", "status", "", "n1"),
            "system-node-high",
            "node-high",
            "system:node:n1",
        ),
        (authz.Attributes(NODE, "get", "", "pods", "", "web", "a"), "system-nodes", "system", "system:node:n1"),
        (authz.Attributes(SCHEDULER, "list", "", "pods", "", "web"), "kube-scheduler", "workload-high", "web"),
        (
            authz.Attributes(SCHEDULER, "update", "coordination.k8s.io", "leases", "", "kube-system"),
            "system-leader-election",
            "leader-election",
            "system:kube-scheduler",
        ),
        (
            authz.Attributes(authn.user(f"{ACCOUNT}kube-system:job-controller"), "list", "", "pods"),
            "kube-system-service-accounts",
            "workload-high",
            "",
        ),
        (authz.Attributes(authn.user(BOT), "list", "", "pods", "", "web"), "service-accounts", "workload-low", BOT),
        (authz.Attributes(authn.User("nobody"), "list", "", "pods"), "catch-all", "catch-all", "nobody"),
    ],
)
def test_default_schemas_take_what_they_take_in_kubernetes(
    asked: authz.Attributes, name: str, level: str, distinguisher: str
) -> None:
    """The lowest precedence whose subjects and rules match."""
    got = schemas.classify(DEFAULTS, asked)

    assert (got.name, got.level, got.distinguisher(asked)) == (name, level, distinguisher)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (authz.Attributes(ALICE, "list", "", "pods", "", "web"), True),
        (authz.Attributes(ALICE, "list", "", "pods", "", "other"), False),
        (authz.Attributes(ALICE, "list", "", "pods"), False),
        (authz.Attributes(ALICE, "list", "", "pods", "status", "web"), False),
        (authz.Attributes(ALICE, "get", "", "pods", "", "web"), False),
        (authz.Attributes(ALICE, "list", "apps", "pods", "", "web"), False),
        (authz.Attributes(ALICE, "list", path="/pods"), False),
        (authz.Attributes(authn.user("bob"), "list", "", "pods", "", "web"), False),
    ],
)
def test_a_rule_takes_its_subject_verb_resource_and_namespace(asked: authz.Attributes, taken: bool) -> None:
    """All of them must match; without clusterScope it is for namespaces only."""
    found = schemas.compiled([*flowdefaults.schemas(), schema("mine", 50, PODS_OF_WEB)], LEVELS)

    assert (schemas.classify(found, asked).name == "mine") is taken


def test_equal_precedences_are_tried_by_name() -> None:
    """As Kubernetes breaks ties."""
    found = schemas.compiled([schema("b", 50, PODS_OF_WEB), schema("a", 50, PODS_OF_WEB)], LEVELS)

    assert schemas.classify(found, authz.Attributes(ALICE, "list", "", "pods", "", "web")).name == "a"


def test_a_schema_without_its_level_takes_nothing() -> None:
    """It dangles until the level is there."""
    dangling = schema("mine", 50, PODS_OF_WEB, "gone")

    assert [one.name for one in schemas.compiled([dangling], LEVELS)] == ["exempt", "catch-all"]
