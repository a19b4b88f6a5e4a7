"""Coverage-guided fuzzing: `python -m tests.fuzz TARGET… --seconds N` searches with atheris; `--list` names targets.

Each target runs in a process of its own, from seeds and what earlier searches kept in `--corpus`. A fault, an input
that takes half a minute and one that takes a gigabyte end the search: the input is kept beside the corpus, and the
exit code is 1. `--once FILE` runs a target on such an input.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any

HANG_SECONDS = 30
MOST_MEGABYTES = 1024
LONGEST_BYTES = 4096
START_SECONDS = 60.0  # instrumenting what is imported takes a while
ROOMS = ["fairlead", "control"]


def main() -> int:
    """Search, or list, or try one input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all of them if none is named")
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--seconds", type=int, default=60, help="how long to search in each")
    parser.add_argument("--corpus", type=pathlib.Path, help="a folder to begin from and to keep inputs in")
    parser.add_argument("--once", type=pathlib.Path, help="run the target on this file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        return here(given.targets[0], given.seconds, given.corpus)
    known = every()
    unknown = sorted(set(given.targets) - known.keys())
    if unknown:
        parser.error(f"no target is called {unknown[0]}: {', '.join(known)}")
    if given.list:
        for target in known.values():
            print(f"{target.name:20} {(target.run.__doc__ or '').splitlines()[0]}")
        return 0
    if given.once:
        for name in given.targets:
            known[name].run(given.once.read_bytes())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        corpus = given.corpus or pathlib.Path(folder)
        return max(search(name, given.seconds, corpus) for name in given.targets or known)


def every() -> dict[str, Any]:
    """Return all targets by name."""
    found = importlib.import_module("tests.fuzz.targets")
    for name in ("objects", "callers"):
        importlib.import_module(f"tests.fuzz.{name}")
    return found.TARGETS  # type: ignore[no-any-return]


def search(name: str, seconds: int, corpus: pathlib.Path) -> int:
    """Search in a process of its own, print one line and, of a fault, what was said; returns 1 for a fault."""
    command = [sys.executable, "-m", "tests.fuzz", "--here", name, f"--seconds={seconds}", f"--corpus={corpus}"]
    limit = seconds + HANG_SECONDS + START_SECONDS
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit, check=False)
    said = done.stdout + done.stderr
    runs = re.findall(r"^(?:Done |#)(\d+)", said, re.MULTILINE)
    covered = re.findall(r"cov: (\d+)", said)
    print(f"{name:20} {int(runs[-1]) if runs else 0:>9} runs, {covered[-1] if covered else 0} branches", flush=True)
    if done.returncode:
        print("\n".join(said.splitlines()[-60:]), flush=True)
    return int(done.returncode != 0)


def here(name: str, seconds: int, corpus: pathlib.Path) -> int:
    """Search in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=ROOMS):
        target = every()[name]
    own = corpus / name
    own.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (own / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={HANG_SECONDS}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-max_len={max(LONGEST_BYTES, *(len(seed) for seed in target.seeds()))}",
        f"-artifact_prefix={corpus}/{name}-",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(own)], target.run)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
