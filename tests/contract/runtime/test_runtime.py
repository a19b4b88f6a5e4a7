"""What every runtime promises: the protocol's sentences, one test each."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable

import pytest

from node.runtime import interface
from tests.contract.runtime import conftest
from tests.support import podman

Script = Callable[[str], tuple[str, ...]]
WAIT_SECONDS = 20.0
CTRL_P = b"\x10"


def _spec(command: tuple[str, ...], name: str = "k8s_main_web_default_u1_0") -> interface.ContainerSpec:
    return interface.ContainerSpec(name=name, image=podman.IMAGE, labels=conftest.LABELS, command=command)


async def _run(runtime: interface.Runtime, command: tuple[str, ...]) -> str:
    container = await runtime.create(_spec(command))
    await runtime.start(container)
    return container


async def test_an_image_is_found_by_name_and_by_id(runtime: interface.Runtime) -> None:
    """A pod's status names the image by id, its spec by name."""
    by_name = await runtime.image(podman.IMAGE)
    assert by_name is not None
    assert podman.IMAGE in by_name.tags
    assert by_name.digests[0].startswith("fairlead.test/busybox@sha256:")
    assert await runtime.image(by_name.id) == by_name
    assert by_name.id in [one.id for one in await runtime.images()]


async def test_an_image_that_is_not_there_is_none(runtime: interface.Runtime) -> None:
    """Pulling is decided on that."""
    assert await runtime.image("fairlead.test/missing:1") is None


async def test_a_container_of_an_image_that_is_not_there_is_refused(runtime: interface.Runtime) -> None:
    """The image may have been removed since it was pulled."""
    spec = dataclasses.replace(_spec(("run",)), image="fairlead.test/missing:1")
    with pytest.raises(interface.NoSuchImage):
        await runtime.create(spec)


async def test_a_container_goes_from_created_to_running_to_exited(runtime: interface.Runtime, script: Script) -> None:
    """Each call makes one transition, and `inspect` shows it with its times."""
    async with conftest.following(runtime) as until, asyncio.timeout(WAIT_SECONDS):
        before = time.time() - 1
        container = await runtime.create(_spec(script("exit 3")))
        created = await runtime.inspect(container)
        assert created is not None
        assert (created.state, created.started_at, created.labels[interface.UID_LABEL]) == ("created", 0.0, "u1")
        assert created.created_at > before
        await runtime.start(container)
        await until("exited", container)
        exited = await runtime.inspect(container)
    assert exited is not None
    assert (exited.state, exited.exit_code, exited.pid) == ("exited", 3, 0)
    assert before < exited.started_at <= exited.finished_at


async def test_a_name_is_taken_once(runtime: interface.Runtime, script: Script) -> None:
    """Two workers, or one that forgot, cannot make a container twice."""
    await runtime.create(_spec(script("run")))
    with pytest.raises(interface.Refused, match="already in use"):
        await runtime.create(_spec(script("run")))


async def test_stop_lets_a_process_end_by_itself(runtime: interface.Runtime, script: Script) -> None:
    """The stop signal comes first; returning means that the container has ended."""
    container = await _run(runtime, script("run"))
    await asyncio.sleep(0.3 if runtime.scheme == "podman" else 0)  # until the shell has set its trap
    async with asyncio.timeout(WAIT_SECONDS):
        await runtime.stop(container, 15.0)
    ended = await runtime.inspect(container)
    assert ended is not None
    assert (ended.state, ended.exit_code) == ("exited", 143)


async def test_stop_kills_what_does_not_end(runtime: interface.Runtime, script: Script) -> None:
    """After the grace comes SIGKILL."""
    container = await _run(runtime, script("stubborn"))
    async with asyncio.timeout(WAIT_SECONDS):
        await runtime.stop(container, 0.4)
    ended = await runtime.inspect(container)
    assert ended is not None
    assert (ended.state, ended.exit_code) == ("exited", 137)


async def test_stop_of_what_has_ended_is_nothing(runtime: interface.Runtime, script: Script) -> None:
    """A worker that is interrupted stops again."""
    container = await _run(runtime, script("run"))
    await runtime.kill(container)
    async with asyncio.timeout(WAIT_SECONDS):
        await runtime.stop(container, 5.0)
        await runtime.kill(container)


async def test_a_start_that_fails_is_refused(runtime: interface.Runtime, script: Script) -> None:
    """The OCI runtime's words reach the pod's status."""
    container = await runtime.create(_spec(script("fail-start")))
    with pytest.raises(interface.Refused, match="no such file or directory|executable file not found"):
        await runtime.start(container)


