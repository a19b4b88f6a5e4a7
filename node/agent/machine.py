"""A look at the machine: what it is, and what is left of it."""

from __future__ import annotations

import os
import pathlib
import platform

import psutil

from node.agent import conditions, register
from node.agent import config as configs

_CAP_SYS_RESOURCE = 24
_MIN_OOM_SCORE = -1000


def gather(config: configs.Config, *, gpus: int = 0) -> register.Facts:
    """Look at the machine; what the runtime is, is not known yet."""
    root = pathlib.Path(config.rootDir)
    while not root.exists():
        root = root.parent
    return register.Facts(
        hostname=platform.node(),
        cores=psutil.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        storage=psutil.disk_usage(str(root)).total,
        gpus=gpus,
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        machine=platform.machine(),
    )


def lowest_oom_score() -> int:
    """Return how low root may set a process' oom_score_adj here (proc(5)).

    Without CAP_SYS_RESOURCE, as in many a machine that is itself a container, it is not lower than one's own.
    """
    held = next(line.split()[1] for line in _text("/proc/self/status").splitlines() if line.startswith("CapEff:"))
    if int(held, 16) >> _CAP_SYS_RESOURCE & 1:
        return _MIN_OOM_SCORE
    return int(_text("/proc/self/oom_score_adj"))


def left(root: str) -> conditions.Pressures:
    """Return what is left of memory, and of the disk that `root` lies on."""
    disk = psutil.disk_usage(root)
    fraction = 1.0 - disk.used / max(disk.used + disk.free, 1)
    return conditions.Pressures(psutil.virtual_memory().available, fraction)


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return platform.system()


def _text(path: str) -> str:
    """Return a small file's text; empty where it may not or cannot be read."""
    if not os.access(path, os.R_OK):
        return ""
    return pathlib.Path(path).read_text().strip()
