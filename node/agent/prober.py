"""The probes of one pod's running containers; the pod worker tells it what runs and reads `results`."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Mapping

from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import context, hooks
from node.agent.recorder import WARNING
from node.pods import model, probes

# A readiness probe that has not succeeded yet is repeated after this, doubling up to its period: a server that needs
# a moment to listen is not kept from its traffic for a whole period. A failure has no consequence then.
EAGER_SECONDS = 0.25


class Prober:
    """Runs each probe of each container as a task of `group`; `changed` is called when a result changes."""

    def __init__(self, parts: context.Parts, group: asyncio.TaskGroup, changed: Callable[[], None]) -> None:
        self._parts = parts
        self._group = group
        self._changed = changed
        self._results: dict[str, model.Probed] = {}
        self._tasks: dict[str, dict[str, asyncio.Task[None]]] = {}

    @property
    def results(self) -> Mapping[str, model.Probed]:
        """Return what the probes say, by container id."""
        return self._results

    def watch(self, hook: hooks.Hook) -> None:
        """Probe a running container, from now until `forget`; again is nothing."""
        if hook.id in self._results:
            return
        kinds = probes.kinds(hook.container)
        self._results[hook.id] = model.Probed(started="Startup" not in kinds, ready=not kinds.keys() - {"Liveness"})
        self._tasks[hook.id] = {
            kind: self._group.create_task(self._probe(hook, kind, probe), name=f"probe {kind} {hook.container.name}")
            for kind, probe in kinds.items()
        }

    def forget(self, container: str) -> None:
        """Stop probing a container."""
        for task in self._tasks.pop(container, {}).values():
            task.cancel()
        self._results.pop(container, None)

    def keep_only(self, containers: set[str]) -> None:
        """Stop probing all others."""
        for gone in set(self._results) - containers:
            self.forget(gone)

    def only_readiness(self) -> None:
        """Stop what would restart containers: they are to end. Who is ready is still asked."""
        for tasks in self._tasks.values():
            for kind, task in tasks.items():
                if kind != "Readiness":
                    task.cancel()

    async def _probe(self, hook: hooks.Hook, kind: str, probe: corev1.Probe) -> None:
        numbers = probes.settings(probe)
        tally = probes.Tally()
        eager = EAGER_SECONDS
        # Spread over the period, so that pods that start together are not probed together.
        await self._parts.clock.sleep(numbers.delay or random.uniform(0, min(numbers.period, 1.0) / 4))
        while True:
            if kind != "Startup":
                await self._startup(hook, numbers.period)
            fault = await self._ask(hook, kind, probe)
            if fault:
                text = f"{kind} probe failed: {fault}"
                self._parts.recorder.record(hook.pod, WARNING, "Unhealthy", text, hook.container.name)
            tally = tally.after(not fault, numbers)
            self._note(hook, kind, tally)
            if kind == "Startup" and tally.result is not None:
                return
            if kind == "Readiness" and not tally.result and eager < numbers.period:
                await self._parts.clock.sleep(eager)
                eager *= 2
            else:
                await self._parts.clock.sleep(numbers.period)

    async def _startup(self, hook: hooks.Hook, period: float) -> None:
        """Wait until the startup probe has succeeded."""
        while not self._results[hook.id].started:
            await self._parts.clock.sleep(min(period, 1.0))

    async def _ask(self, hook: hooks.Hook, kind: str, probe: corev1.Probe) -> str:
        """Return why a probe failed; empty where it succeeded."""
        handler, numbers = probe.handler, probes.settings(probe)
        try:
            if handler.HasField("exec"):
                code, output = await hook.exec(tuple(handler.exec.command), numbers.timeout)
                return output.decode(errors="replace") or f"exit status {code}" if code else ""
            if handler.HasField("httpGet"):
                if warning := await hook.http(handler.httpGet, numbers.timeout):
                    text = f"{kind} probe warning: {warning}"
                    self._parts.recorder.record(hook.pod, WARNING, "ProbeWarning", text, hook.container.name)
            elif handler.HasField("tcpSocket"):
                await hook.tcp(handler.tcpSocket, numbers.timeout)
            elif handler.HasField("grpc"):
                await hook.grpc(handler.grpc, numbers.timeout)
        except hooks.HookFailed as error:
            return str(error)
        return ""

    def _note(self, hook: hooks.Hook, kind: str, tally: probes.Tally) -> None:
        before = self._results.get(hook.id)
        if before is None or tally.result is None:
            return
        after = before
        if kind == "Readiness":
            after = dataclasses.replace(before, ready=tally.result)
        elif kind == "Startup" and tally.result:
            no_readiness = "Readiness" not in probes.kinds(hook.container)
            after = dataclasses.replace(before, started=True, ready=no_readiness)
        elif not tally.result:
            reason = probes.stop_reason(kind, hook.container.name)
            grace = probes.grace(probes.kinds(hook.container)[kind])
            after = dataclasses.replace(before, unhealthy=reason, grace=grace)
        if after != before:
            self._results[hook.id] = after
            self._changed()
