"""What the machine offers, what a lab would change on it, and whether that can work.

`look` does the I/O and gives Facts; `judge` is pure. Looking takes well under three seconds.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import platform
import shutil
from pathlib import Path

from labkit import base as bases
from labkit import cgroups, images, layout, network, shell, venvs

# program -> Debian package that has it
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "iptables": "iptables",
    "openssl": "openssl",
    "nsenter": "util-linux",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
VENV_PACKAGE = "python3-venv"
DEFAULT_SHAPE = layout.Shape(controls=3, nodes=3)
SMALL_SHAPE = layout.Shape(controls=1, nodes=2)
SMALL_MEMORY = 6_000_000_000
MEMORY_PER_HOST = 250_000_000
DISK_PER_HOST = 300_000_000
DISK_TO_MAKE = 2_500_000_000
APT_SECONDS = 20
BOOT_SECONDS = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What was found."""

    system: str
    kernel: str
    is_linux: bool
    has_apt: bool
    is_root: bool
    missing_features: tuple[str, ...]
    cgroup_mode: str
    memory: int
    memory_free: int
    disk_free: int
    has_way_out: bool
    iptables: str
    networks: tuple[ipaddress.IPv4Network, ...]
    packages: tuple[str, ...]
    has_base: bool
    has_venvs: bool
    has_images: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What follows: lines for the person, what stands in the way, and the lab that will be made."""

    lines: tuple[str, ...]
    obstacles: tuple[str, ...]
    shape: layout.Shape
    subnet: ipaddress.IPv4Network | None


def look(checkout: Path) -> Facts:
    """Find out about the machine without changing it."""
    is_linux = platform.system() == "Linux"
    release = platform.freedesktop_os_release() if is_linux else {}
    memory = _memory() if is_linux else {}
    has_ip = shutil.which("ip", path=_path()) is not None
    return Facts(
        system=release.get("PRETTY_NAME", platform.platform()),
        kernel=platform.release(),
        is_linux=is_linux,
        has_apt=shutil.which("apt-get") is not None,
        is_root=os.geteuid() == 0,
        missing_features=_missing_features() if is_linux else (),
        cgroup_mode=cgroups.mode() if is_linux else "none",
        memory=memory.get("MemTotal", 0),
        memory_free=memory.get("MemAvailable", 0),
        disk_free=shutil.disk_usage(checkout).free,
        has_way_out=has_ip and network.has_way_out(),
        iptables=_iptables_flavour(),
        networks=tuple(network.subnets_in_use(f"fl{layout.ident(checkout)}")) if has_ip else (),
        packages=missing_packages(),
        has_base=bases.path().is_dir(),
        has_venvs=venvs.outer_is_ready(checkout) and venvs.hosts_path(checkout).is_dir(),
        has_images=images.path(checkout).is_dir(),
    )


def judge(checkout: Path, facts: Facts, controls: int | None, nodes: int | None) -> Verdict:
    """Decide whether and which lab can be made; `controls` and `nodes` are what the person asked for."""
    shape, why = choose_shape(facts.memory, controls, nodes)
    try:
        subnet: ipaddress.IPv4Network | None = layout.choose_subnet(checkout, facts.networks)
    except ValueError:
        subnet = None
    hosts = shape.controls + shape.nodes
    disk = DISK_PER_HOST * hosts + (0 if facts.has_base and facts.has_venvs else DISK_TO_MAKE)
    lines = (
        f"system     {facts.system}, Linux {facts.kernel}, {'root' if facts.is_root else 'not root'}",
        f"cgroups    {facts.cgroup_mode}",
        f"memory     {_size(facts.memory)}, {_size(facts.memory_free)} available, "
        f"about {_size(hosts * MEMORY_PER_HOST)} wanted",
        f"disk       {_size(facts.disk_free)} free, about {_size(disk)} wanted",
        f"network    {'has a way out' if facts.has_way_out else 'none outside this machine'}",
        f"iptables   {facts.iptables}",
        f"subnet     {subnet} for the hosts, in conflict with nothing here" if subnet else "subnet     none is free",
        f"hosts      {shape}{why}",
        f"to do      {'; '.join(_work(facts))}",
    )
    return Verdict(lines=lines, obstacles=tuple(_obstacles(facts, disk, subnet)), shape=shape, subnet=subnet)


def choose_shape(memory: int, controls: int | None, nodes: int | None) -> tuple[layout.Shape, str]:
    """The number of hosts, and why if it is not what one would expect."""
    default, why = DEFAULT_SHAPE, ""
    if memory < SMALL_MEMORY:
        default = SMALL_SHAPE
        if controls is None or nodes is None:
            why = f" (fewer than usual: this machine has less than {_size(SMALL_MEMORY)} of memory)"
    shape = layout.Shape(
        controls=default.controls if controls is None else controls,
        nodes=default.nodes if nodes is None else nodes,
    )
    return shape, why


def missing_packages() -> tuple[str, ...]:
    """The packages that the outer machine needs and does not have."""
    missing = {package for program, package in TOOLS.items() if shutil.which(program, path=_path()) is None}
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    try:
        import ensurepip  # noqa: F401  (Debian leaves it out of python3)
    except ImportError:
        missing.add(VENV_PACKAGE)
    return tuple(sorted(missing))


def _obstacles(facts: Facts, disk: int, subnet: ipaddress.IPv4Network | None) -> list[str]:
    """What makes a lab impossible here, each with what would help."""
    if not facts.is_linux:
        return [f"{facts.system} is not Linux"]
    found = []
    if not facts.has_apt:
        found.append(
            "there is no apt-get: the lab installs Debian's packages (it runs on Debian 12 and its relatives)"
        )
    if not facts.is_root:
        found.append("this is not root: run it with sudo")
    found += [f"the kernel lacks {feature}" for feature in facts.missing_features]
    if facts.disk_free < disk:
        found.append(f"the disk has {_size(facts.disk_free)} free and {_size(disk)} are wanted")
    if subnet is None:
        found.append("no /24 of 10.192.0.0/11 is free for the hosts")
    needed = bool(facts.packages) or not (facts.has_base and facts.has_venvs)
    if needed and not facts.has_way_out:
        found.append("there is no network, and the first run fetches packages")
    return found


def _work(facts: Facts) -> list[str]:
    """What will be installed and made, and how long it takes."""
    steps, seconds = [], BOOT_SECONDS
    if facts.packages:
        steps.append(f"install {', '.join(facts.packages)} (about {APT_SECONDS} s)")
        seconds += APT_SECONDS
    if not facts.has_base:
        steps.append(f"make the hosts' root filesystem, {bases.MEGABYTES} MB (about {bases.SECONDS} s)")
        seconds += bases.SECONDS
    if not facts.has_venvs:
        steps.append(f"install Fairlead's Python packages (about {venvs.SECONDS} s)")
        seconds += venvs.SECONDS
    if not facts.has_images:
        steps.append("build the example's image")
    steps.append(f"boot and start the cluster (about {BOOT_SECONDS} s)")
    return [*steps, f"{seconds} s in all"] if len(steps) > 1 else steps


def _missing_features() -> tuple[str, ...]:
    """What the kernel must have and does not show."""
    filesystems = Path("/proc/filesystems").read_text().split()
    missing = []
    if "overlay" not in filesystems and not shell.succeeds(("modprobe", "overlay")):
        missing.append("overlayfs")
    for namespace in ("net", "pid", "mnt", "uts", "ipc", "cgroup"):
        if not Path(f"/proc/self/ns/{namespace}").exists():
            missing.append(f"{namespace} namespaces")
    if not Path("/dev/fuse").exists():
        missing.append("/dev/fuse (modprobe fuse)")
    if not cgroups.ROOT.is_dir() or not any(cgroups.ROOT.iterdir()):
        missing.append("mounted control groups")
    return tuple(missing)


def _iptables_flavour() -> str:
    """iptables as installed: nf_tables or legacy."""
    if shutil.which("iptables", path=_path()) is None:
        return "not installed"
    return shell.run(("iptables", "--version")).strip()


def _memory() -> dict[str, int]:
    """Bytes by name, from the kernel's table."""
    table = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        table[name] = int(rest.split()[0]) * 1024
    return table


def _path() -> str:
    """Where programs for root lie, whoever asks."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB"
