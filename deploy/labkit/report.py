"""What `up` and `status` print about a running lab; what is in the cluster, the `fairlead` command says."""

from __future__ import annotations

import json
import os
import time

from labkit import base as bases
from labkit import layout, machines, network, shell, venvs

EXAMPLE = "deploy/examples/web.yaml"
TAINT_POLL_SECONDS = 0.2


def client(lab: layout.Lab, *arguments: str, timeout: float = 60.0) -> str:
    """Run `fairlead` on the outer machine as the cluster's administrator and return what it printed."""
    program = venvs.outer(lab.checkout) / "bin" / "fairlead"
    environment = {"KUBECONFIG": str(lab.kubeconfig), "COLUMNS": str(_columns())}
    return shell.run((program, *arguments), timeout=timeout, environment=environment, cwd=lab.checkout)


def wait_for_nodes(lab: layout.Lab, seconds: float) -> None:
    """Return once every node of the lab is in the cluster, ready, and open to pods."""
    nodes = [f"node/{host.name}" for host in lab.nodes]
    end = time.monotonic() + seconds
    for goal in ("create", "condition=Ready"):
        client(lab, "wait", *nodes, f"--for={goal}", f"--timeout={seconds:.0f}s", timeout=seconds + 10.0)
    # a controller takes the taint of a node that was not ready away only after the node says that it is
    while closed := _tainted(lab):
        if time.monotonic() > end:
            raise shell.LabError(f"nodes that take no pods after {seconds:.0f} s: {', '.join(closed)}")
        time.sleep(TAINT_POLL_SECONDS)


def _tainted(lab: layout.Lab) -> list[str]:
    """The nodes that have a taint."""
    listed = json.loads(client(lab, "get", "nodes", "-o", "json"))
    nodes = listed.get("items", [listed])
    return [node["metadata"]["name"] for node in nodes if node["spec"].get("taints")]


def status(lab: layout.Lab) -> list[str]:
    """One line a host: role, address, whether it runs and is connected, its units, and its memory."""
    lines = [f"{'HOST':12}{'ADDRESS':16}{'STATE':14}UNITS"]
    for host in lab.hosts:
        pid = machines.leader(lab, host)
        state = "off" if pid is None else "running" if network.link_is_up(host) else "cut off"
        lines.append(f"{host.name:12}{host.address:16}{state:14}{_units(lab, host) if pid else ''}".rstrip())
    return lines


def units(host: layout.Host) -> tuple[str, ...]:
    """The units that make a host what it is."""
    if host.role == "control":
        return ("fairlead-etcd", "fairlead-control")
    return ("fairlead-podman", "fairlead-node")


def next_commands(lab: layout.Lab) -> list[str]:
    """What a person may want to type now."""
    node = lab.nodes[0]
    return [
        f"export KUBECONFIG={lab.kubeconfig} PATH={venvs.outer(lab.checkout)}/bin:$PATH",
        "fairlead get pods -o wide      # kubectl does as well",
        f"curl http://{node.address}:30080/",
        f"deploy/lab exec {node.name} -- podman ps",
        f"deploy/lab kill {lab.nodes[-1].name}     # a power cut; 'start' ends it",
        "deploy/lab help",
        "deploy/lab down",
    ]


def _units(lab: layout.Lab, host: layout.Host) -> str:
    """The state of a host's units, as systemd says it."""
    names = units(host)
    try:
        states = machines.call(lab, host, ("systemctl", "is-active", *names), timeout=10.0).stdout.split()
    except shell.LabError:
        return ""
    return "  ".join(f"{name.removeprefix('fairlead-')} {state}" for name, state in zip(names, states, strict=False))


def _columns() -> int:
    """The terminal's width, for tables that are asked for on a person's behalf."""
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 160


def follow_journal(lab: layout.Lab, host: layout.Host, unit: str | None, follow: bool) -> int:
    """Show a host's journal, or one unit's; of a host that is off, what it had written to its disk."""
    arguments = ["--no-pager", "--output=short-precise"]
    if unit:
        arguments.append(f"--unit={unit if '.' in unit or unit.startswith('fairlead-') else f'fairlead-{unit}'}")
    if machines.leader(lab, host) is not None:
        return machines.become(lab, host, ("journalctl", *arguments, *(["--follow"] if follow else [])))
    journal = lab.host_folder(host) / "upper" / "var" / "log" / "journal"
    # the outer machine may have no journalctl, or an older one
    print(
        bases.inside(bases.path(), ("journalctl", "--directory=/tmp/journal", *arguments), {journal: "/tmp/journal"})
    )
    return 0
