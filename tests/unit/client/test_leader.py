"""One of several candidates leads; it stops before another may begin."""

from __future__ import annotations

import asyncio

import pytest

from fairlead import clock as clocks
from fairlead.api import errors
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.client import leader
from tests.unit.client.tiny import Tiny
from tests.unit.client.waiting import settle, until


def _lease(holder: str, version: str = "7", seconds: int = 6) -> coordinationv1.Lease:
    lease = coordinationv1.Lease()
    lease.metadata.resourceVersion = version
    lease.spec.holderIdentity, lease.spec.leaseDurationSeconds = holder, seconds
    return lease


@pytest.mark.parametrize(
    ("lease", "age", "move"),
    [
        (None, 0.0, leader.Move("create", "nobody has led yet")),
        (_lease(""), 0.0, leader.Move("take", "the lease was released")),
        (_lease("me"), 0.0, leader.Move("take", "the lease is ours from before")),
        (_lease("you"), 5.9, leader.Move("wait", "you leads")),
        (_lease("you"), 6.0, leader.Move("take", "you has not renewed for 6.0 s")),
        (_lease("you", seconds=15), 14.0, leader.Move("wait", "you leads")),
    ],
)
def test_candidate_decides(lease: coordinationv1.Lease | None, age: float, move: leader.Move) -> None:
    """A lease is taken when nobody holds it, or its holder has been silent for its term by our clock."""
    assert leader.decide(lease, leader.Observed("7", 100.0), "me", 100.0 + age) == move


class _Candidate:
    def __init__(self, tiny: Tiny, clock: clocks.FakeClock, name: str, log: list[str]) -> None:
        self.elector = leader.Elector(tiny, "loops", name, clock=clock)
        self.name, self.log = name, log
        self.task = asyncio.create_task(self.elector.run(self._lead))

    async def _lead(self) -> None:
        self.log.append(f"{self.name} starts")
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append(f"{self.name} stops")

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


async def _pass(clock: clocks.FakeClock, seconds: float) -> None:
    for _ in range(round(seconds * 4)):
        clock.advance(0.25)
        await settle(30)


async def test_second_candidate_leads_within_8_s_of_a_kill() -> None:
    """A killed leader releases nothing; another leads once its lease has run out."""
    tiny, clock, log = Tiny(), clocks.FakeClock(), list[str]()
    first = _Candidate(tiny, clock, "one", log)
    await until(lambda: "" if log else "nobody leads")
    second = _Candidate(tiny, clock, "two", log)
    await _pass(clock, 10)
    assert log == ["one starts"]

    tiny_of_dead = Tiny()
    tiny_of_dead.down = errors.ServiceUnavailable("cut off")
    first.elector._client = tiny_of_dead
    await _pass(clock, 8)

    assert log == ["one starts", "one stops", "two starts"]
    await first.stop()
    await second.stop()


async def test_clean_stop_releases_the_lease() -> None:
    """A leader that stops leaves the lease to whoever asks next, without a wait for its term."""
    tiny, clock, log = Tiny(), clocks.FakeClock(), list[str]()
    first = _Candidate(tiny, clock, "one", log)
    await until(lambda: "" if log else "nobody leads")
    second = _Candidate(tiny, clock, "two", log)
    await settle()

    await first.stop()
    await _pass(clock, 1.25)

    assert log == ["one starts", "one stops", "two starts"]
    await second.stop()
    lease = tiny.all(coordinationv1.Lease)[0]
    assert (lease.spec.holderIdentity, lease.spec.leaseTransitions) == ("", 0)


async def test_leader_without_api_stops_before_its_lease_ends() -> None:
    """Renewals that fail for the deadline of 4 s end the loops, 2 s before another may start its own."""
    tiny, clock, log = Tiny(), clocks.FakeClock(), list[str]()
    first = _Candidate(tiny, clock, "one", log)
    await until(lambda: "" if log else "nobody leads")
    tiny.down = errors.ServiceUnavailable("etcd does not answer")
    await _pass(clock, 4)
    assert log == ["one starts", "one stops"]

    tiny.down = None
    await _pass(clock, 2)
    assert log == ["one starts", "one stops", "one starts"]
    await first.stop()


async def test_error_of_the_loops_ends_the_run_and_releases() -> None:
    """What the loops raise reaches whoever runs the elector, and the lease is free."""
    tiny, clock = Tiny(), clocks.FakeClock()

    async def lead() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await leader.Elector(tiny, "loops", "one", clock=clock).run(lead)
    assert tiny.all(coordinationv1.Lease)[0].spec.holderIdentity == ""
