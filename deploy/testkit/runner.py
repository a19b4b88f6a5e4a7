"""The run itself: prepare the machine, run the steps, count, and close with one line.

What may share the machine goes first, two steps at a time: the suites of the programs' own code, the static checks,
and the making of the lab's root filesystem, so that the lab can boot when its turn comes. A step that fails does not
stop the others.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import glob
import itertools
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

from labkit import cluster, preflight, shell, venvs
from testkit import clients, plan, units, vagrant

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = CHECKOUT / ".venv" / "bin"
NO_TESTS = 5  # pytest's exit status when it found none
POLICY = Path("/usr/sbin/policy-rc.d")


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    output: str


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; the exit status is 0 only if nothing failed."""
    options = _options(arguments)
    if os.geteuid() != 0:
        print("deploy/test: run it as root: tests make network namespaces and boot machines", file=sys.stderr)
        return 1
    started = time.monotonic()
    log = Path(tempfile.mkdtemp(prefix="fairlead-test-")) / "install.log"
    try:
        _install(log, options)
        outcomes = _run_all(options, log)
    except shell.LabError as error:
        print(f"deploy/test: {error}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    return _close(outcomes, time.monotonic() - started)


def _options(arguments: list[str]) -> plan.Options:
    parser = argparse.ArgumentParser(prog="deploy/test", description="Run every check and test.")
    parser.add_argument("--only", metavar="ROOM", help="only one room's tests (api, store, proxy, …)")
    parser.add_argument("--no-lab", action="store_true", help="leave out the tests that boot machines")
    parser.add_argument("--full", action="store_true", help="also the long fault tests and the benchmarks")
    parser.add_argument("--vagrant", action="store_true", help="also a real `vagrant up`")
    given = parser.parse_args(arguments)
    return plan.Options(only=given.only, lab=not given.no_lab, full=given.full, vagrant=given.vagrant)


def _install(log: Path, options: plan.Options) -> None:
    """Install what is missing: Debian packages, then .venv with what development needs."""
    missing = {package for program, package in plan.TOOLS.items() if not _has(program)}
    missing |= {package for file, package in plan.FILES.items() if not glob.glob(file)}
    missing |= set(preflight.missing_packages())
    if missing:
        _say(f"installing {', '.join(sorted(missing))}")
        # Debian starts services on installation, and a test's etcd wants the port
        keep_quiet = not POLICY.exists()
        if keep_quiet:
            POLICY.write_text("#!/bin/sh\nexit 101\n")
            POLICY.chmod(0o755)
        try:
            cluster.install_packages(sorted(missing), log)
        finally:
            if keep_quiet:
                POLICY.unlink()
    extras = ("dev", "fuzz") if options.full else ("dev",)
    if not venvs.outer_is_ready(CHECKOUT, extras):
        _say("installing Python packages into .venv")
    venvs.ensure_outer(CHECKOUT, log, extras)
    clients.ensure_kubectl(log)


def _run_all(options: plan.Options, log: Path) -> list[Outcome]:
    """Run what may share the machine, two at a time, then the suites that want it alone, and the lab's at the end."""
    suites = plan.suites(CHECKOUT, BIN, options)
    lab = plan.lab_suite(CHECKOUT, BIN, options)
    if options.only and not suites and not lab:
        raise shell.LabError(f"no tests of a room called {options.only} are to be run")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        sharing = [pool.submit(_run_steps, [step]) for step in suites if not step.alone]
        if lab:
            sharing.append(pool.submit(_prepare_lab, log))
        if not options.only:
            sharing.append(pool.submit(_run_steps, plan.checks(CHECKOUT, BIN)))
        outcomes = [outcome for future in sharing for outcome in future.result()]
    outcomes += _run_steps([*(step for step in suites if step.alone), *lab])
    if options.vagrant:
        outcomes.append(_report(_run_vagrant(log)))
    return outcomes


def _run_vagrant(log: Path) -> Outcome:
    """Do one real `vagrant up`, and keep its whole output in a file."""
    started = time.monotonic()
    vagrant.install(log)
    _, venv, _ = cluster.prepare(CHECKOUT, log, shell.Progress(quiet=True))
    good, output = vagrant.run(CHECKOUT, vagrant.ensure_box(venv, log))
    vagrant.default_log().write_text(output)
    _say(f"the output of vagrant is in {vagrant.default_log()}")
    return _outcome("vagrant up", good, time.monotonic() - started, output)


def _prepare_lab(log: Path) -> list[Outcome]:
    """Make what the lab's hosts are made from, then check the units as they will be there."""
    started = time.monotonic()
    base, venv, _ = cluster.prepare(CHECKOUT, log, shell.Progress(quiet=True))
    said = units.verify(CHECKOUT, base, venv)
    return [_report(_outcome("systemd-analyze verify", not said, time.monotonic() - started, said))]


def _run_steps(steps: Iterable[plan.Step]) -> list[Outcome]:
    """Run steps one after another, telling of each as it ends."""
    return [_report(_run(step)) for step in steps]


def _run(step: plan.Step) -> Outcome:
    """Run one step to its end."""
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as results:
        command = [*step.command, f"--junitxml={results.name}"] if step.is_pytest else list(step.command)
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=shell.clean_environment(dict(step.environment)),
            cwd=CHECKOUT,
            check=False,
        )
        seconds = time.monotonic() - started
        if not step.is_pytest:
            return _outcome(step.name, done.returncode == 0, seconds, done.stdout)
        passed, failed, skipped = _counts(Path(results.name))
    if done.returncode not in (0, NO_TESTS) and failed == 0:
        failed = 1  # pytest itself failed: a usage error, or a crash
    return Outcome(step.name, passed, failed, skipped, seconds, done.stdout)


