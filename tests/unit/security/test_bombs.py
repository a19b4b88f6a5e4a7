"""Requests that cost far more to carry out than to send."""

from __future__ import annotations

import asyncio

import pytest

from control.apiserver.strategies import certificatesigningrequest
from control.apiserver.validation import scheduling
from fairlead.api import patches
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.security.conftest import Attack

POLICIES = "/apis/networking.k8s.io/v1/namespaces/mine/networkpolicies"
APPLY = "application/apply-patch+yaml"
PATIENCE_SECONDS = 60


def policy_of(count: int) -> bytes:
    """Return a NetworkPolicy whose rules, peers and exceptions are aliases: the cube of a count of them."""

    def of(name: str) -> str:
        return ", ".join([name] * count)

    text = f"""
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: x
          annotations: {{a: &cidr 10.0.0.1/32}}
        spec:
          podSelector: {{}}
          ingress:
          - &rule
            from:
            - &peer
              ipBlock: {{cidr: 10.0.0.0/8, except: [{of("*cidr")}]}}
            - {of("*peer").replace(", ", chr(10) + "            - ")}
          - {of("*rule").replace(", ", chr(10) + "          - ")}
        """
    return text.encode()


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [("POST", POLICIES, "application/yaml"), ("PATCH", f"{POLICIES}/x?fieldManager=eve", APPLY)],
)
async def test_aliases_of_known_fields_do_not_multiply(attack: Attack, method: str, path: str, content: str) -> None:
    """Each level is a field that the kind has, so that only the number of parts tells; by every way of YAML in."""
    await attack.administer("eve")
    eve = await attack.as_user("eve")

    answer = await asyncio.wait_for(eve(method, path, policy_of(2_000), Content_Type=content), PATIENCE_SECONDS)

    assert (answer.status, "document contains excessive aliasing" in answer.json["message"]) == (400, True)


@pytest.mark.parametrize("body", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}", "a: " + "[" * 9_000 + "]" * 9_000])
async def test_what_contains_itself_is_no_configuration(attack: Attack, body: str) -> None:
    """400, never a fault of ours."""
    await attack.administer("eve")
    eve = await attack.as_user("eve")

    answer = await eve("PATCH", f"{POLICIES}/x?fieldManager=eve", body.encode(), Content_Type=APPLY)

    assert answer.status == 400, answer.body


@pytest.mark.parametrize("resource", ["configmaps", "secrets", "services", "pods"])
@pytest.mark.parametrize("subresource", ["attach", "exec", "log", "portforward", "proxy"])
async def test_only_streams_take_no_seat(attack: Attack, resource: str, subresource: str) -> None:
    """The name of a stream, on what has none, does not lead around priority and fairness."""
    eve = await attack.as_user("eve")

    answer = await eve("POST", f"/api/v1/namespaces/mine/{resource}/web/{subresource}", b"{}")

    is_stream = resource == "pods" or (resource, subresource) == ("services", "proxy")
    assert (answer.status, "X-Kubernetes-PF-FlowSchema-UID" in answer.headers) == (403, not is_stream)


MANY = 40_000  # elements: with work that grows with their square each of these tests would take minutes


def test_a_long_list_is_merged_by_its_keys() -> None:
    """A strategic patch finds the element that each of its own is for without a search."""
    names = [f"E{number}" for number in range(MANY)]
    before = {"env": [{"name": name, "value": "a"} for name in names]}
    patch = {
        "env": [{"name": name, "value": "b"} for name in names[1:]] + [{"name": "E0", "$patch": "delete"}],
        "$setElementOrder/env": [{"name": name} for name in names[1:]],
    }

    found = patches.apply_strategic_merge_patch(before, patch, corev1.Container)

    assert found == {"env": [{"name": name, "value": "b"} for name in names[1:]]}


def test_elements_of_one_key_are_not_compared_without_end() -> None:
    """A container may list a port as often as it likes: a patch that means all of them is refused."""
    before = {"ports": [{"containerPort": 80, "protocol": "TCP"}] * MANY}
    patch = {"ports": [{"containerPort": 80, "protocol": "UDP"}] * MANY}

    with pytest.raises(patches.PatchError, match="too many elements with one containerPort"):
        patches.apply_strategic_merge_patch(before, patch, corev1.Container)


def test_long_lists_are_judged_in_one_pass() -> None:
    """Repetitions are found by what was seen before, not by looking through it again."""
    request = certificatesv1.CertificateSigningRequest()
    request.spec.usages.extend(["any"] * MANY)
    constraint = corev1.TopologySpreadConstraint(maxSkew=1, whenUnsatisfiable="DoNotSchedule")
    spread = [corev1.TopologySpreadConstraint() for _ in range(MANY)]
    for number, one in enumerate(spread):
        one.CopyFrom(constraint)
        one.topologyKey = f"key-{number}"

    usages = certificatesigningrequest.CertificateSigningRequestStrategy().validate(request)

    assert len([one for one in usages if one.reason == "FieldValueDuplicate"]) == MANY - 1
    assert scheduling.spread(spread, "x") == []


async def test_a_role_that_lists_a_product_is_refused(attack: Attack) -> None:
    """A thousand verbs on a thousand resources of a thousand groups are a billion grants: they are counted first."""
    await attack.administer("eve")
    eve = await attack.as_user("eve")
    some = [f"x{number}" for number in range(1_000)]
    rule = {"verbs": some, "apiGroups": some, "resources": some, "resourceNames": some}
    role = {"metadata": {"name": "x"}, "rules": [rule]}

    answer = await eve("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/mine/roles", role)

    assert (answer.status, answer.json["message"]) == (
        413,
        "the rules are too many to be judged: 1000000000000 grants, at most 20000",
    )
