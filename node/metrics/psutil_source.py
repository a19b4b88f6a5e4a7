"""The host's own figures, read through psutil: processors, memory, disks, network, load.

Called by the collector, in a thread. A rate is made of two samples and the monotonic time between them, by a pure
function; the counters of a device that came or was reset meanwhile count as no traffic.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from fairlead.api.pb import metrics_pb2

IGNORED_INTERFACES = re.compile(r"lo|veth.*|ifb.*|fl[0-9a-f]{12}")
"""Names of interfaces that are no network of the host: the loopback, and containers' and pods' ends."""

IGNORED_FILESYSTEMS = frozenset({"squashfs", "iso9660", "erofs"})
"""Images: full by nature."""


@dataclass(frozen=True, slots=True)
class DiskSample:
    """A mounted file system: bytes, and the bytes its device has moved since boot."""

    total: int
    used: int
    available: int
    read: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class NetworkSample:
    """An interface's bytes since boot, and its packets dropped or in error."""

    received: int
    transmitted: int
    errors: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What the host's counters show at one moment of the monotonic clock."""

    moment: float
    cores: int
    busy_seconds: float
    load: tuple[float, float, float]
    memory_total: int
    memory_available: int
    working_set: int
    swap_total: int
    swap_used: int
    disks: Mapping[str, DiskSample] = field(default_factory=dict)
    networks: Mapping[str, NetworkSample] = field(default_factory=dict)


def read(moment: float, *, proc: pathlib.Path = pathlib.Path("/proc")) -> Sample:
    """Read every counter now; blocks for as long as the kernel takes."""
    times = psutil.cpu_times()
    # What a guest uses is counted as user time too.
    busy = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return Sample(
        moment=moment,
        cores=psutil.cpu_count() or 1,
        busy_seconds=busy,
        load=os.getloadavg(),
        memory_total=memory.total,
        memory_available=memory.available,
        working_set=max(memory.total - memory.free - _inactive_file(proc), 0),
        swap_total=swap.total,
        swap_used=swap.used,
        disks=_disks(),
        networks=_networks(),
    )


def report(before: Sample, after: Sample, into: metrics_pb2.NodeMetrics) -> None:
    """Fill in the host's part of a report, with rates over the time between two samples."""
    window = max(after.moment - before.moment, 0.0)
    into.window_seconds = window
    used = _rate(before.busy_seconds, after.busy_seconds, window)
    load1, load5, load15 = after.load
    into.cpu.CopyFrom(
        metrics_pb2.Cpu(
            cores=after.cores,
            used_cores=min(used, float(after.cores)),
            load1=load1,
            load5=load5,
            load15=load15,
        )
    )
    into.memory.CopyFrom(
        metrics_pb2.Memory(
            total=after.memory_total,
            available=after.memory_available,
            working_set=after.working_set,
            swap_total=after.swap_total,
            swap_used=after.swap_used,
        )
    )
    for mount, disk in sorted(after.disks.items()):
        earlier = before.disks.get(mount, disk)
        into.disks.add(
            mount=mount,
            total=disk.total,
            used=disk.used,
            available=disk.available,
            read_rate=_rate(earlier.read, disk.read, window),
            write_rate=_rate(earlier.written, disk.written, window),
        )
    for interface, network in sorted(after.networks.items()):
        known = before.networks.get(interface, network)
        into.networks.add(
            interface=interface,
            receive_rate=_rate(known.received, network.received, window),
            transmit_rate=_rate(known.transmitted, network.transmitted, window),
            errors=network.errors,
        )


def _rate(before: float, after: float, window: float) -> float:
    return max(after - before, 0.0) / window if window > 0 else 0.0


def _inactive_file(proc: pathlib.Path) -> int:
    """Return the bytes of file cache that are the first to be reclaimed; Kubernetes does not count them."""
    for line in (proc / "meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "Inactive(file)":
            return int(rest.split()[0]) * 1024
    return 0


def _disks() -> dict[str, DiskSample]:
    """Return the root file system and each block device that is mounted, once, at its shortest path."""
    counters = psutil.disk_io_counters(perdisk=True) or {}
    mounts: dict[str, str] = {}
    root = ""
    for part in psutil.disk_partitions(all=False):
        if part.fstype in IGNORED_FILESYSTEMS or not os.path.isdir(part.mountpoint):
            continue
        if part.mountpoint == "/":
            root = part.device
        if part.device not in mounts or len(part.mountpoint) < len(mounts[part.device]):
            mounts[part.device] = part.mountpoint
    if not root:
        mounts[""] = "/"
    found: dict[str, DiskSample] = {}
    for device, mount in mounts.items():
        try:
            usage = psutil.disk_usage(mount)
        except OSError:
            continue  # it was unmounted meanwhile, or is not ours to look at
        moved = counters.get(os.path.basename(os.path.realpath(device))) if device else None
        found[mount] = DiskSample(
            total=usage.total,
            used=usage.used,
            available=usage.free,
            read=moved.read_bytes if moved else 0,
            written=moved.write_bytes if moved else 0,
        )
    return found


def _networks() -> dict[str, NetworkSample]:
    return {
        name: NetworkSample(
            received=one.bytes_recv,
            transmitted=one.bytes_sent,
            errors=one.errin + one.errout + one.dropin + one.dropout,
        )
        for name, one in psutil.net_io_counters(pernic=True).items()
        if not IGNORED_INTERFACES.fullmatch(name)
    }
