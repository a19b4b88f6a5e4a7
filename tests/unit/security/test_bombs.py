"""Requests that cost far more to carry out than to send."""

from __future__ import annotations

import asyncio

import pytest

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
