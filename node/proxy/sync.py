"""The proxy: keeps a node's iptables rules equal to what its Services want.

Called by the agent, which hands it objects and runs it as one of its root tasks; calls the ledger, the text and a
Kernel. Promises: no rule is touched before the first `replace_all`, so that an agent that restarts leaves
connections alone until it knows what should be there; a sync writes only what changed; a burst of changes costs
few syncs; what fails is tried again with growing pauses, and somebody else's flush is mended within the audit's
period. Its state has one owner, the event loop.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fairlead import clock as clocks
from fairlead import slices
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from node.proxy import interface, ledger, model, rules, saved, text

MIN_PERIOD_SECONDS = 0.1
"""The pause after a sync in which further changes gather; the first change after it is written at once."""

AUDIT_SECONDS = 30.0
"""How often the canary chains are looked for: kube-proxy's own period."""

FULL_SYNC_SECONDS = 3600.0
"""Everything is written anew this often, as kube-proxy does: a rule that somebody removed by hand comes back."""

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0
SLICE_SECONDS = 0.005
"""The longest that computing rules keeps the event loop from others."""

_log = logging.getLogger(__name__)


class Step(enum.Enum):
    """What the proxy does next."""

    WAIT = "wait"
    SYNC = "sync"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the next step depends on; moments are of the monotonic clock."""

    ready: bool = False
    dirty: bool = False
    failures: int = 0
    last_sync: float | None = None
    last_audit: float = 0.0


def decide(situation: Situation, now: float) -> tuple[Step, float | None]:
    """Return the next step and, for WAIT, its seconds; None waits for a change."""
    if not situation.ready:
        return Step.WAIT, None
    if situation.failures:
        pause = min(FIRST_RETRY_SECONDS * 2 ** (situation.failures - 1), LAST_RETRY_SECONDS)
    else:
        pause = MIN_PERIOD_SECONDS
    since = float("inf") if situation.last_sync is None else now - situation.last_sync
    if situation.dirty or situation.failures:
        return (Step.SYNC, None) if since >= pause else (Step.WAIT, pause - since)
    audit_in = situation.last_audit + AUDIT_SECONDS - now
    return (Step.WAIT, audit_in) if audit_in > 0 else (Step.AUDIT, None)


class Proxy:
    """One node's Services as rules of one address family."""

    def __init__(
        self,
        config: model.Config,
        kernel: interface.Kernel,
        clock: clocks.Clock,
        *,
        on_fault: Callable[[str], None] = lambda message: None,
        on_recovered: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._kernel = kernel
        self._clock = clock
        self._on_fault = on_fault
        self._on_recovered = on_recovered
        self._ledger = ledger.Ledger(config)
        self._wake = asyncio.Event()
        self._synced = asyncio.Event()
        self._ready = False
        self._full = True
        self._failures = 0
        self._fault = ""
        self._last_sync: float | None = None
        self._last_full = 0.0
        self._last_audit = clock.monotonic()
        self._flows: dict[tuple[str, int], frozenset[tuple[str, int]]] = {}
        self._gone: frozenset[str] = frozenset()

    def configure(self, config: model.Config) -> None:
        """Take new addresses, zone or flags; the node's name and the family stay."""
        if config == self._config:
            return
        self._ledger.reconfigure(config)
        self._config = config
        self._full = True
        self._changed()

    def put_service(self, service: corev1.Service) -> None:
        """Take a Service that is new or changed."""
        self._ledger.put_service(service)
        self._changed()

    def remove_service(self, namespace: str, name: str) -> None:
        """Forget a Service."""
        self._ledger.remove_service(namespace, name)
        self._changed()

    def put_slice(self, message: discoveryv1.EndpointSlice) -> None:
        """Take an EndpointSlice that is new or changed."""
        self._ledger.put_slice(message)
        self._changed()

    def remove_slice(self, namespace: str, name: str) -> None:
        """Forget an EndpointSlice."""
        self._ledger.remove_slice(namespace, name)
        self._changed()

    def replace_all(self, services: Iterable[corev1.Service], slices: Iterable[discoveryv1.EndpointSlice]) -> None:
        """Take these objects and forget every other; from the first call on rules are written."""
        self._ledger.replace_all(services, slices)
        self._ready = True
        self._changed()

    async def wait_until_synced(self) -> None:
        """Wait until the rules have been written a first time."""
        await self._synced.wait()

    async def run(self) -> None:
        """Keep the rules up, until cancelled."""
        while True:
            self._wake.clear()
            step, seconds = decide(self._situation(), self._clock.monotonic())
            if step is Step.SYNC:
                _log.debug("synced rules", extra={"outcome": await self.sync()})
            elif step is Step.AUDIT:
                _log.debug("audited rules", extra={"outcome": await self.audit()})
            else:
                await self._pause(seconds)

    async def sync(self) -> str:
        """Write what has changed; return a sentence that says what was done."""
        try:
            outcome = await self._write()
        except interface.KernelError as error:
            # What was taken from the ledger is lost for a partial sync: write everything next time.
            self._full = True
            self._failures += 1
            self._report(str(error))
            return f"failed: {error}"
        finally:
            self._last_sync = self._clock.monotonic()
        self._failures = 0
        self._report("")
        await self._forget_flows()
        self._synced.set()
        return outcome

    async def audit(self) -> str:
        """Look whether the rules are still there; if not, or if it is time, ask for a full sync."""
        self._last_audit = self._clock.monotonic()
        try:
            lost = await self._lost()
        except interface.KernelError as error:
            self._full = True
            return f"cannot look: {error}"
        if lost:
            self._full = True
            _log.warning("rules were flushed", extra={"tables": lost})
            return f"rules are gone from {' and '.join(lost)}: writing all"
        if self._last_audit - self._last_full >= FULL_SYNC_SECONDS:
            self._full = True
            return "rules are there: writing all, as it is time"
        return "rules are there"

    async def cleanup(self) -> str:
        """Take every rule and chain of ours away; not to be called while `run` runs."""
        found = saved.parse(await self._kernel.save())
        body = text.removal(found, [*rules.base_chains(self._config), *rules.SHARED])
        self._full = True
        if not body:
            return "nothing to remove"
        await self._kernel.restore(body)
        return f"removed {len(found.chains)} chains"

    def _changed(self) -> None:
        self._wake.set()

    def _situation(self) -> Situation:
        return Situation(
            ready=self._ready,
            dirty=self._full or self._ledger.dirty,
            failures=self._failures,
            last_sync=self._last_sync,
            last_audit=self._last_audit,
        )

    async def _pause(self, seconds: float | None) -> None:
        """Wait for a change, or until the seconds have passed."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._wake.wait())]
        if seconds is not None:
            waits.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _write(self) -> str:
        """Bring the kernel to the ledger's state, by the shortest text that is known to do it."""
        full, started = self._full, self._clock.monotonic()
        if full:
            await self._kernel.prepare(
                localhost_node_ports=self._config.localhost_node_ports and self._config.family == 4
            )
            found = saved.parse(await self._kernel.save())
        await self._refresh()
        changes = self._ledger.take()
        self._flows.update(changes.flows)
        self._gone |= changes.gone
        size = self._kernel.section_lines
        if full:
            chains = self._ledger.chains()
            self._full = False
            differing = {one: chains[one] async for one in slices.sliced(chains) if not found.has(one, chains[one])}
            body = text.full(chains, found, written=differing, section_lines=size)
            if body:
                await self._kernel.restore(body)
            self._last_full = started
            return f"wrote {len(differing)} of all {len(chains)} chains"
        body = text.render(changes.chains, changes.removed, section_lines=size)
        if not body:
            return "nothing to write"
        await self._kernel.restore(body)
        return f"wrote {len(changes.chains)} chains, removed {len(changes.removed)}"

    async def _lost(self) -> list[str]:
        """Return the tables that somebody flushed, wholly or in their built-in chains."""
        lost = []
        for table, source, target in rules.WATCHED_JUMPS:
            canary = await self._kernel.rules(table, rules.CANARY)
            jumps = await self._kernel.rules(table, source)
            if not canary or not any(line.endswith(f"-j {target}") for line in jumps):
                lost.append(table)
        return lost

    async def _refresh(self) -> None:
        """Recompute what changed, letting others run in between."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in self._ledger.refresh():
            if loop.time() - began >= SLICE_SECONDS:
                await asyncio.sleep(0)
                began = loop.time()

    async def _forget_flows(self) -> None:
        """Delete what is tracked of endpoints that are gone: UDP flows, unanswered TCP connections.

        A failure is tried again at the next sync.
        """
        if not self._flows and not self._gone:
            return
        flows, gone = self._flows, self._gone
        self._flows, self._gone = {}, frozenset()
        try:
            count = await self._kernel.forget_attempts(gone) if gone else 0
            count += await self._kernel.forget_flows(flows) if flows else 0
        except interface.KernelError as error:
            self._flows, self._gone = {**flows, **self._flows}, gone | self._gone
            _log.warning("stale flows remain", extra={"error": str(error)})
            return
        if count:
            _log.info("forgot stale flows", extra={"count": count})

    def _report(self, fault: str) -> None:
        """Tell the agent of a fault that is new, and once of its end."""
        if fault == self._fault:
            return
        self._fault = fault
        if fault:
            _log.error("writing rules failed", extra={"error": fault})
            self._on_fault(fault)
        else:
            self._on_recovered()
