"""ValidatingAdmissionPolicies: what they deny, warn of and note; whom they concern; what is refused of them."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from control.apiserver import warnings
from control.apiserver.server import ApiServer
from control.apiserver.strategies import admissionpolicy
from fairlead.api import codec, errors
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Client
from fairlead.testing import control
from tests.support import definitions

Policy = registrationv1.ValidatingAdmissionPolicy
Binding = registrationv1.ValidatingAdmissionPolicyBinding

RULES = {
    "resourceRules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]
}
DENIED = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with control.memory_api() as made:
        yield made


def policy(*validations: Any, **spec: Any) -> Any:
    """Return a policy about ConfigMaps."""
    written = [{"expression": each} if isinstance(each, str) else each for each in validations]
    whole = {"matchConstraints": RULES, "validations": written, **spec}
    return codec.from_json({"metadata": {"name": "p"}, "spec": whole}, Policy)


def binding(*actions: str, **spec: Any) -> Any:
    """Return a binding of the policy."""
    whole = {"policyName": "p", "validationActions": list(actions or ("Deny",)), **spec}
    return codec.from_json({"metadata": {"name": "b"}, "spec": whole}, Binding)


def config(name: str = "c", namespace: str = "default", **data: str) -> corev1.ConfigMap:
    """Return a ConfigMap."""
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, namespace
    made.data.update(data)
    return made


async def enforce(api: ApiServer, *objects: Any) -> Client:
    """Put policies and bindings in force; returns an administrator's client."""
    client = api.as_user(*control.ADMIN)
    for each in objects:
        await client.create(each)
    await api.cache.fresh()
    return client


async def denied(client: Client, obj: Any) -> str:
    """Return why an object cannot be created, without what stands before; "" where it can."""
    try:
        await client.create(obj)
    except errors.ApiError as error:
        return error.message.removeprefix(f'configmaps "{obj.metadata.name}" is forbidden: {DENIED}')
    return ""


@pytest.mark.parametrize(
    ("validation", "text", "error"),
    [
        ({"expression": "size(object.data) < 2"}, "failed expression: size(object.data) < 2", errors.Invalid),
        ({"expression": "size(object.data) < 2", "message": " too many "}, "too many", errors.Invalid),
        (
            {"expression": "size(object.data) < 2", "messageExpression": "'%d keys'.format([size(object.data)])"},
            "2 keys",
            errors.Invalid,
        ),
        (
            {"expression": "size(object.data) < 2", "messageExpression": "object.nothing", "message": "plain"},
            "plain",
            errors.Invalid,
        ),
        ({"expression": "size(object.data) < 2", "message": "no", "reason": "Forbidden"}, "no", errors.Forbidden),
        (
            {"expression": "object.nothing == 1"},
            "expression 'object.nothing == 1' resulted in error: no such key: nothing",
            errors.Invalid,
        ),
    ],
)
async def test_what_does_not_hold_is_denied(api: ApiServer, validation: Any, text: str, error: Any) -> None:
    """The refusal names policy, binding and what was to hold."""
    client = await enforce(api, policy(validation), binding())
    with pytest.raises(error) as refused:
        await client.create(config(a="1", b="2"))

    assert refused.value.message == f'configmaps "c" is forbidden: {DENIED}{text}'
    assert [cause.message for cause in refused.value.causes] == [DENIED + text]
    assert (refused.value.kind, refused.value.name) == ("configmaps", "c")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("object.metadata.namespace == 'default' && object.kind == 'ConfigMap'", ""),
        ("oldObject == null && request.operation == 'CREATE'", ""),
        ("request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups", ""),
        ("request.resource.resource == 'configmaps' && request.namespace == 'default' && !request.dryRun", ""),
        ("namespaceObject.metadata.name == 'default' && namespaceObject.status.phase == 'Active'", ""),
        ("variables.count > 5", "failed expression: variables.count > 5"),
        ("variables.twice == variables.count * 2", ""),
        ("variables.broken == 1 || true", ""),
        ("variables.broken == 1", "expression 'variables.broken == 1' resulted in error: composited variable \"broken\" fails to evaluate: no such key: nothing"),
        ("authorizer.group('').resource('secrets').namespace('default').check('get').allowed()", ""),
        ("authorizer.requestResource.check('create').allowed() && authorizer.path('/healthz').check('get').allowed()", ""),
        ("authorizer.serviceAccount('default', 'x').group('').resource('secrets').namespace('default').check('get').allowed()", "failed expression: authorizer.serviceAccount('default', 'x').group('').resource('secrets').namespace('default').check('get').allowed()"),
    ],
)  # fmt: skip
async def test_what_expressions_see(api: ApiServer, expression: str, text: str) -> None:
    """Objects, the request, the namespace, variables when they are read, and an authorizer."""
    variables = [
        {"name": "count", "expression": "size(object.data)"},
        {"name": "twice", "expression": "variables.count + variables.count"},
        {"name": "broken", "expression": "object.nothing"},
    ]
    client = await enforce(api, policy(expression, variables=variables), binding())

    assert await denied(client, config(a="1", b="2")) == text


