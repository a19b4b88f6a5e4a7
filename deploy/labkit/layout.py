"""Names, addresses and paths of one lab, all derived from the checkout it belongs to.

Read by every module of labkit; does no I/O but reading and writing the lab's own state file. Two checkouts
get different names, bridges and subnets, so that each can have a lab at the same time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

Role = Literal["control", "node"]

CACHE = Path(os.environ.get("FAIRLEAD_LAB_CACHE", "/var/cache/fairlead-lab"))
IDENT_LENGTH = 5  # the longest interface name, vb-fl12345-n999, then has the 15 characters that Linux allows
FIRST_CONTROL = 11
FIRST_NODE = 21
MOST_CONTROLS = 9
MOST_NODES = 200
REGISTRY = "registry.fairlead.lab"
# Fairlead's own default ranges and those that other tools on a developer's machine like to use
TAKEN = tuple(map(ipaddress.IPv4Network, ("10.96.0.0/12", "10.128.0.0/11", "10.88.0.0/16", "10.244.0.0/16")))


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """One machine of the lab."""

    name: str
    role: Role
    address: str
    machine: str

    @property
    def link(self) -> str:
        """The outer end of its network link, as systemd-nspawn names it."""
        return f"vb-{self.machine}"


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """How many hosts of each role."""

    controls: int
    nodes: int

    def __str__(self) -> str:
        controls = "1 control host" if self.controls == 1 else f"{self.controls} control hosts"
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"{controls} and {nodes}"


@dataclasses.dataclass(frozen=True, slots=True)
class Lab:
    """One lab: the checkout, the subnet and the hosts."""

    checkout: Path
    subnet: ipaddress.IPv4Network
    shape: Shape

    @property
    def ident(self) -> str:
        """A few characters that stand for the checkout in names the whole machine shares."""
        return ident(self.checkout)

    @property
    def folder(self) -> Path:
        """Where the lab's state lies: .lab in the checkout."""
        return self.checkout / ".lab"

    @property
    def bridge(self) -> str:
        """The bridge that joins the hosts."""
        return f"fl{self.ident}"

    @property
    def gateway(self) -> str:
        """The outer machine's own address on the bridge."""
        return str(self.subnet[1])

    @property
    def controls(self) -> tuple[Host, ...]:
        """The control hosts, first one first."""
        return tuple(self._host("control", number) for number in range(1, self.shape.controls + 1))

    @property
    def nodes(self) -> tuple[Host, ...]:
        """The nodes, first one first."""
        return tuple(self._host("node", number) for number in range(1, self.shape.nodes + 1))

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All hosts, control hosts first."""
        return self.controls + self.nodes

    @property
    def kubeconfig(self) -> Path:
        """The file that clients on the outer machine use."""
        return self.folder / "admin.conf"

    def host_folder(self, host: Host) -> Path:
        """Where a host's disk and logs lie."""
        return self.folder / "hosts" / host.name

    def _host(self, role: Role, number: int) -> Host:
        first = FIRST_CONTROL if role == "control" else FIRST_NODE
        return Host(
            name=f"{role}-{number}",
            role=role,
            address=str(self.subnet[first + number - 1]),
            machine=f"fl{self.ident}-{role[0]}{number}",
        )


def ident(checkout: Path) -> str:
    """The short name of a checkout, the same every time."""
    return hashlib.sha256(str(checkout).encode()).hexdigest()[:IDENT_LENGTH]


def choose_subnet(checkout: Path, in_use: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """The first free /24 of 10.192.0.0/11, beginning at a place that the checkout's path gives."""
    used = (*TAKEN, *in_use)
    every = list(ipaddress.IPv4Network("10.192.0.0/11").subnets(new_prefix=24))
    start = int(hashlib.sha256(str(checkout).encode()).hexdigest(), 16) % len(every)
    for subnet in every[start:] + every[:start]:
        if not any(subnet.overlaps(other) for other in used):
            return subnet
    raise ValueError("no /24 of 10.192.0.0/11 is free on this machine")


def save(lab: Lab) -> None:
    """Write the lab's state file."""
    lab.folder.mkdir(exist_ok=True)
    state = {"subnet": str(lab.subnet), "controls": lab.shape.controls, "nodes": lab.shape.nodes}
    (lab.folder / "lab.json").write_text(json.dumps(state) + "\n")


def load(checkout: Path) -> Lab | None:
    """The lab that this checkout has, or None."""
    try:
        state = json.loads((checkout / ".lab" / "lab.json").read_text())
        return Lab(
            checkout=checkout,
            subnet=ipaddress.IPv4Network(state["subnet"]),
            shape=Shape(controls=int(state["controls"]), nodes=int(state["nodes"])),
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