async def test_a_removed_container_is_gone(runtime: interface.Runtime, script: Script) -> None:
    """Removing kills, and removing again is nothing."""
    container = await _run(runtime, script("run"))
    async with conftest.following(runtime) as until, asyncio.timeout(WAIT_SECONDS):
        await runtime.remove(container)
        await until("removed", container)
    assert await runtime.inspect(container) is None
    assert await runtime.containers() == []
    await runtime.remove(container)


async def test_what_is_gone_is_named_in_errors(runtime: interface.Runtime) -> None:
    """NoSuchContainer tells a worker to look again instead of retrying."""
    with pytest.raises(interface.NoSuchContainer):
        await runtime.start("0" * 64)
    with pytest.raises(interface.NoSuchContainer):
        await runtime.exec("0" * 64, interface.ExecOptions(("true",)))


async def test_containers_lists_ours(runtime: interface.Runtime, script: Script) -> None:
    """What carries no pod's label belongs to somebody else."""
    ours = await runtime.create(_spec(script("run")))
    other = await runtime.create(dataclasses.replace(_spec(script("run"), name="other"), labels={"app": "x"}))
    assert [one.id for one in await runtime.containers()] == [ours]
    await runtime.remove(other)


async def test_events_tell_of_each_change(runtime: interface.Runtime, script: Script) -> None:
    """After `subscribed` nothing is missed."""
    async with conftest.following(runtime) as until, asyncio.timeout(WAIT_SECONDS):
        container = await _run(runtime, script("exit 0"))
        await until("changed", container)
        await until("started", container)
        await until("exited", container)


async def test_logs_of_a_container_that_ended(runtime: interface.Runtime, script: Script) -> None:
    """A log outlives its process, and `tail` and `timestamps` apply."""
    async with conftest.following(runtime) as until, asyncio.timeout(WAIT_SECONDS):
        container = await _run(runtime, script("exit 0"))
        await until("exited", container)
        plain = [chunk async for chunk in runtime.logs(container, interface.LogOptions())]
        none = [chunk async for chunk in runtime.logs(container, interface.LogOptions(tail=0))]
        stamped = [chunk async for chunk in runtime.logs(container, interface.LogOptions(timestamps=True))]
    assert plain == [interface.Chunk(b"started exit 0\n")]
    assert none == []
    assert stamped[0].data.split(b" ", 1)[1] == b"started exit 0\n"
    assert stamped[0].data.startswith(b"2")


async def test_logs_since_a_moment(runtime: interface.Runtime, script: Script) -> None:
    """Only what was written after it."""
    async with conftest.following(runtime) as until, asyncio.timeout(WAIT_SECONDS):
        container = await _run(runtime, script("exit 0"))
        await until("exited", container)
        past, future = time.time() - 60, time.time() + 60
        before = [chunk.data async for chunk in runtime.logs(container, interface.LogOptions(since=past))]
        after = [chunk async for chunk in runtime.logs(container, interface.LogOptions(since=future))]
    assert (before, after) == ([b"started exit 0\n"], [])


async def test_attach_reaches_the_main_process(runtime: interface.Runtime) -> None:
    """What is written to it comes back from `cat`."""
    container = await runtime.create(dataclasses.replace(_spec(("cat",)), stdin=True))
    await runtime.start(container)
    async with asyncio.timeout(WAIT_SECONDS):
        stream = await runtime.attach(container, stdin=True, tty=False)
        await stream.write(b"ping\n")
        assert await stream.read() == interface.Chunk(b"ping\n")
        await stream.write(CTRL_P)
        assert await stream.read() == interface.Chunk(CTRL_P)
        await stream.close()


async def test_attach_leaves_alone_what_has_ended(runtime: interface.Runtime, script: Script) -> None:
    """It is refused, and the container keeps its exit code and its log."""
    async with conftest.following(runtime) as until, asyncio.timeout(WAIT_SECONDS):
        container = await _run(runtime, script("exit 3"))
        await until("exited", container)
        with pytest.raises(interface.Refused, match="can only attach to running containers"):
            await runtime.attach(container, stdin=True, tty=False)
        found = await runtime.inspect(container)
        log = [chunk.data async for chunk in runtime.logs(container, interface.LogOptions())]
    assert found is not None
    assert (found.state, found.exit_code, log) == ("exited", 3, [b"started exit 3\n"])