async def test_updates_and_deletions_are_judged_by_the_old_object() -> None:
    """A deletion has no object."""
    written = policy("request.operation == 'CREATE' || oldObject.data.a != 'locked'")
    async with control.memory_api() as api:
        client = await enforce(api, written, binding())
        made = await client.create(config(a="locked"))
        made.data["a"] = "open"
        with pytest.raises(errors.Invalid):
            await client.update(made)
        with pytest.raises(errors.Invalid) as refused:
            await client.delete(corev1.ConfigMap, "c", "default")

    assert refused.value.message.endswith(
        "failed expression: request.operation == 'CREATE' || oldObject.data.a != 'locked'"
    )


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, ["plain", "labelled", "elsewhere"]),
        ({"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}, ["labelled"]),
        ({"matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}}, ["elsewhere"]),
        ({"matchResources": {"resourceRules": [{**RULES["resourceRules"][0], "resourceNames": ["plain"]}]}}, ["plain"]),
        ({"matchResources": {"excludeResourceRules": [{**RULES["resourceRules"][0], "resourceNames": ["plain"]}]}}, ["labelled", "elsewhere"]),
        ({"matchResources": {"resourceRules": [{**RULES["resourceRules"][0], "operations": ["DELETE"]}]}}, []),
    ],
)  # fmt: skip
async def test_a_binding_narrows_what_a_policy_is_about(api: ApiServer, more: Any, names: list[str]) -> None:
    """By labels of the object and its namespace, by rules, names and exclusions."""
    client = await enforce(api, policy("false"), binding(**more))
    labelled = config("labelled")
    labelled.metadata.labels["a"] = "b"

    found = [
        each.metadata.name
        for each in (config("plain"), labelled, config("elsewhere", "kube-system"))
        if await denied(client, each)
    ]

    assert found == names


async def test_conditions_decide_whether_a_policy_is_asked(api: ApiServer) -> None:
    """One that is false lets the request pass, one that fails counts as the failure policy says."""
    conditions = [
        {"name": "admins", "expression": "request.userInfo.username != 'system:admin'"},
        {"name": "keyed", "expression": "object.data.a != ''"},
    ]
    client = await enforce(api, policy("false", matchConditions=conditions), binding())

    assert await denied(client, config(a="")) == ""
    assert await denied(client, config("d", a="1")) == "failed expression: false"
    assert (
        await denied(client, config("e")) == "expression 'object.data.a != ''' resulted in error: no such key: data"
    )


async def test_a_policy_may_let_failures_pass(api: ApiServer) -> None:
    """failurePolicy Ignore is about expressions that fail, not about what they deny."""
    client = await enforce(
        api, policy("object.nothing == 1", "size(object.data) < 2", failurePolicy="Ignore"), binding()
    )

    assert await denied(client, config(a="1")) == ""
    assert await denied(client, config("d", a="1", b="2")) == "failed expression: size(object.data) < 2"


async def test_a_binding_may_warn_instead(api: ApiServer) -> None:
    """The request is carried out, and its author is told."""
    client = await enforce(api, policy({"expression": "false", "message": "not good"}), binding("Warn", "Audit"))
    with warnings.collected() as warned:
        await client.create(config())

    assert warned == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': not good"]


async def test_a_policy_without_a_binding_does_nothing(api: ApiServer) -> None:
    """So does a binding without its policy."""
    client = await enforce(api, policy("false"))
    assert await denied(client, config()) == ""
    await client.delete(Policy, "p")
    await enforce(api, binding())
    assert await denied(client, config("d")) == ""


async def test_policies_do_not_judge_policies(api: ApiServer) -> None:
    """One that denies everything can still be taken away."""
    everything = {
        "resourceRules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]
    }
    client = await enforce(api, policy("false", matchConstraints=everything), binding())
    assert await denied(client, config()) == "failed expression: false"
    await client.delete(Binding, "b")
    await api.cache.fresh()

    assert await denied(client, config()) == ""


LIMIT = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ({"name": "limit", "namespace": "kube-system", "parameterNotFoundAction": "Deny"}, "failed expression: size(object.data) <= int(params.data.limit)"),
        ({"name": "other", "namespace": "kube-system", "parameterNotFoundAction": "Deny"}, "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"),
        ({"name": "other", "namespace": "kube-system", "parameterNotFoundAction": "Allow"}, ""),
        ({"selector": {"matchLabels": {"for": "policy"}}, "namespace": "kube-system", "parameterNotFoundAction": "Deny"}, "failed expression: size(object.data) <= int(params.data.limit)"),
        ({"selector": {"matchLabels": {"for": "nobody"}}, "parameterNotFoundAction": "Allow"}, ""),
    ],
)  # fmt: skip
async def test_parameters_are_found_by_name_or_labels(api: ApiServer, reference: Any, text: str) -> None:
    """In the namespace that is named, or the request's own."""
    limit = config("limit", "kube-system", limit="1")
    limit.metadata.labels["for"] = "policy"
    client = await enforce(
        api, limit, policy("size(object.data) <= int(params.data.limit)", **LIMIT), binding(paramRef=reference)
    )

    assert await denied(client, config(a="1", b="2")) == text


