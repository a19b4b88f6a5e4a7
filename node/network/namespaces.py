"""Linux namespaces: made by a thread that then ends, pinned by bind mounts, entered by threads.

Python 3.11 has neither `unshare` nor `setns`, hence ctypes. A namespace belongs to a thread: work that needs another
runs in a thread of its own, so that no other task of the program ever finds itself in the wrong one.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from node import mounts

T = TypeVar("T")

NET, IPC, UTS = "net", "ipc", "uts"
# More mounts than this never lie over each other at one path.
_STACKED = 8
_CLONE_FLAGS = {NET: 0x40000000, IPC: 0x08000000, UTS: 0x04000000}
_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


def make(pins: Mapping[str, pathlib.Path], work: Callable[[], None]) -> None:
    """Make a namespace of each kind that `pins` names, run `work` inside them, and pin each to its path.

    Nothing is pinned where `work` raises. The paths' folder must exist.
    """

    def inside() -> None:
        flags = 0
        for kind in pins:
            flags |= _CLONE_FLAGS[kind]
        _check(_libc.unshare(flags), "unshare")
        work()
        for kind, pin in pins.items():
            pin.touch()
            source = f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/{kind}"
            mounts.bind(source, pin)

    _in_thread(inside)


def within(net: pathlib.Path, work: Callable[[], T]) -> T:
    """Run `work` inside a pinned network namespace."""

    def inside() -> T:
        file = os.open(net, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(file, _CLONE_FLAGS[NET]), f"setns {net}")
        finally:
            os.close(file)
        return work()

    return _in_thread(inside)


def unpin(pin: pathlib.Path) -> None:
    """Release a namespace: it ends with the last process inside. A path that is no pin is only removed."""
    for _ in range(_STACKED):
        if not is_pinned(pin):
            break
        mounts.unmount(pin)
    pin.unlink(missing_ok=True)


def is_pinned(pin: pathlib.Path) -> bool:
    """Tell whether something is mounted at a path."""
    try:
        return pin.stat().st_dev != pin.parent.stat().st_dev
    except FileNotFoundError:
        return False


def set_names(hostname: str, domain: str) -> None:
    """Set host and domain name of the calling thread's UTS namespace."""
    host, own_domain = hostname.encode(), domain.encode()
    _check(_libc.sethostname(host, len(host)), "sethostname")
    if own_domain:
        _check(_libc.setdomainname(own_domain, len(own_domain)), "setdomainname")


def set_sysctl(name: str, value: str) -> None:
    """Set a kernel parameter of the calling thread's namespaces."""
    path = pathlib.Path("/proc/sys", *name.split("."))
    path.write_text(value)


def set_own_sysctls(pairs: Sequence[tuple[str, str]]) -> None:
    """Set kernel parameters of the calling thread's namespaces, also where the machine's /proc/sys cannot be written.

    A thread that begins in the caller's namespaces sees them in a /proc of its own.
    """

    def inside() -> None:
        _check(_libc.unshare(_CLONE_NEWNS), "unshare")
        mounts.own_processes()
        for name, value in pairs:
            set_sysctl(name, value)

    _in_thread(inside)


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=body, name="namespace", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _check(outcome: int, what: str) -> None:
    if outcome != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
