"""What a lab leaves on the machine: nothing, however it ends, and nothing in the way of another lab.

These tests bring up a lab of a second checkout beside the first, look, and take it down.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit import cgroups, layout, machines
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


def namespaces_of(checkout: Path) -> set[str]:
    """The namespaces of the checkout's lab's hosts."""
    lab = layout.load(checkout)
    assert lab is not None
    found = set()
    for host in lab.hosts:
        pid = machines.leader(lab, host)
        if pid is not None:
            found |= {os.readlink(path) for path in Path(f"/proc/{pid}/ns").iterdir()}
    outer = {os.readlink(path) for path in Path("/proc/self/ns").iterdir()}
    return {name.partition("[")[2].rstrip("]") for name in found - outer}


def leftovers(checkout: Path, namespaces: set[str]) -> str:
    """What of a checkout's lab is on the machine: everything it makes has its name or its path; '' if nothing."""

    def said(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    name = f"fl{layout.ident(checkout)}"
    rule = f"fairlead-lab-{layout.ident(checkout)}"
    found = [line for line in said("ip", "-brief", "link") + said("ip", "route") if name in line]
    found += [line for line in said("iptables-save") if rule in line]
    found += [
        line for line in said("ps", "-eo", "args") if name in line or ("/.lab/" in line and str(checkout) in line)
    ]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(checkout) in line]
    found += [str(group) for hierarchy in cgroups.hierarchies() for group in hierarchy.glob(rule)]
    found += sorted(namespaces & {line.strip() for line in said("lsns", "--noheadings", "--output", "NS")})
    found += [str(folder) for folder in [checkout / ".lab"] if folder.exists()]
    return "; ".join(found)


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
    process = up(checkout)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    other = layout.load(checkout)
    assert other is not None
    assert not other.subnet.overlaps(lab.layout.subnet)
    namespaces = namespaces_of(checkout)
    assert len(namespaces) >= 2 * 6
    assert other.bridge in leftovers(checkout, namespaces)
    subprocess.run([checkout / "deploy" / "lab", "down"], stdin=subprocess.DEVNULL, capture_output=True, check=True)

    labs.wait_until(lambda: leftovers(checkout, namespaces), 10.0)
    assert lab.run(lab.nodes[0], "hostname").strip() == lab.nodes[0]


@pytest.mark.parametrize("moment", ["hosts      ", "hosts booted", "control hosts provisioned"])
def test_an_interrupted_up_leaves_what_down_would(lab: labs.Lab, checkout: Path, moment: str) -> None:
    """Ctrl-C at any moment takes down what was brought up so far."""
    started = time.monotonic()
    process = up(checkout)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert time.monotonic() - started < 3.0, "what was found must be told within 3 s"
    assert first.startswith("system     ")
    seen = next((line for line in process.stdout if moment in line), None)
    assert seen is not None, f"up never came to {moment!r}"
    time.sleep(0.5)  # into the middle of the next step

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 130
    labs.wait_until(lambda: leftovers(checkout, set()), 10.0)


def test_what_a_lab_left_whose_processes_died_is_cleaned_up(lab: labs.Lab, checkout: Path) -> None:
    """After a crash that killed the keepers, `down` finds links, rules and groups by the lab's name."""
    process = up(checkout)
    process.communicate(timeout=180)
    other = layout.load(checkout)
    assert other is not None
    namespaces = namespaces_of(checkout)
    for host in other.hosts:
        keeper = int((other.host_folder(host) / "keeper").read_text().split()[0])
        os.kill(keeper, signal.SIGKILL)

    done = subprocess.run(
        [checkout / "deploy" / "lab", "down"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    labs.wait_until(lambda: leftovers(checkout, namespaces), 10.0)