async def test_parameters_may_be_custom_resources(api: ApiServer) -> None:
    """A kind that nothing defines is a fault of the binding, and the policy fails closed."""
    client = api.as_user(*control.ADMIN)
    (Widget,) = await definitions.establish(api, client)
    made = Widget(content={"spec": {"most": 1}})
    made.metadata.name, made.metadata.namespace = "w", "default"
    reference = {"name": "w", "parameterNotFoundAction": "Deny"}
    kind = {"apiVersion": "example.com/v1", "kind": "Widget"}
    await enforce(
        api, made, policy("size(object.data) <= params.spec.most", paramKind=kind), binding(paramRef=reference)
    )

    assert await denied(client, config(a="1")) == ""
    assert (
        await denied(client, config("d", a="1", b="2")) == "failed expression: size(object.data) <= params.spec.most"
    )


NOTE, SIZE = {"type": "string"}, {"type": "integer", "default": 2}
VERSIONS = [
    definitions.version("v1", schema=definitions.schema(note=NOTE)),
    definitions.version("v2", storage=False, schema=definitions.schema(note=NOTE, size=SIZE)),
]


@pytest.mark.parametrize("match", ["Equivalent", "Exact"])
async def test_a_custom_resource_is_seen_at_the_version_of_the_rule(api: ApiServer, match: str) -> None:
    """With its defaults there, the new object and the old one; a rule of another version alone is not asked."""
    client = api.as_user(*control.ADMIN)
    widget, _ = await definitions.establish(api, client, *VERSIONS)
    rule = {"operations": ["*"], "apiGroups": ["example.com"], "apiVersions": ["v2"], "resources": ["widgets"]}
    constraints = {"matchConstraints": {"resourceRules": [rule], "matchPolicy": match}}
    expression = "object.apiVersion + ' ' + string(object.spec.size) + (oldObject == null ? '' : oldObject.apiVersion)"
    said = {"expression": "object.spec.note == 'good'", "messageExpression": expression}
    await enforce(api, policy(said, **constraints), binding())
    made = widget(content={"spec": {"note": "bad"}})
    made.metadata.name, made.metadata.namespace = "w", "default"

    told = await denied(client, widget(metadata=made.metadata, content=made.content))
    assert told.rpartition(DENIED)[2] == ("example.com/v2 2" if match == "Equivalent" else "")
    if match == "Equivalent":
        stored = await client.create(widget(metadata=made.metadata, content={"spec": {"note": "good"}}))
        stored.content["spec"]["note"] = "bad"
        with pytest.raises(errors.Invalid, match="example.com/v2 2example.com/v2"):
            await client.update(stored)


