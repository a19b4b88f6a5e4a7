"""`python -m node.metrics`: prints one report of this machine as JSON, as an agent would send it."""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys

from google.protobuf import json_format

from fairlead import clock as clocks
from fairlead.api.pb import metrics_pb2
from node.metrics import collector


async def one_report(window_seconds: float) -> metrics_pb2.NodeMetrics:
    """Return a report with rates over the window."""
    metrics = collector.Collector(platform.node(), clocks.SystemClock(), first_window_seconds=window_seconds)
    try:
        return await metrics.collect()
    finally:
        metrics.close()


def main() -> int:
    """Print one report."""
    parser = argparse.ArgumentParser(prog="python -m node.metrics", description=__doc__)
    parser.add_argument("--window", type=float, default=1.0, help="seconds to compute rates over")
    options = parser.parse_args()
    report = asyncio.run(one_report(options.window))
    print(json_format.MessageToJson(report, always_print_fields_with_no_presence=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
