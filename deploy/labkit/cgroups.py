"""Control groups of the outer machine: one for each host of the lab, in every hierarchy.

A machine that systemd runs gives each host a scope and needs none of this. Elsewhere (a container, a minimal
init) a host needs a group of its own in each hierarchy before systemd-nspawn starts, or its systemd would
manage the outer machine's processes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from labkit import layout

ROOT = Path("/sys/fs/cgroup")
EMPTYING_SECONDS = 10.0


def unified() -> bool:
    """Tell whether the machine has the one hierarchy of cgroup v2."""
    return (ROOT / "cgroup.controllers").exists()


def has_systemd() -> bool:
    """Tell whether systemd runs the outer machine."""
    return Path("/run/systemd/system").is_dir()


def mode() -> str:
    """What the preflight report says of control groups."""
    kind = "v2" if unified() else "v1 (hybrid)" if (ROOT / "unified").is_dir() else "v1"
    return f"{kind}, {'systemd' if has_systemd() else 'no systemd'}"


def hierarchies() -> list[Path]:
    """The mount point of each hierarchy."""
    if unified():
        return [ROOT]
    return sorted(path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink())


def _group(hierarchy: Path, lab: layout.Lab, host: layout.Host | None = None) -> Path:
    """A lab's group in a hierarchy, or one host's below it."""
    group = hierarchy / f"fairlead-lab-{lab.ident}"
    return group / host.name if host else group


def make(lab: layout.Lab, host: layout.Host) -> list[Path]:
    """Make a host's groups, empty and usable, and return them."""
    groups = []
    for hierarchy in hierarchies():
        group = _group(hierarchy, lab, host)
        _remove_tree(group)
        group.mkdir(parents=True)
        for level in (group.parent, group):
            for setting in ("cpuset.cpus", "cpuset.mems"):  # version 1 starts with none allowed
                if not unified() and (level / setting).exists():
                    (level / setting).write_text((level.parent / setting).read_text())
        if unified():
            for level in (hierarchy, group.parent):
                offered = (level / "cgroup.controllers").read_text().split()
                with contextlib.suppress(OSError):  # a controller that the outer container keeps for itself
                    (level / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in offered))
        groups.append(group)
    return groups


def remove(lab: layout.Lab, host: layout.Host | None = None) -> None:
    """Kill what still runs in the groups of a host, or of the whole lab, and remove them."""
    for hierarchy in hierarchies():
        _remove_tree(_group(hierarchy, lab, host))


def remaining(lab: layout.Lab) -> list[Path]:
    """The lab's groups that exist."""
    return [group for hierarchy in hierarchies() if (group := _group(hierarchy, lab)).exists()]


def _remove_tree(top: Path) -> None:
    """Empty a group and those below it, then remove them from the leaves up."""
    deadline = time.monotonic() + EMPTYING_SECONDS
    while top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                pids = (Path(folder) / "cgroup.procs").read_text().split()
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                Path(folder).rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.02 if top.exists() else 0)


def of_process(pid: int) -> list[Path]:
    """The groups that a process is in, one a hierarchy."""
    groups = []
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        mount = ROOT if unified() else ROOT / (controllers.removeprefix("name=") or "unified")
        if (mount / group.lstrip("/") / "cgroup.procs").exists():
            groups.append(mount / group.lstrip("/"))
    return groups