async def test_parameters_are_seen_at_the_version_of_their_kind(api: ApiServer) -> None:
    """Whatever they are stored at."""
    client = api.as_user(*control.ADMIN)
    widget, _ = await definitions.establish(api, client, definitions.version("v1"), VERSIONS[1])
    made = widget(content={"spec": {"note": "n"}})
    made.metadata.name, made.metadata.namespace = "w", "default"
    kind = {"apiVersion": "example.com/v2", "kind": "Widget"}
    said = {"expression": "false", "messageExpression": "params.apiVersion + ' ' + string(params.spec.size)"}
    reference = {"name": "w", "parameterNotFoundAction": "Deny"}
    await enforce(api, made, policy(said, paramKind=kind), binding(paramRef=reference))

    assert await denied(client, config()) == "example.com/v2 2"


async def test_a_kind_of_parameters_that_nobody_knows_is_a_fault(api: ApiServer) -> None:
    """The policy fails closed."""
    kind = {"apiVersion": "example.com/v1", "kind": "Nothing"}
    reference = {"name": "w", "parameterNotFoundAction": "Allow"}
    client = await enforce(api, policy("true", paramKind=kind), binding(paramRef=reference))

    assert await denied(client, config()) == (
        "failed to configure binding: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Nothing'"
    )


async def test_an_expression_cannot_hold_up_the_server(api: ApiServer) -> None:
    """What would take too long fails, as the failure policy says."""
    client = await enforce(api, policy("object.data.all(k, object == object && k in object.data)"), binding())

    assert await denied(client, config(**{f"k{index}": "v" for index in range(9000)})) == (
        "expression 'object.data.all(k, object == object && k in object.data)' resulted in error:"
        " operation cancelled: actual cost limit exceeded"
    )


GOOD_POLICY = {
    "metadata": {"name": "p"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {**RULES, "matchPolicy": "Exact"},
        "validations": [{"expression": "true"}],
    },
}
AUDIT = "admissionregistration.AuditAnnotation"
MANY = ", ".join([f'{AUDIT}{{Key:"k", ValueExpression:" 1"}}'] * 21)
GOOD_BINDING = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, []),
        ({"failurePolicy": "Odd"}, ['spec.failurePolicy: Unsupported value: "Odd": supported values: "Fail", "Ignore"']),
        ({"matchConstraints": None}, ["spec.matchConstraints: Required value"]),
        ({"matchConstraints": {"matchPolicy": "Exact"}}, ["spec.matchConstraints.resourceRules: Required value"]),
        ({"paramKind": {"kind": "Odd Kind"}}, ["spec.paramKind.apiVersion: Required value", "spec.paramKind.kind: Invalid value: \"Odd Kind\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"]),
        ({"paramKind": {"apiVersion": "a/b/c", "kind": "K"}}, ['spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c']),
        ({"validations": []}, ["spec.validations: Required value: validations or auditAnnotations must contain at least one item", "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item"]),
        ({"validations": [{"expression": " "}]}, ["spec.validations[0].expression: Required value: expression is not specified"]),
        ({"validations": [{"expression": "1"}]}, ['spec.validations[0].expression: Invalid value: "1": must evaluate to bool']),
        ({"validations": [{"expression": "params.x == 1"}]}, ["spec.validations[0].expression: Invalid value: \"params.x == 1\": compilation failed: ERROR: <input>:1:7: undeclared reference to 'params' (in container '')\n | params.x == 1\n | ......^"]),
        ({"validations": [{"expression": "true", "message": "a\nb", "reason": "Odd"}]}, ['spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks', 'spec.validations[0].reason: Unsupported value: "Odd": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"']),
        ({"validations": [{"expression": "true", "messageExpression": "1"}]}, ['spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string']),
        ({"variables": [{"name": "a-b", "expression": "1"}, {"name": "", "expression": ""}]}, ['spec.variables[0].name: Invalid value: "a-b": name is not a valid CEL identifier', "spec.variables[1].name: Required value: name is not specified", "spec.variables[1].expression: Required value: expression is not specified"]),
        ({"variables": [{"name": "a", "expression": "object.?spec"}]}, ['spec.variables[0].expression: Invalid value: "object.?spec": must not evaluate to an optional value']),
        ({"auditAnnotations": [{"key": "k", "valueExpression": "1"}, {"key": "k", "valueExpression": ""}]}, ['spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null_type]', "spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified", 'spec.auditAnnotations[1].key: Duplicate value: "k"']),
        ({"auditAnnotations": [{"key": "k", "valueExpression": " 1"}] * 21}, [f"spec.auditAnnotations: Invalid value: []{AUDIT}{{{MANY}}}: must not have more than 20 auditAnnotations"]),
        ({"matchConditions": [{"name": "a", "expression": "odd"}]}, ["spec.matchConditions[0].expression: Invalid value: \"odd\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'odd' (in container '')\n | odd\n | ^"]),
    ],
)  # fmt: skip
def test_a_policy_must_be_good(change: dict[str, Any], faults: list[str]) -> None:
    """Paths and words are Kubernetes'."""
    written = copy.deepcopy(GOOD_POLICY)
    written["spec"].update(change)
    written["spec"] = {name: each for name, each in written["spec"].items() if each is not None}

    found = admissionpolicy.AdmissionPolicyStrategy().validate(codec.from_json(written, Policy))

    assert [f"{fault.field}: {fault.message}" for fault in found[: len(faults) or None]] == faults


