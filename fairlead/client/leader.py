"""Leader election on a Lease: of many programs that stand, one runs its loops.

Scheduler and controllers run under an `Elector`. A Lease is judged by the local monotonic clock since its last
observed change, never by its timestamps. A leader that cannot renew stops its loops before another may take
over: renewals count from before they were sent, and the renew deadline is shorter than the lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from fairlead import clock as clocks
from fairlead.api import errors, objects, times
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.client import interface

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """The seconds of an election; renew < deadline < lease."""

    lease_seconds: float = 6.0
    deadline_seconds: float = 4.0
    renew_seconds: float = 2.0
    retry_seconds: float = 1.0


DEFAULT_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Observed:
    """A Lease's resourceVersion and when, by our monotonic clock, it was first seen."""

    version: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """What a candidate does now, and the sentence that says why."""

    action: Literal["create", "take", "wait"]
    why: str


def observe(lease: coordinationv1.Lease | None, before: Observed, now: float) -> Observed:
    """Return what is known after reading the Lease; its age starts anew whenever it changed."""
    version = lease.metadata.resourceVersion if lease is not None else ""
    return before if version == before.version else Observed(version, now)


def decide(
    lease: coordinationv1.Lease | None, seen: Observed, identity: str, now: float, timing: Timing = DEFAULT_TIMING
) -> Move:
    """Return what a program that does not lead does about the Lease."""
    if lease is None:
        return Move("create", "nobody has led yet")
    holder = lease.spec.holderIdentity
    if not holder:
        return Move("take", "the lease was released")
    if holder == identity:
        return Move("take", "the lease is ours from before")
    term = max(float(lease.spec.leaseDurationSeconds), timing.lease_seconds)
    age = now - seen.since
    if age >= term:
        return Move("take", f"{holder} has not renewed for {age:.1f} s")
    return Move("wait", f"{holder} leads")


def claimed(
    lease: coordinationv1.Lease | None, namespace: str, name: str, identity: str, now: float, timing: Timing
) -> coordinationv1.Lease:
    """Return the Lease as its next holder, or its holder renewing, writes it."""
    fresh = objects.copy(lease) if lease is not None else coordinationv1.Lease()
    fresh.metadata.namespace, fresh.metadata.name = namespace, name
    spec = fresh.spec
    if spec.holderIdentity != identity:
        spec.leaseTransitions += 1 if lease is not None and spec.holderIdentity else 0
        spec.holderIdentity = identity
        spec.acquireTime.CopyFrom(times.from_seconds_micro(now))
    spec.leaseDurationSeconds = round(timing.lease_seconds)
    spec.renewTime.CopyFrom(times.from_seconds_micro(now))
    return fresh


def released(lease: coordinationv1.Lease, now: float) -> coordinationv1.Lease:
    """Return the Lease as a holder that stops cleanly leaves it."""
    fresh = objects.copy(lease)
    fresh.spec.holderIdentity = ""
    fresh.spec.leaseDurationSeconds = 1
    fresh.spec.renewTime.CopyFrom(times.from_seconds_micro(now))
    return fresh


