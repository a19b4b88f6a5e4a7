"""Which expressions of policies do not fit the kinds that the policies are about: Kubernetes' own warnings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver.policies import typechecking
from control.apiserver.server import ApiServer
from fairlead.api import codec
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.testing import control
from tests.support import definitions


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with control.memory_api() as made:
        yield made


def rule(group: str, version: str, *resources: str) -> dict[str, Any]:
    """Return a rule about resources."""
    return {"operations": ["*"], "apiGroups": [group], "apiVersions": [version], "resources": list(resources)}


DEPLOYMENTS = rule("apps", "v1", "deployments")


def warned(api: ApiServer, *expressions: Any, rules: Any = (DEPLOYMENTS,), **spec: Any) -> list[tuple[str, str]]:
    """Return what is said of a policy, one text for each expression and kind that do not fit."""
    whole = {
        "matchConstraints": {"resourceRules": list(rules)},
        "validations": [{"expression": each} if isinstance(each, str) else each for each in expressions],
        **spec,
    }
    policy = codec.from_json({"metadata": {"name": "p"}, "spec": whole}, registrationv1.ValidatingAdmissionPolicy)
    return [(place.removeprefix("spec."), text) for place, text in typechecking.TypeChecks(api.kinds)(policy) if text]


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas <= 5 && object.metadata.namespace != 'kube-system'",
        "object.spec.template.spec.containers.all(c, !has(c.resources.limits) || 'cpu' in c.resources.limits)",
        "oldObject == null || object.metadata.labels['a'] == oldObject.metadata.labels['a']",
        "object.spec.strategy.rollingUpdate.maxSurge == 1 || object.spec.strategy.rollingUpdate.maxSurge == '25%'",
        "request.operation == 'CREATE' && namespaceObject.metadata.labels['team'] == 'a'",
        "authorizer.group('apps').resource('deployments').check('delete').allowed()",
        "object.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')",
    ],
)
def test_what_fits_is_not_warned_of(api: ApiServer, expression: str) -> None:
    """Fields, lists, maps, either-or values and what surrounds a request."""
    assert warned(api, expression) == []


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (
            "object.foo > 1",
            "ERROR: <input>:1:7: undefined field 'foo'\n | object.foo > 1\n | ......^",
        ),
        (
            "object.spec.replicas == 'a'",
            "ERROR: <input>:1:22: found no matching overload for '_==_' applied to '(int, string)'\n"
            " | object.spec.replicas == 'a'\n | .....................^",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(api: ApiServer, expression: str, text: str) -> None:
    """For each kind that the rules name, in the order of groups, versions and kinds."""
    both = rule("apps", "v1", "statefulsets", "deployments", "deployments/status", "daemonsets/*")
    assert warned(api, "true", expression, rules=[both]) == [
        ("validations[1].expression", f"apps/v1, Kind={kind}: {text}\n") for kind in ("Deployment", "StatefulSet")
    ]


def test_messages_parameters_and_variables_are_checked(api: ApiServer) -> None:
    """A variable that does not fit may be anything; parameters have the fields of their kind."""
    found = warned(
        api,
        {"expression": "variables.few && variables.odd", "messageExpression": "params.data.most + object.spec.nope"},
        "params.dat == null || variables.few == 'x'",
        variables=[
            {"name": "few", "expression": "object.spec.replicas < int(params.data['most'])"},
            {"name": "odd", "expression": "object.nope"},
        ],
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )
    assert [(place, text.partition(": ")[2].partition("\n")[0]) for place, text in found] == [
        ("validations[0].messageExpression", "ERROR: <input>:1:31: undefined field 'nope'"),
        ("validations[1].expression", "ERROR: <input>:1:7: undefined field 'dat'"),
    ]


@pytest.mark.parametrize(
    "rules",
    [
        [rule("*", "v1", "deployments")],
        [rule("apps", "*", "deployments")],
        [rule("apps", "v1", "*")],
        [rule("apps", "v1", "deployments/scale")],
        [rule("apps", "v9", "deployments")],
        [rule("nothing.example", "v1", "things")],
    ],
)
def test_rules_that_name_no_kind_are_not_looked_at(api: ApiServer, rules: Any) -> None:
    """Wildcards, subresources and what nobody serves."""
    assert warned(api, "object.foo", rules=rules) == []


async def test_custom_resources_have_the_fields_of_their_definition(api: ApiServer) -> None:
    """And the metadata of every object; the core group has no name."""
    version = definitions.version("v1", schema=definitions.schema(size={"type": "integer"}))
    await definitions.establish(api, api.as_user(*control.ADMIN), version)
    rules = [rule("example.com", "v1", "widgets"), rule("", "v1", "configmaps")]
    texts = ("has(object.metadata.annotations)", "object.spec.size > 1", "object.data['a'] == ''")
    found = warned(api, *texts, rules=rules)
    assert [(place, text.partition(": ")[0]) for place, text in found] == [
        ("validations[1].expression", "/v1, Kind=ConfigMap"),
        ("validations[2].expression", "example.com/v1, Kind=Widget"),
    ]


def test_every_built_in_kind_can_be_checked(api: ApiServer) -> None:
    """Whatever it is made of."""
    for kind in api.kinds.served():
        rules = [rule(kind.group, kind.version, kind.resource)]
        ((place, text),) = warned(api, "object.nothing == 1 && object.metadata.name == 'a'", rules=rules)
        assert f"{kind.group}/{kind.version}, Kind={kind.kind}: " in text, place
        assert "undefined field 'nothing'" in text