def test_the_status_of_a_policy_must_be_good() -> None:
    """Warnings tell of what, conditions are Kubernetes' common ones."""
    old = codec.from_json(GOOD_POLICY, Policy)
    changed = copy.deepcopy(old)
    changed.status.typeChecking.expressionWarnings.add(fieldRef=" ")
    changed.status.conditions.add(type="Ready", status="Odd", reason="R").lastTransitionTime.seconds = 1

    found = admissionpolicy.AdmissionPolicyStrategy().validate_status_update(changed, old)

    assert [f"{fault.field}: {fault.message}" for fault in found] == [
        "status.typeChecking.expressionWarnings[0].warning: Required value",
        "status.typeChecking.expressionWarnings[0].fieldRef: Required value",
        'status.conditions[0].status: Unsupported value: "Odd": supported values: "False", "True", "Unknown"',
    ]


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ("{}", []),
        ("{policyName: ''}", ["spec.policyName: Required value"]),
        ("{validationActions: []}", ["spec.validationActions: Required value: at least one validation action is required"]),
        ("{validationActions: [Deny, Deny, Odd]}", ['spec.validationActions[1]: Duplicate value: "Deny"', 'spec.validationActions[2]: Unsupported value: "Odd": supported values: "Audit", "Deny", "Warn"']),
        ("{validationActions: [Deny, Warn]}", ['spec.validationActions: Invalid value: []admissionregistration.ValidationAction{"Deny", "Warn"}: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)']),
        ("{paramRef: {}}", ["spec.paramRef: Required value: one of name or selector must be specified", "spec.paramRef.parameterNotFoundAction: Required value"]),
        ("{paramRef: {name: a, selector: {}, parameterNotFoundAction: Odd}}", ["spec.paramRef.name: Forbidden: name and selector are mutually exclusive", "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive", 'spec.paramRef.parameterNotFoundAction: Unsupported value: "Odd": supported values: "Deny", "Allow"']),
    ],
)  # fmt: skip
def test_a_binding_must_be_good(change: str, faults: list[str]) -> None:
    """Paths and words are Kubernetes'."""
    written = copy.deepcopy(GOOD_BINDING)
    written["spec"].update(yaml.safe_load(change))

    found = admissionpolicy.AdmissionPolicyBindingStrategy().validate(codec.from_json(written, Binding))

    assert [f"{fault.field}: {fault.message}" for fault in found] == faults
