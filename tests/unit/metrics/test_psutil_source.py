"""The host's figures: rates from two samples, and what this machine itself shows."""

from __future__ import annotations

import dataclasses
import pathlib
import time

import pytest

from fairlead.api.pb import metrics_pb2
from node.metrics import psutil_source
from node.metrics.psutil_source import DiskSample, NetworkSample, Sample
from node.network import kernel

BEFORE = Sample(
    moment=100.0,
    cores=4,
    busy_seconds=1000.0,
    load=(0.5, 0.25, 0.125),
    memory_total=8_000,
    memory_available=6_000,
    working_set=1_500,
    swap_total=100,
    swap_used=10,
    disks={"/": DiskSample(1000, 400, 600, read=5_000, written=7_000)},
    networks={"eth0": NetworkSample(10_000, 20_000, 1)},
)


def reported(before: Sample, after: Sample) -> metrics_pb2.NodeMetrics:
    """Return the report of two samples."""
    report = metrics_pb2.NodeMetrics()
    psutil_source.report(before, after, report)
    return report


def test_rates_are_per_second_of_the_window() -> None:
    """Ten seconds, fifteen of processor time and some bytes make cores and bytes per second."""
    after = dataclasses.replace(
        BEFORE,
        moment=110.0,
        busy_seconds=1015.0,
        disks={"/": DiskSample(1000, 450, 550, read=6_000, written=9_000)},
        networks={"eth0": NetworkSample(15_000, 20_500, 3)},
    )

    got = reported(BEFORE, after)

    assert got == metrics_pb2.NodeMetrics(
        window_seconds=10.0,
        cpu=metrics_pb2.Cpu(cores=4, used_cores=1.5, load1=0.5, load5=0.25, load15=0.125),
        memory=metrics_pb2.Memory(total=8_000, available=6_000, working_set=1_500, swap_total=100, swap_used=10),
        disks=[metrics_pb2.Disk(mount="/", total=1000, used=450, available=550, read_rate=100.0, write_rate=200.0)],
        networks=[metrics_pb2.Network(interface="eth0", receive_rate=500.0, transmit_rate=50.0, errors=3)],
    )


def test_one_sample_has_no_rates() -> None:
    """Without time between two samples nothing is divided by it."""
    got = reported(BEFORE, BEFORE)

    assert (got.window_seconds, got.cpu.used_cores, got.disks[0].read_rate) == (0.0, 0.0, 0.0)
    assert got.memory.total == 8_000


def test_new_and_reset_counters_count_as_no_traffic() -> None:
    """A disk that was just mounted and an interface that was made anew show no burst, never a negative one."""
    after = dataclasses.replace(
        BEFORE,
        moment=110.0,
        disks={"/data": DiskSample(1, 0, 1, read=1 << 40)},
        networks={"eth0": NetworkSample(5, 5, 0)},
    )

    got = reported(BEFORE, after)

    assert [(disk.mount, disk.read_rate) for disk in got.disks] == [("/data", 0.0)]
    assert (got.networks[0].receive_rate, got.networks[0].transmit_rate) == (0.0, 0.0)


def test_used_cores_never_exceed_the_cores() -> None:
    """Counters tick coarsely; a short window must not show a fifth core of four."""
    after = dataclasses.replace(BEFORE, moment=100.1, busy_seconds=1000.6)

    assert reported(BEFORE, after).cpu.used_cores == 4.0


def test_this_machine_is_read() -> None:
    """Busy time, memory and the root file system of the machine that runs the test are plausible."""
    before = psutil_source.read(time.monotonic())
    spun_until = time.process_time() + 0.1
    while time.process_time() < spun_until:
        pass

    after = psutil_source.read(time.monotonic())

    assert after.busy_seconds > before.busy_seconds
    assert 0 < after.working_set < after.memory_total
    assert 0 < after.memory_available <= after.memory_total
    assert after.disks["/"].total > 0
    assert "lo" not in after.networks


def test_file_cache_that_can_go_is_no_working_set(tmp_path: pathlib.Path) -> None:
    """The working set leaves out Inactive(file); where the kernel does not tell it, nothing is left out."""
    meminfo = tmp_path / "meminfo"

    meminfo.write_text(f"MemFree: 1 kB\nInactive(file):  {1 << 40} kB\n")
    all_cache = psutil_source.read(0.0, proc=tmp_path)
    meminfo.write_text("MemFree: 1 kB\n")
    none_told = psutil_source.read(0.0, proc=tmp_path)

    assert all_cache.working_set == 0
    assert none_told.working_set > 0


@pytest.mark.parametrize(
    ("name", "is_network"),
    [("eth0", True), ("flannel.1", True), ("lo", False), ("veth1a", False), (kernel.link_name("0a1b2c3d"), False)],
)
def test_pods_ends_are_no_networks_of_the_host(name: str, is_network: bool) -> None:
    """Each pod would otherwise be a line in its node's report."""
    assert (psutil_source.IGNORED_INTERFACES.fullmatch(name) is None) == is_network
