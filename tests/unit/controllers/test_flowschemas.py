"""The status of FlowSchemas, in Kubernetes' words."""

from __future__ import annotations

from fairlead.api import conditions, objects
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from tests.unit.controllers import cluster

LEVEL = "own"


async def test_a_schema_says_whether_its_level_is_there() -> None:
    """As levels come and go; the built-in ones have theirs."""
    async with cluster.cluster(watched=[flowcontrolv1.FlowSchema]) as world:
        schemas = world.informers.of(flowcontrolv1.FlowSchema)

        def told(name: str) -> tuple[str, str, str]:
            schema = schemas.get(name)
            found = conditions.get(schema.status.conditions, "Dangling") if schema is not None else None
            return (found.status, found.reason, found.message) if found is not None else ("", "", "")

        async def until(name: str, status: str, reason: str, ending: str) -> None:
            level = "system" if name == "system-nodes" else LEVEL
            said = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {ending}'
            wanted = status, reason, said
            await cluster.wait_until(lambda: "" if told(name) == wanted else f"{name}: {told(name)}")

        await until("system-nodes", "False", "Found", "and it exists")
        built_in = await world.client.get(flowcontrolv1.FlowSchema, "system-nodes")
        schema = flowcontrolv1.FlowSchema(spec=built_in.spec)
        schema.metadata.name = "mine"
        schema.spec.priorityLevelConfiguration.name = LEVEL
        await world.client.create(schema)
        await until("mine", "True", "NotFound", "but there is no such object")

        level = objects.copy(await world.client.get(flowcontrolv1.PriorityLevelConfiguration, "system"))
        made = flowcontrolv1.PriorityLevelConfiguration(spec=level.spec)
        made.metadata.name = LEVEL
        await world.client.create(made)
        await until("mine", "False", "Found", "and it exists")

        await world.client.delete(flowcontrolv1.PriorityLevelConfiguration, LEVEL)
        await until("mine", "True", "NotFound", "but there is no such object")
