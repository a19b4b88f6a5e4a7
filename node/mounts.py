"""Mounts of the node, by the kernel's own calls (ctypes): pins of namespaces and pods' memory volumes."""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib

_BIND, _RECURSIVE, _PRIVATE, _SHARED, _DETACH = 0x1000, 0x4000, 0x40000, 0x100000, 2
_libc = ctypes.CDLL(None, use_errno=True)


def bind(source: str, target: pathlib.Path) -> None:
    """Show a file or folder at another path, too."""
    _mount(source, target, None, _BIND, None)


def memory(target: pathlib.Path, *, size: int = 0, mode: int = 0o755) -> None:
    """Mount a file system in memory; `size` in bytes, 0 for half of the machine's memory."""
    options = f"mode={mode:04o}" + (f",size={size}" if size else "")
    _mount("tmpfs", target, "tmpfs", 0, options)


def own_processes() -> None:
    """Mount a fresh /proc; the calling thread must have a mount namespace of its own, which nobody else then sees."""
    _mount(None, pathlib.Path("/"), None, _RECURSIVE | _PRIVATE, None)
    _mount("proc", pathlib.Path("/proc"), "proc", 0, None)


def share(folder: pathlib.Path) -> None:
    """Make a folder whose later mounts reach the mount namespaces that were copied from this one, Podman's say.

    Where systemd is, everything is shared already; a second mount on the same would only show each pin twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_shared(folder):
        bind(str(folder), folder)
        _mount(None, folder, None, _SHARED, None)


def is_mounted(path: pathlib.Path) -> bool:
    """Tell whether a path is a mount point; `os.path.ismount` overlooks a folder that is bound to itself."""
    return str(path) in _points()


def below(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the mount points under a folder, the deepest first."""
    prefix = f"{folder}/"
    return [pathlib.Path(point) for point in sorted(_points(), reverse=True) if point.startswith(prefix)]


def unmount(path: pathlib.Path) -> None:
    """Take the uppermost mount away from a path; who still uses it keeps it. One that is gone is no error."""
    if _libc.umount2(str(path).encode(), _DETACH) != 0 and ctypes.get_errno() not in (errno.EINVAL, errno.ENOENT):
        _fail(f"umount {path}")


def _is_shared(folder: pathlib.Path) -> bool:
    """Tell whether the mount that a folder lies on is shared (proc(5): `shared:` among the optional fields)."""
    best, shared = -1, False
    for fields in _mounts():
        point = _point(fields)
        if (folder.is_relative_to(point)) and len(point) >= best:
            best, shared = len(point), any(one.startswith("shared:") for one in fields[6:])
    return shared


def _points() -> list[str]:
    return [_point(fields) for fields in _mounts()]


def _point(fields: list[str]) -> str:
    return fields[4].replace("\\040", " ")


def _mounts() -> list[list[str]]:
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.partition(" - ")[0].split(" ") for line in lines]


def _mount(source: str | None, target: pathlib.Path, kind: str | None, flags: int, options: str | None) -> None:
    arguments = [text.encode() if text is not None else None for text in (source, str(target), kind)]
    if _libc.mount(*arguments, flags, options.encode() if options else None) != 0:
        _fail(f"mount {target}")


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
