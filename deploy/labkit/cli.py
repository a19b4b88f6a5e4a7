"""The verbs of `deploy/lab`: arguments in, sentences and an exit status out."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from labkit import cluster, layout, machines, network, preflight, report, shell

CHECKOUT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.verb in (None, "help"):
        parser.print_help()
        return 0
    for number in INTERRUPTIONS:
        signal.signal(number, _interrupt)
    work: Callable[[argparse.Namespace], int] = globals()[f"_{options.verb}"]
    try:
        return work(options)
    except shell.LabError as error:
        print(f"deploy/lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy/lab", description="Several Debian machines on this one, with Fairlead on them."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    up = verbs.add_parser("up", help="install what is missing, boot the hosts, start the cluster, run the example")
    up.add_argument("--controls", type=_count(layout.MOST_CONTROLS), metavar="N", help="control hosts (3)")
    up.add_argument("--nodes", type=_count(layout.MOST_NODES), metavar="N", help="nodes (3)")
    up.add_argument("--no-example", action="store_true", help="leave out the example")
    down = verbs.add_parser("down", help="leave nothing of the lab but the cached root filesystem")
    down.add_argument("--purge", action="store_true", help="remove that too, unless another lab uses it")
    verbs.add_parser("status", help="say what runs")
    run = verbs.add_parser("exec", help="run a command on a host: exec HOST -- COMMAND…")
    run.add_argument("host")
    run.add_argument("command", nargs=argparse.REMAINDER)
    logs = verbs.add_parser("logs", help="show a host's journal, or one unit's")
    logs.add_argument("host")
    logs.add_argument("unit", nargs="?")
    logs.add_argument("-f", "--follow", action="store_true")
    for verb, what in (
        ("kill", "cut a host's power"),
        ("start", "switch a host on again"),
        ("cut", "take a host's network link down"),
        ("heal", "take a host's network link up"),
    ):
        verbs.add_parser(verb, help=what).add_argument("host")
    verbs.add_parser("kubeconfig", help="print the path of the file that clients use")
    verbs.add_parser("help", help="print this")
    return parser


def _count(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        number = int(text)
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"must be between 1 and {most}")
        return number

    return count


def _up(options: argparse.Namespace) -> int:
    progress = shell.Progress()
    lab, running = _wanted_lab(options)
    if lab is None:
        return 1
    try:
        with shell.locked(lab.folder / "lock"):
            _bring_up(lab, progress)
            if not options.no_example:
                _run_example(lab, progress)
    except KeyboardInterrupt:
        progress.say("interrupted: taking the lab down")
        cluster.take_down(lab)
        return INTERRUPTED
    except shell.LabError:
        if not running:
            print("deploy/lab: what runs is left for a look; 'deploy/lab down' ends it", file=sys.stderr)
        raise
    print(f"\nUp after {progress.seconds:.0f} s. Next:\n")
    for line in report.next_commands(lab):
        print(f"  {line}")
    return 0


def _wanted_lab(options: argparse.Namespace) -> tuple[layout.Lab | None, bool]:
    """The lab to bring up (None if it cannot be) and whether it runs; tells what it finds."""
    existing = layout.load(CHECKOUT)
    if existing and any(machines.keeper_pid(existing, host) for host in existing.hosts):
        asked = (options.controls, options.nodes)
        has = (existing.shape.controls, existing.shape.nodes)
        if any(want not in (None, got) for want, got in zip(asked, has, strict=True)):
            raise shell.LabError(f"a lab of {existing.shape} runs here: 'deploy/lab down' first")
        print(f"A lab of {existing.shape} is here already.")
        return existing, True
    verdict = preflight.judge(CHECKOUT, preflight.look(CHECKOUT), options.controls, options.nodes)
    print("\n".join(verdict.lines), flush=True)
    if verdict.obstacles or verdict.subnet is None:
        for obstacle in verdict.obstacles:
            print(f"deploy/lab: cannot run here: {obstacle}", file=sys.stderr)
        print("deploy/lab: 'vagrant up' makes the same cluster of virtual machines", file=sys.stderr)
        return None, False
    if existing:
        print("What a lab whose processes are gone left here is cleaned up first.")
        cluster.take_down(existing)
    return layout.Lab(checkout=CHECKOUT, subnet=verdict.subnet, shape=verdict.shape), False


def _bring_up(lab: layout.Lab, progress: shell.Progress) -> None:
    log = lab.folder / "install.log"
    lab.folder.mkdir(exist_ok=True)
    packages = preflight.missing_packages()
    if packages:
        progress.say(f"installing {', '.join(packages)}")
        cluster.install_packages(packages, log)
    cluster.register(CHECKOUT, True)
    base, venv, pictures = cluster.prepare(CHECKOUT, log, progress)
    cluster.Cluster(lab, progress).up(base, venv, pictures)


def _run_example(lab: layout.Lab, progress: shell.Progress) -> None:
    report.wait_for_nodes(lab, cluster.NODE_SECONDS)
    progress.say(f"running the example, {report.EXAMPLE}")
    print(report.client(lab, "apply", "-f", report.EXAMPLE), end="")
    report.client(lab, "rollout", "status", "deployment/web", timeout=cluster.EXAMPLE_SECONDS)
    cluster.wait_until(lambda: cluster.example_answers(lab), cluster.EXAMPLE_SECONDS)
    progress.say("the example answers")
    print("\n" + report.client(lab, "get", "nodes,pods,services", "-o", "wide"), end="")


def _down(options: argparse.Namespace) -> int:
    lab = layout.load(CHECKOUT)
    if lab is None:
        shutil.rmtree(CHECKOUT / ".lab", ignore_errors=True)  # the log of an up that never came to a lab
        print("There is no lab here.")
    else:
        cluster.take_down(lab)
        print("The lab is gone.")
    if options.purge:
        print(cluster.purge(CHECKOUT))
    return 0


def _status(options: argparse.Namespace) -> int:
    lab = _lab()
    print("\n".join(report.status(lab)))
    return 0


def _exec(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    lab, host = _host(options.host)
    return machines.become(lab, host, command or ["/bin/bash", "-l"])


def _logs(options: argparse.Namespace) -> int:
    lab, host = _host(options.host)
    with contextlib.suppress(KeyboardInterrupt):
        return report.follow_journal(lab, host, options.unit, options.follow)
    return INTERRUPTED


def _kill(options: argparse.Namespace) -> int:
    lab, host = _host(options.host)
    machines.power_cut(lab, host)
    print(f"{host.name} is off.")
    return 0


def _start(options: argparse.Namespace) -> int:
    lab, host = _host(options.host)
    if machines.keeper_pid(lab, host) is not None:
        print(f"{host.name} runs already.")
        return 0
    cluster.start_host(lab, host)
    print(f"{host.name} has booted.")
    return 0


def _cut(options: argparse.Namespace) -> int:
    _, host = _running_host(options.host)
    network.set_link(host, False)
    print(f"{host.name} is cut off.")
    return 0


def _heal(options: argparse.Namespace) -> int:
    _, host = _running_host(options.host)
    network.set_link(host, True)
    print(f"{host.name} is connected.")
    return 0


def _kubeconfig(options: argparse.Namespace) -> int:
    print(_lab().kubeconfig)
    return 0


def _lab() -> layout.Lab:
    lab = layout.load(CHECKOUT)
    if lab is None:
        raise shell.LabError("there is no lab here: 'deploy/lab up' makes one")
    return lab


def _host(name: str) -> tuple[layout.Lab, layout.Host]:
    lab = _lab()
    for host in lab.hosts:
        if host.name == name:
            return lab, host
    raise shell.LabError(f"no host {name!r}: there are {', '.join(host.name for host in lab.hosts)}")


def _running_host(name: str) -> tuple[layout.Lab, layout.Host]:
    lab, host = _host(name)
    if machines.keeper_pid(lab, host) is None:
        raise shell.LabError(f"{host.name} is off")
    return lab, host


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End what is being done. Once: what cleans up after it must not be cut short by an impatient second Ctrl-C."""
    for one in INTERRUPTIONS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt
