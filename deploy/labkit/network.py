"""The lab's network on the outer machine: one bridge, and address translation towards the outside.

Whatever is changed here carries the lab's name, so that `down` finds it without a record, also after a crash.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from pathlib import Path

from labkit import layout, shell


def subnets_in_use(bridge: str) -> list[ipaddress.IPv4Network]:
    """The networks that the outer machine has a route to, but for those of the lab's own bridge."""
    found = []
    for route in json.loads(shell.run(("ip", "-json", "-4", "route", "show", "table", "all")) or "[]"):
        with contextlib.suppress(ValueError):
            if route.get("dev") != bridge and route.get("dst", "default") != "default":
                found.append(ipaddress.IPv4Network(route["dst"], strict=False))
    return [network for network in found if not network.is_loopback]


def has_way_out() -> bool:
    """Tell whether the outer machine has a default route."""
    return bool(shell.run(("ip", "-4", "route", "show", "default")).strip())


def up(lab: layout.Lab) -> None:
    """Make the bridge and the rules, as far as they are missing."""
    if not Path(f"/sys/class/net/{lab.bridge}").exists():
        shell.run(("ip", "link", "add", lab.bridge, "type", "bridge"))
        shell.run(("ip", "address", "add", f"{lab.gateway}/{lab.subnet.prefixlen}", "dev", lab.bridge))
        # one address for good: a bridge otherwise takes the lowest of its ports, and neighbours must learn it
        # anew
        shell.run(("ip", "link", "set", lab.bridge, "address", _hardware_address(lab), "up"))
    for table, chain, rule in _rules(lab):
        if not shell.succeeds(("iptables", "-w", "-t", table, "-C", chain, *rule)):
            shell.run(("iptables", "-w", "-t", table, "-I", chain, *rule))


def down(lab: layout.Lab) -> None:
    """Remove the cables, the bridge and the rules."""
    for host in lab.hosts:
        remove_link(host)
    for table, chain, rule in _rules(lab):
        while shell.succeeds(("iptables", "-w", "-t", table, "-D", chain, *rule)):
            pass
    if Path(f"/sys/class/net/{lab.bridge}").exists():
        shell.run(("ip", "link", "delete", lab.bridge))


def set_link(host: layout.Host, connected: bool) -> None:
    """Plug a host's cable in or out."""
    shell.run(("ip", "link", "set", host.link, "up" if connected else "down"))


def remove_link(host: layout.Host) -> None:
    """Remove the cable of a host that is off: the kernel does so in its own time, and the next one has its name."""
    if Path(f"/sys/class/net/{host.link}").exists():
        shell.succeeds(("ip", "link", "delete", host.link))  # it may be gone in between


def link_is_up(host: layout.Host) -> bool:
    """Tell whether a host's cable is in."""
    with contextlib.suppress(FileNotFoundError):
        return bool(int(Path(f"/sys/class/net/{host.link}/flags").read_text(), 16) & 1)
    return False


def _rules(lab: layout.Lab) -> list[tuple[str, str, tuple[str, ...]]]:
    """Table, chain and rule of each: hosts reach the outside under the outer machine's address."""
    name = ("-m", "comment", "--comment", f"fairlead-lab-{lab.ident}")
    subnet = str(lab.subnet)
    return [
        # only what leaves the bridge: where the outer machine filters bridged frames, its rules see those too
        ("nat", "POSTROUTING", ("-s", subnet, "!", "-o", lab.bridge, *name, "-j", "MASQUERADE")),
        ("filter", "FORWARD", ("-i", lab.bridge, *name, "-j", "ACCEPT")),
        ("filter", "FORWARD", ("-o", lab.bridge, *name, "-j", "ACCEPT")),
    ]


def _hardware_address(lab: layout.Lab) -> str:
    """A locally administered address that the lab's name determines."""
    digits = f"{int(lab.ident, 16):010x}"
    return "02:" + ":".join(digits[i : i + 2] for i in range(0, 10, 2))
