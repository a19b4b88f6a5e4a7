"""The status of ValidatingAdmissionPolicies, and their effect in a whole control plane."""

from __future__ import annotations

from fairlead.api import codec, objects
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from tests.unit.controllers import cluster as clusters

Policy = registrationv1.ValidatingAdmissionPolicy

POLICY = {
    "metadata": {"name": "p"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
            ]
        },
        "validations": [{"expression": "object.spec.replicas <= 5"}],
    },
}


async def test_each_generation_of_a_policy_is_observed() -> None:
    """The status names the generation; a changed spec has another."""
    async with clusters.cluster(nodes=0, watched=[Policy]) as cluster:

        def observed() -> int:
            policy = cluster.informers.of(Policy).get("p")
            return policy.status.observedGeneration if policy is not None else 0

        await cluster.client.create(codec.from_json(POLICY, Policy))
        await clusters.wait_until(lambda: "" if observed() == 1 else "not seen")
        changed = objects.copy(await cluster.client.get(Policy, "p"))
        changed.spec.validations[0].Expression = "object.spec.replicas <= 6"
        await cluster.client.update(changed)
        await clusters.wait_until(lambda: "" if observed() == 2 else "not seen again")
        made = await cluster.client.get(Policy, "p")

    assert made.status.HasField("typeChecking")


async def test_what_does_not_fit_is_in_the_status() -> None:
    """Each expression once, with what is wrong with it for each kind; the next generation begins anew."""

    def check(policy: Policy) -> list[tuple[str, str]]:
        if policy.metadata.generation > 1:
            return [("spec.validations[0].expression", "")]
        return [("a", "first\n"), ("a", "second\n"), ("b", ""), ("c", "third\n")]

    async with clusters.cluster(nodes=0, watched=[Policy], check_types=check) as cluster:

        def told() -> list[tuple[str, str]] | None:
            policy = cluster.informers.of(Policy).get("p")
            if policy is None or policy.status.observedGeneration != policy.metadata.generation:
                return None
            return [(each.fieldRef, each.warning) for each in policy.status.typeChecking.expressionWarnings]

        made = await cluster.client.create(codec.from_json(POLICY, Policy))
        wanted = [("a", "first\n\nsecond\n"), ("c", "third\n")]
        await clusters.wait_until(lambda: "" if told() == wanted else f"{told()}")
        changed = objects.copy(await cluster.client.get(Policy, made.metadata.name))
        changed.spec.validations[0].Expression = "object.spec.replicas <= 6"
        await cluster.client.update(changed)
        await clusters.wait_until(lambda: "" if told() == [] else f"{told()}")
