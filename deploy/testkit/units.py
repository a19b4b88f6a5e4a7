"""`systemd-analyze verify` of our units, in the lab's root filesystem, where the programs they start are."""

from __future__ import annotations

from pathlib import Path

from labkit import base as bases
from labkit import shell


def verify(checkout: Path, base: Path, venv: Path) -> str:
    """What systemd has to say against the units; '' if nothing."""
    names = sorted(path.name for path in (checkout / "deploy" / "systemd").glob("*.service"))
    binds = {
        checkout: "/opt/fairlead",
        venv: "/opt/fairlead-venv",
        checkout / "deploy/systemd": "/run/systemd/system",
    }
    command = (
        "systemd-analyze",
        "verify",
        "--man=no",
        "--recursive-errors=no",
        *(f"/run/systemd/system/{name}" for name in names),
    )
    try:
        return bases.inside(base, ("sh", "-c", '"$@" 2>&1', "sh", *command), binds).strip()
    except shell.LabError as error:
        return str(error)