def _outcome(name: str, good: bool, seconds: float, output: str) -> Outcome:
    """The outcome of a check that counts as one test."""
    return Outcome(name, int(good), int(not good), 0, seconds, output)


def _counts(results: Path) -> tuple[int, int, int]:
    """Tests passed, failed and skipped, from pytest's result file."""
    try:
        suites = list(ElementTree.parse(results).getroot().iter("testsuite"))
    except ElementTree.ParseError:
        return 0, 0, 0

    def total(*names: str) -> int:
        return sum(int(suite.get(name, "0")) for suite in suites for name in names)

    bad, skipped = total("failures", "errors"), total("skipped")
    return total("tests") - bad - skipped, bad, skipped


def _report(outcome: Outcome) -> Outcome:
    """Tell how a step ended: in a line, with what it measured, if it is good, with all that it said if not."""
    count = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
    if outcome.failed:
        print(f"\n==== {outcome.name} ====\n{outcome.output.rstrip()}\n", flush=True)
    _say(f"{'FAILED' if outcome.failed else 'ok':7}{outcome.name}: {count} in {outcome.seconds:.1f} s")
    for line in [] if outcome.failed else measured(outcome.output):
        print(f"    {line}", flush=True)
    return outcome


def measured(output: str) -> list[str]:
    """The lines of the section in which a pytest run tells what it measured; none if it has none."""
    lines = iter(output.splitlines())
    for line in lines:
        if line.startswith("=") and line.strip("= ").startswith("measured"):
            return list(itertools.takewhile(lambda one: not one.startswith("="), lines))
    return []


def _close(outcomes: Iterable[Outcome], seconds: float) -> int:
    """Print the closing line and give the exit status."""
    every = list(outcomes)
    passed, failed, skipped = (sum(getattr(o, name) for o in every) for name in ("passed", "failed", "skipped"))
    _say(f"{seconds:.0f} s in all; failed: {', '.join(o.name for o in every if o.failed) or 'nothing'}")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


def _has(program: str) -> bool:
    return shell.succeeds(("sh", "-c", 'command -v "$1"', "sh", program))


def _say(sentence: str) -> None:
    print(f"deploy/test: {sentence}", flush=True)
