"""What a lab leaves on the machine: nothing, however it ends, and nothing in the way of another lab.

These tests bring up a lab of a second checkout beside the first, look, and take it down.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit import cgroups, layout, network
from tests.support import lab as labs

# what a checkout has that a lab needs
PARTS = ("deploy", "fairlead", "control", "node", "proto", "pyproject.toml", "setup.py", "README.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """Another checkout of the same code, whose lab is taken down whatever happens."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for part in PARTS:
        source = labs.CHECKOUT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / part)
    (folder / ".venv").symlink_to(labs.CHECKOUT / ".venv")
    yield folder
    subprocess.run([folder / "deploy" / "lab", "down"], stdin=subprocess.DEVNULL, capture_output=True, check=True)


def machine_state() -> dict[str, object]:
    """All that a lab could leave behind: processes of ours, links, routes, rules, mounts, control groups."""

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    links = sorted(str(link["ifname"]) for link in json.loads(said("ip", "-json", "link")))
    rules = [line for line in said("iptables-save").splitlines() if line.startswith("-A")]
    processes = [line for line in said("ps", "-eo", "args").splitlines() if "systemd-nspawn" in line]
    groups = [str(g) for h in cgroups.hierarchies() for g in h.glob("fairlead-lab-*")]
    return {
        "links": links,
        "routes": said("ip", "route").splitlines(),
        "rules": rules,
        "processes": sorted(processes),
        "namespaces": len(said("lsns", "--noheadings", "--output", "NS").splitlines()),
        "mounts": Path("/proc/self/mounts").read_text().splitlines(),
        "groups": sorted(groups),
        "forwarding": network.IP_FORWARD.read_text(),
    }


def differences(before: dict[str, object]) -> str:
    """What is not as it was; '' if nothing."""
    now = machine_state()
    return "; ".join(f"{key}: {before[key]} became {now[key]}" for key in before if before[key] != now[key])


def up(checkout: Path) -> subprocess.Popen[str]:
    """Start `deploy/lab up` for a small lab without the example."""
    return subprocess.Popen(
        [checkout / "deploy" / "lab", "up", "--controls", "1", "--nodes", "1", "--no-example"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def test_two_checkouts_have_a_lab_each_and_down_leaves_nothing(lab: labs.Lab, checkout: Path) -> None:
    """The second lab works beside the first, and after its `down` the machine is as it was."""
    before = machine_state()

    process = up(checkout)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    other = layout.load(checkout)
    assert other is not None
    assert not other.subnet.overlaps(lab.layout.subnet)
    subprocess.run([checkout / "deploy" / "lab", "down"], stdin=subprocess.DEVNULL, capture_output=True, check=True)

    labs.wait_until(lambda: differences(before), 10.0)
    assert not (checkout / ".lab").exists()
    assert lab.run(lab.nodes[0], "hostname").strip() == lab.nodes[0]


@pytest.mark.parametrize("moment", ["hosts      ", "hosts booted", "control hosts provisioned"])
def test_an_interrupted_up_leaves_what_down_would(lab: labs.Lab, checkout: Path, moment: str) -> None:
    """Ctrl-C at any moment takes down what was brought up so far."""
    before = machine_state()
    process = up(checkout)
    assert process.stdout is not None
    seen = next((line for line in process.stdout if moment in line), None)
    assert seen is not None, f"up never came to {moment!r}"
    time.sleep(0.5)  # into the middle of the next step

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 130
    labs.wait_until(lambda: differences(before), 10.0)
    assert not (checkout / ".lab").exists()


def test_what_a_lab_left_whose_processes_died_is_cleaned_up(lab: labs.Lab, checkout: Path) -> None:
    """After a crash that killed the keepers, `down` finds links, rules and groups by the lab's name."""
    before = machine_state()
    process = up(checkout)
    process.communicate(timeout=180)
    other = layout.load(checkout)
    assert other is not None
    for host in other.hosts:
        keeper = int((other.host_folder(host) / "keeper").read_text().split()[0])
        os.kill(keeper, signal.SIGKILL)

    done = subprocess.run(
        [checkout / "deploy" / "lab", "down"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    labs.wait_until(lambda: differences(before), 10.0)
