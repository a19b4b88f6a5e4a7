"""ValidatingAdmissionPolicies as a way to read: what a policy says of a request may quote its parameters."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.security.conftest import Attack

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
MERGE = "application/merge-patch+json"
WRITER = (
    "* of validatingadmissionpolicies,validatingadmissionpolicybindings in admissionregistration.k8s.io",
    "get,list of configmaps in core",
)
NAMED = {"name": "db", "namespace": "victim", "parameterNotFoundAction": "Deny"}


def policy(kind: str = "Secret", name: str = "leak") -> dict[str, Any]:
    """A policy that tells what its parameter holds."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {
        "metadata": {"name": name},
        "spec": {
            "paramKind": {"apiVersion": "v1", "kind": kind},
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "messageExpression": "string(params.metadata.uid)"}],
        },
    }


def binding(reference: dict[str, Any], to: str = "leak", name: str = "leak") -> dict[str, Any]:
    """A binding that chooses a parameter."""
    spec = {"policyName": to, "paramRef": reference, "validationActions": ["Deny"]}
    return {"metadata": {"name": name}, "spec": spec}


async def test_a_policy_reads_no_kind_for_who_may_not(attack: Attack) -> None:
    """422 at `spec.paramKind`, on creation and where the kind changes; what is read anyway may be a parameter."""
    await attack.allow("eve", *WRITER, namespace="")
    eve = await attack.as_user("eve")

    made = await eve("POST", POLICIES, policy("ConfigMap"))
    refused = [
        await eve("POST", POLICIES, policy("Secret", "other")),
        await eve("POST", POLICIES, policy("Nothing", "other")),
        await eve("PATCH", f"{POLICIES}/leak", {"spec": {"paramKind": {"kind": "Secret"}}}, Content_Type=MERGE),
    ]
    described = await eve("PATCH", f"{POLICIES}/leak", {"metadata": {"labels": {"a": "b"}}}, Content_Type=MERGE)

    assert (made.status, described.status) == (201, 200)
    assert [answer.status for answer in refused] == [422] * 3
    told = refused[0].json["details"]["causes"][0]
    assert (told["field"], told["reason"]) == ("spec.paramKind", "FieldValueForbidden")
    assert told["message"].endswith(
        'must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)'
    )


@pytest.mark.parametrize(
    ("reference", "verb"),
    [
        (NAMED, "get"),
        ({"name": "db", "parameterNotFoundAction": "Deny"}, "get"),
        ({"selector": {}, "namespace": "victim", "parameterNotFoundAction": "Deny"}, "list"),
    ],
)
async def test_a_binding_reads_no_object_for_who_may_not(
    attack: Attack, reference: dict[str, Any], verb: str
) -> None:
    """An administrator's policy over Secrets opens none of them: 422 at `spec.paramRef`, by whichever way."""
    admin, eve = await attack.as_user("admin", "system:masters"), await attack.as_user("eve")
    await attack.allow("eve", *WRITER, namespace="")
    for made in (policy(), policy("ConfigMap", "harmless")):
        assert (await admin("POST", POLICIES, made)).status == 201
    assert (await eve("POST", BINDINGS, binding(reference, "harmless", "mine"))).status == 201

    answers = [
        await eve("POST", BINDINGS, binding(reference)),
        await eve("POST", BINDINGS, binding(reference, "missing", "early")),
        await eve("PATCH", f"{BINDINGS}/mine", {"spec": {"policyName": "leak"}}, Content_Type=MERGE),
    ]

    assert [answer.status for answer in answers] == [422] * 3
    told = answers[0].json["details"]["causes"][0]
    assert told["field"] == "spec.paramRef"
    assert told["message"].endswith(f'does not have "{verb}" permission on the object referenced by paramRef')
