"""The status of FlowSchemas: whether the priority level that each names is there. In Kubernetes its API server's."""

from __future__ import annotations

from collections.abc import Iterable

from control.controllers import framework
from fairlead.api import conditions, objects, times
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1

DANGLING = "Dangling"

Schema = flowcontrolv1.FlowSchema
Level = flowcontrolv1.PriorityLevelConfiguration


def told(level: str, *, there: bool) -> tuple[str, str, str]:
    """Return status, reason and message of the condition of a schema that names a level."""
    begun = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    if there:
        return conditions.FALSE, "Found", f"{begun} and it exists"
    return conditions.TRUE, "NotFound", f"{begun} but there is no such object"


class FlowSchemaStatusController(framework.Controller):
    """Says of each schema whether it dangles; one key a schema."""

    name = "flow-schema-status-controller"
    workers = 1

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._schemas = self.informers.of(Schema)
        self._levels = self.informers.of(Level)
        self._schemas.add_handler(self._schema_changed)
        self._levels.add_handler(self._level_changed)

    def keys(self) -> Iterable[str]:
        """Return every schema."""
        return [each.metadata.name for each in self._schemas.list()]

    def _schema_changed(self, change: str, old: Schema | None, new: Schema | None) -> None:
        if new is not None:
            self.enqueue(new.metadata.name)

    def _level_changed(self, change: str, old: Level | None, new: Level | None) -> None:
        if old is not None and new is not None:
            return
        level = new or old
        assert level is not None
        for schema in self._schemas.list():
            if schema.spec.priorityLevelConfiguration.name == level.metadata.name:
                self.enqueue(schema.metadata.name)

    async def reconcile(self, key: str) -> framework.Result:
        """Write one schema's condition where it says something else."""
        schema = self._schemas.get(key)
        if schema is None:
            return framework.nothing("is gone")
        level = schema.spec.priorityLevelConfiguration.name
        status, reason, message = told(level, there=level in self._levels)
        changed = objects.copy(schema)
        now = times.from_seconds(self.clock.now())
        if not conditions.set_condition(
            changed.status.conditions, DANGLING, status, now, reason=reason, message=message
        ):
            return framework.nothing(f"says already that it dangles: {status}")
        self.wrote(key, await self.client.update(changed, subresource="status"))
        return framework.Result(f"dangles: {status}")