class Elector:
    """One candidate; `run` leads whenever it can."""

    def __init__(
        self,
        client: interface.Client,
        name: str,
        identity: str,
        *,
        namespace: str = "kube-system",
        timing: Timing = DEFAULT_TIMING,
        clock: clocks.Clock = clocks.SYSTEM,
    ) -> None:
        self.name = name
        self.identity = identity
        self._client = client
        self._namespace = namespace
        self._timing = timing
        self._clock = clock
        self._lease: coordinationv1.Lease | None = None
        self._seen = Observed()
        self._leading = False

    @property
    def leading(self) -> bool:
        """Whether the loops run here."""
        return self._leading

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Stand for election for ever; run `lead` while elected and cancel it when the lease is lost.

        Ends when cancelled, having released the lease, or with the error of `lead`.
        """
        while True:
            await self._win()
            await self._hold(lead)

    async def _win(self) -> None:
        told = ""
        while True:
            move = await self._attempt()
            if move.action != "wait":
                log.info("elected", extra={"lease": self.name, "why": move.why})
                return
            if move.why != told:
                log.info("standing by", extra={"lease": self.name, "why": move.why})
                told = move.why
            await self._clock.sleep(self._timing.retry_seconds)

    async def _attempt(self) -> Move:
        """Read the Lease from the cache at hand and claim it if that is due; a stale read makes the claim fail."""
        timeout = self._timing.deadline_seconds
        try:
            async with asyncio.timeout(timeout):
                lease = await self._read()
                self._seen = observe(lease, self._seen, self._clock.monotonic())
                move = decide(lease, self._seen, self.identity, self._clock.monotonic(), self._timing)
                if move.action != "wait":
                    self._lease = await self._write(lease)
                return move
        except (errors.Conflict, errors.AlreadyExists):
            return Move("wait", "another candidate was faster")
        except errors.ApiError as error:
            return Move("wait", f"cannot claim the lease: {error}")
        except TimeoutError:
            return Move("wait", f"the API did not answer within {timeout:g} s")

    async def _hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        self._leading = True
        loops = asyncio.ensure_future(_finish(lead))
        renewals = asyncio.create_task(self._renew(), name=f"renew {self.name}")
        lost = False
        try:
            await asyncio.wait((loops, renewals), return_when=asyncio.FIRST_COMPLETED)
            lost = renewals.done() and not loops.done()
        finally:
            self._leading = False
            await _stop(renewals)
            await _stop(loops)
            if not lost:
                await self._release()
        if loops.done() and not loops.cancelled():
            loops.result()
        if renewals.done() and not renewals.cancelled():
            renewals.result()

    async def _renew(self) -> None:
        """Renew until that has failed for the deadline, or another holds the lease."""
        timing, renewed = self._timing, self._clock.monotonic()
        pause = timing.renew_seconds
        while True:
            await self._clock.sleep(pause)
            started = self._clock.monotonic()
            left = renewed + timing.deadline_seconds - started
            if left <= 0:
                log.warning("lost the lease", extra={"lease": self.name, "why": "the renew deadline has passed"})
                return
            try:
                await self._within(left, self._renew_once())
                renewed, pause = started, timing.renew_seconds
            except (errors.ApiError, TimeoutError) as error:
                log.warning("cannot renew", extra={"lease": self.name, "error": str(error) or "timed out"})
                pause = min(timing.retry_seconds, max(renewed + timing.deadline_seconds - self._clock.monotonic(), 0))
            if self._lease is not None and self._lease.spec.holderIdentity != self.identity:
                holder = self._lease.spec.holderIdentity
                log.warning("lost the lease", extra={"lease": self.name, "why": f"{holder or 'nobody'} holds it"})
                return

    async def _renew_once(self) -> None:
        try:
            self._lease = await self._write(self._lease)
        except (errors.Conflict, errors.AlreadyExists, errors.NotFound):
            # an answer that got lost leaves us behind our own write; anyone else's ends our term
            self._lease = await self._client.get(coordinationv1.Lease, self.name, self._namespace)
            raise

    async def _within(self, seconds: float, work: Awaitable[None]) -> None:
        """Await work, giving up after this long by our clock."""
        task = asyncio.ensure_future(work)

        def give_up() -> None:
            task.cancel()

        timer = self._clock.call_later(seconds, give_up)
        try:
            await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                await _stop(task)
                raise
            raise TimeoutError from None
        finally:
            timer.cancel()

    async def _read(self) -> coordinationv1.Lease | None:
        try:
            return await self._client.get(coordinationv1.Lease, self.name, self._namespace, resource_version="0")
        except errors.NotFound:
            return None

    async def _write(self, lease: coordinationv1.Lease | None) -> coordinationv1.Lease:
        claim = claimed(lease, self._namespace, self.name, self.identity, self._clock.now(), self._timing)
        if lease is None:
            return await self._client.create(claim)
        return await self._client.update(claim)

    async def _release(self) -> None:
        if self._lease is None or self._lease.spec.holderIdentity != self.identity:
            return
        try:
            async with asyncio.timeout(self._timing.retry_seconds):
                self._lease = await self._client.update(released(self._lease, self._clock.now()))
        except (errors.ApiError, TimeoutError) as error:
            log.info("could not release the lease", extra={"lease": self.name, "error": str(error) or "timed out"})


async def _finish(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()


async def _stop(task: asyncio.Future[None]) -> None:
    """Cancel a task and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.wait((task,))
