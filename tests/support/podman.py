"""A Podman service of a test's own: storage, socket and processes go with it.

It wants root and the packages podman, runc and busybox-static. The service runs in a PID and a mount namespace of
its own whose first process dies with the test's (`--kill-child`): then the kernel ends every container and conmon and
releases every mount, also when a test is killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator

import podman.api
import psutil

IMAGE = "fairlead.test/busybox:1"
_APPLETS = (
    "cat date echo env false grep head hostname httpd id ip kill ls mkdir mount",
    "nc ping ps sh sleep stat touch true wget",
)
# The service dies with the test, and with the service's PID namespace everything that it started.
_CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
_START_SECONDS = 20.0
_CLEAN_SECONDS = 3.0


@dataclasses.dataclass(frozen=True)
class Service:
    """A running service."""

    socket: str
    root: pathlib.Path
    pid: int

    def crash(self) -> None:
        """Kill the service's process; another takes its place."""
        for process in psutil.Process(self.pid).children(recursive=True):
            if process.name() == "podman" and "service" in process.cmdline():
                process.kill()


def missing() -> str:
    """Say what a test with Podman lacks here; empty where it has all."""
    if os.geteuid() != 0:
        return "it needs root"
    programs = [name for name in ("podman", "runc", "busybox", "unshare") if shutil.which(name) is None]
    return f"not installed: {', '.join(programs)}" if programs else ""


@contextlib.contextmanager
def service(root: pathlib.Path) -> Iterator[Service]:
    """Run a service whose storage lies under a folder, with IMAGE in it."""
    files, processes = (resource.getrlimit(one)[1] for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    conf = root / "containers.conf"
    conf.write_text(
        f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    path = str(root / "podman.sock")
    storage = f"--root {root}/storage --runroot {root}/run --tmpdir {root}/tmp --storage-driver overlay"
    # As systemd does: a service that ends is started again; containers do not depend on it.
    command = f"while :; do podman {storage} system service -t 0 unix://{path}; sleep 0.5; done"
    with (root / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [*_CONTAINED, "sh", "-c", command],
            cwd=root,  # where conmon leaves a file `oom` for a container that was killed for memory
            env=os.environ | {"CONTAINERS_CONF": str(conf), "TMPDIR": str(root)},
            stdout=log,
            stderr=log,
        )
        try:
            _wait(path, process, root / "service.log")
            _load(path)
            yield Service(path, root, process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            _remove_cgroups(root)


def _wait(path: str, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            try:
                probe.connect(path)
                return
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"podman did not start: {log.read_text()}") from None
        time.sleep(0.05)


def _load(path: str) -> None:
    api = podman.api.APIClient(base_url=f"unix://{path}", version="4.0.0", timeout=60)
    params = {"reference": IMAGE, "changes": ['CMD ["/bin/sleep","infinity"]', "ENV PATH=/bin"]}
    with contextlib.closing(api):
        answer = api.post(
            "/images/import", params=params, data=_filesystem(), headers={"Content-Type": "application/x-tar"}
        )
        answer.raise_for_status()


def _filesystem() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(folder)
        archive.add(shutil.which("busybox") or "busybox", "bin/busybox")
        for name in " ".join(_APPLETS).split():
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        passwd = b"root:x:0:0:root:/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(passwd)
        archive.addfile(entry, io.BytesIO(passwd))
    return buffer.getvalue()


def _remove_cgroups(root: pathlib.Path) -> None:
    """Remove the empty cgroups that killed containers leave; those of other services are not empty, or not ours."""
    containers = root / "storage" / "overlay-containers"
    names = [folder.name for folder in containers.iterdir()] if containers.is_dir() else []
    deadline = time.monotonic() + _CLEAN_SECONDS
    while _left(names) and time.monotonic() < deadline:
        time.sleep(0.05)  # what was killed is not gone at once


def _left(names: list[str]) -> bool:
    """Try to remove the cgroups; tell whether some are left."""
    left = False
    for parent in pathlib.Path("/sys/fs/cgroup").glob("*/libpod_parent"):
        ours = [one for name in names for one in parent.glob(f"libpod*-{name}")]
        for base in (*ours, parent / "conmon"):
            inner = sorted((one for one in base.rglob("*") if one.is_dir()), reverse=True)
            for one in (*inner, base):
                with contextlib.suppress(OSError):
                    one.rmdir()
            left = left or base.exists()
        with contextlib.suppress(OSError):
            parent.rmdir()
    return left