async def test_followed_logs_end_with_the_container(runtime: interface.Runtime, script: Script) -> None:
    """`logs -f` returns when there will be no more."""
    container = await _run(runtime, script("sleep 1"))
    async with asyncio.timeout(WAIT_SECONDS):
        lines = [chunk.data async for chunk in runtime.logs(container, interface.LogOptions(follow=True))]
    assert lines == [b"started sleep 1\n"]


async def test_exec_gives_output_and_status(runtime: interface.Runtime, script: Script) -> None:
    """Probes and hooks need both."""
    container = await _run(runtime, script("run"))
    async with asyncio.timeout(WAIT_SECONDS):
        stream = await runtime.exec(container, interface.ExecOptions(("echo", "hello", "there")))
        assert await stream.read() == interface.Chunk(b"hello there\n")
        assert await stream.read() is None
        assert await stream.exit_code() == 0
        await stream.close()
        failing = ("exit", "4") if runtime.scheme == "memory" else ("sh", "-c", "exit 4")
        stream = await runtime.exec(container, interface.ExecOptions(failing))
        assert await stream.read() is None
        assert await stream.exit_code() == 4
        await stream.close()


async def test_exec_takes_input_until_it_is_closed(runtime: interface.Runtime, script: Script) -> None:
    """`exec -i` is a pipe in both directions."""
    container = await _run(runtime, script("run"))
    async with asyncio.timeout(WAIT_SECONDS):
        stream = await runtime.exec(container, interface.ExecOptions(("cat",), stdin=True))
        await stream.write(b"ping")
        assert await stream.read() == interface.Chunk(b"ping")
        await stream.close_input()
        assert await stream.read() is None
        assert await stream.exit_code() == 0
        await stream.close()


@pytest.mark.parametrize("ends", ["kill", "remove"])
async def test_exec_ends_with_its_container(runtime: interface.Runtime, script: Script, ends: str) -> None:
    """Its status is that of a process that was killed, whether or not the container is still known."""
    container = await _run(runtime, script("run"))
    async with asyncio.timeout(WAIT_SECONDS):
        stream = await runtime.exec(container, interface.ExecOptions(("cat",), stdin=True))
        await (runtime.kill(container) if ends == "kill" else runtime.remove(container))
        assert await stream.read() is None
        assert await stream.exit_code() == 137
        await stream.close()


@pytest.mark.parametrize("key", [CTRL_P, b"\x11", b"\x1d"])
async def test_exec_takes_every_key_at_once(runtime: interface.Runtime, script: Script, key: bytes) -> None:
    """None is held back as if a sequence began that leaves the process alone."""
    container = await _run(runtime, script("run"))
    async with asyncio.timeout(WAIT_SECONDS):
        stream = await runtime.exec(container, interface.ExecOptions(("cat",), stdin=True))
        for _ in range(3):
            await stream.write(key)
            assert await stream.read() == interface.Chunk(key)
        await stream.close()


async def test_exec_that_leaves_its_input_unread_ends_well(runtime: interface.Runtime, script: Script) -> None:
    """`head -1 < big file`: input that has nowhere to go is no error, and no word of it gets into the output."""
    container = await _run(runtime, script("run"))
    said = ("echo", "enough") if runtime.scheme == "memory" else ("sh", "-c", "echo enough; sleep 0.2")
    async with asyncio.timeout(WAIT_SECONDS):
        stream = await runtime.exec(container, interface.ExecOptions(said, stdin=True))
        for _ in range(32):
            await stream.write(b"x" * 65536)
        assert await stream.read() == interface.Chunk(b"enough\n")
        assert await stream.read() is None
        assert await stream.exit_code() == 0
        await stream.close()


async def test_exec_in_what_does_not_run_is_refused(runtime: interface.Runtime, script: Script) -> None:
    """The caller gets the runtime's words."""
    container = await runtime.create(_spec(script("run")))
    with pytest.raises(interface.Refused, match="can only create exec sessions on running containers"):
        await runtime.exec(container, interface.ExecOptions(("true",)))


async def test_stats_name_each_running_container(runtime: interface.Runtime, script: Script) -> None:
    """Processor seconds and bytes, by container id."""
    container = await _run(runtime, script("run"))
    async with asyncio.timeout(WAIT_SECONDS):
        stats = await runtime.stats()
    assert stats[container].cpu_seconds >= 0
    assert stats[container].working_set > 0
