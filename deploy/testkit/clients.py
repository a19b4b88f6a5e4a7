"""Clients that tests run and that are not installed: Debian's kubectl, kept in the lab's cache.

Its package is unpacked rather than installed, because it shares a file name with newer packages of kubectl that the
machine may have.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from labkit import layout, shell

PACKAGE = "kubernetes-client"
KUBECTL = layout.CACHE / "debian-kubectl"


def ensure_kubectl(log: Path) -> Path:
    """Fetch Debian's kubectl unless it is there; returns the program."""
    program = KUBECTL / "usr" / "bin" / "kubectl"
    layout.CACHE.mkdir(parents=True, exist_ok=True)
    with shell.locked(layout.CACHE / "kubectl.lock"):
        if not program.exists():
            fresh = KUBECTL.with_name(KUBECTL.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix="fairlead-kubectl-") as folder:
                _download(Path(folder), log)
                (package,) = Path(folder).glob("*.deb")
                shell.run(("dpkg-deb", "-x", package, fresh))
            fresh.rename(KUBECTL)
    return program


def _download(folder: Path, log: Path) -> None:
    fetch = 'cd "$1" && apt-get -q -o APT::Sandbox::User=root download "$2"'
    download = ("sh", "-c", fetch, "sh", str(folder), PACKAGE)
    try:
        shell.run_logged(download, log)
    except shell.LabError:  # a package list that is missing or out of date
        shell.run_logged(("apt-get", "-q", "update"), log)
        shell.run_logged(download, log)
