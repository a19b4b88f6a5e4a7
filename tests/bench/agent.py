"""One agent for the benchmarks, in a process that imports what an agent imports and nothing else.

`python -m tests.bench.agent NODE_YAML`: real session, health and metrics; only its pods are hollow. Prints a line
once it has its state.
"""

from __future__ import annotations

import asyncio
import pathlib
import sys

from fairlead import clock as clocks
from node.agent import agent, config, hollow, link, register, wiring
from node.metrics import collector


async def run(path: pathlib.Path) -> None:
    """Run until killed."""
    assert wiring, "imported for its weight"
    told = config.load(path)
    facts = register.Facts(
        hostname=told.nodeName, cores=32, memory=256 << 30, storage=1 << 40, runtime="memory://0.1"
    )
    made = agent.Agent(register.node(told, facts), link.TlsLink(told), told.endpoints)
    meter = collector.Collector(told.nodeName, clocks.SystemClock())
    made.attach(hollow.HollowPods(told.nodeName, made.reports), meter=meter)
    running = asyncio.create_task(made.run())
    await made.session.synced.wait()
    print("synced", flush=True)
    await running


if __name__ == "__main__":
    asyncio.run(run(pathlib.Path(sys.argv[1])))
