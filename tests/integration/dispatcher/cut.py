"""A session whose link is cut by the packet filter; run by test_partitions in a network namespace of its own.

Prints the seconds until the agent has a session with the second control process.
"""

from __future__ import annotations

import asyncio
import subprocess
import time

from tests.integration.dispatcher import harness


async def main() -> None:
    """Cut, and wait."""
    async with harness.world() as world:
        first, second = await world.control("one"), await world.control("two")
        made = world.agent("node-1", first)
        await made.session.synced.wait()
        made.session.endpoints.learn([first.endpoint, second.endpoint])
        port = first.endpoint.rpartition(":")[2]
        for side in ("--dport", "--sport"):
            rule = ["iptables", "-A", "INPUT", "-p", "tcp", side, port, "-j", "DROP"]
            subprocess.run(rule, check=True)  # noqa: ASYNC221 - for a moment, nothing else is to happen
        begun = time.monotonic()

        async def probe() -> str:
            return "" if second.dispatcher.session_of("node-1") else "no session with the second process"

        await harness.wait_until(probe, 60.0)
        print(f"{time.monotonic() - begun:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
