"""Kernel settings of the outer machine that labs need: raised with the first lab, put back with the last."""

from __future__ import annotations

import json
from pathlib import Path

from labkit import layout

# each host has six watchers of its own, and Linux's default is 128 for all of one user's processes
LEAST = {
    Path("/proc/sys/net/ipv4/ip_forward"): 1,
    Path("/proc/sys/fs/inotify/max_user_instances"): 2048,
}


def _record() -> Path:
    return layout.CACHE / "settings-before.json"


def raise_all() -> None:
    """Raise each setting that is too low, noting what it was."""
    with_before = _load()
    for path, least in LEAST.items():
        found = int(path.read_text())
        if found < least:
            with_before.setdefault(str(path), found)
            _record().write_text(json.dumps(with_before))
            path.write_text(str(least))


def put_back() -> None:
    """Give each setting that was raised its old value again."""
    for name, value in _load().items():
        Path(name).write_text(str(value))
    _record().unlink(missing_ok=True)


def _load() -> dict[str, int]:
    """The settings that were raised, with what they were."""
    try:
        found: dict[str, int] = json.loads(_record().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found
