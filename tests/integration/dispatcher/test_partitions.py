"""Connections that go silent without being closed, as when a link is cut."""

from __future__ import annotations

import subprocess
import sys

from tests.integration.dispatcher import cables, cut, harness


def test_agent_behind_a_cut_link_has_another_session_within_3_s() -> None:
    """TCP gives up what nobody acknowledges before the node's grace of 3 s ends."""
    command = ["unshare", "--net", "sh", "-c", f"ip link set lo up; {sys.executable} -m {cut.__name__}"]

    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3.0


async def test_agent_leaves_a_control_process_that_hangs() -> None:
    """TCP still acknowledges, but heartbeats are not answered: after 15 of them the agent goes elsewhere."""
    async with harness.world() as world:
        first, second = await world.control("one"), await world.control("two")
        async with cables.Cuttable(first.endpoint) as cable:
            first.endpoint = cable.endpoint
            made = world.agent("node-1", first)
            await made.session.synced.wait()
            made.session.endpoints.learn([cable.endpoint, second.endpoint])

            cable.cut()

            async def probe() -> str:
                return "" if second.dispatcher.session_of("node-1") else "no session with the second process"

            await harness.wait_until(probe, 3.0)
            await harness.until_ready(second.client, "node-1")


async def test_node_behind_a_cut_link_is_declared_and_comes_back_when_it_heals() -> None:
    """Its only control process declares it within a grace; after the link heals it is Ready again."""
    async with harness.world() as world:
        control = await world.control("one")
        async with cables.Cuttable(control.endpoint) as cable:
            control.endpoint = cable.endpoint
            world.agent("node-1", control)
            await harness.until_ready(control.client, "node-1")

            cable.cut()
            await harness.until_ready(control.client, "node-1", "Unknown", 3.0)
            cable.heal()

            await harness.until_ready(control.client, "node-1")
