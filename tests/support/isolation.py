"""A network of a test's own, and a folder for pinned namespaces that leaves nothing behind.

The calling thread, and every thread that it starts meanwhile, moves to a fresh network namespace: rules, routes and
devices that a test makes end with it. Wants root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from node import mounts

NODE_ADDRESS = "192.0.2.1"
_CLONE_NEWNET = 0x40000000
_PREFIX = "fairlead-node-test-"


@contextlib.contextmanager
def private_network() -> Iterator[None]:
    """Be alone: a loopback, and an uplink with NODE_ADDRESS whose other end nobody holds."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare: a test of the network needs root")
    try:
        for command in (
            "link set lo up",
            "link add uplink type veth peer name wire",
            "link set wire up",
            f"addr add {NODE_ADDRESS}/24 dev uplink",
            "link set uplink up",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        yield
    finally:
        libc.setns(before, _CLONE_NEWNET)
        os.close(before)


@contextlib.contextmanager
def folder() -> Iterator[pathlib.Path]:
    """Give a folder whose mounts end with the test; what tests that were killed left in theirs is removed first."""
    base = pathlib.Path(tempfile.gettempdir())
    for left in base.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not pathlib.Path("/proc", pid).exists():
            _release(left)
    made = pathlib.Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    try:
        yield made
    finally:
        _release(made)


@contextlib.contextmanager
def pins() -> Iterator[pathlib.Path]:
    """Give a folder for pinned namespaces."""
    with folder() as made:
        yield made / "ns"


def _release(made: pathlib.Path) -> None:
    for point in mounts.below(made):
        mounts.unmount(point)
    shutil.rmtree(made)
