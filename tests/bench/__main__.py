"""The budgets of the design, measured: `python -m tests.bench [--only NAME] [--quick] [--markdown]`.

Each benchmark is a module here with `rows(quick) -> Sequence[report.Row]`, run in a process of its own so that none
inherits another's memory or event loop. Needs etcd (`apt-get install etcd-server`); `proxy` needs root and iptables.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.bench import report

BENCHES = {
    "creates": "pods created over gRPC, beside an empty handler",
    "rest": "Kubernetes' REST API: pods created and listed",
    "watches": "1,000 watches over REST",
    "storm": "many that begin at once with 5,000 pods: how long the loop is held",
    "scheduler": "pods scheduled and bound through the API and etcd",
    "dispatch": "1,000 agents' sessions",
    "cluster": "a control process and an agent: memory, and what they cost idle",
    "store": "etcd and the watch cache",
    "proxy": "Services as iptables rules",
    "codec": "objects to and from bytes",
}
LIMIT_SECONDS = 900.0
MARK = "rows: "


def measure(name: str, quick: bool) -> list[report.Row]:
    """Run a benchmark in a process of its own; RuntimeError with the end of what it said where it fails."""
    command = [sys.executable, "-m", "tests.bench", "--here", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            return [report.Row(**row) for row in json.loads(line.removeprefix(MARK))]
    raise RuntimeError("\n".join((done.stdout + done.stderr).splitlines()[-15:]))


def here(name: str, quick: bool) -> None:
    """Run a benchmark in this process and print its rows for the one that waits."""
    rows: Sequence[report.Row] = importlib.import_module(f"tests.bench.{name}").rows(quick)
    print(MARK + json.dumps([dataclasses.asdict(row) for row in rows]))


def main() -> int:
    """Print the table; the exit code tells whether every first target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=BENCHES, action="append", help="may be given several times")
    parser.add_argument("--quick", action="store_true", help="a fifth of the load: shows that it works, not how fast")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--here", choices=BENCHES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        here(options.here, options.quick)
        return 0
    print(report.machine() + (", a fifth of the load" if options.quick else ""), flush=True)
    good = True
    for name in options.only or BENCHES:
        began = time.monotonic()
        try:
            rows = measure(name, options.quick)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"\n{name}: {BENCHES[name]}: not measured\n{error}", flush=True)
            good = False
            continue
        flags = " --quick" if options.quick else ""
        title = f"{BENCHES[name]} (python -m tests.bench --only {name}{flags}, {time.monotonic() - began:.0f} s)"
        print(f"\n{title}\n\n{report.markdown(rows) if options.markdown else report.text(rows)}", flush=True)
        good = good and all(row.met != "no" for row in rows)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
