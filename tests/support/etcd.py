"""Real etcd for tests: one member or several, on free loopback ports, with data in memory.

`with etcd.cluster(members=3) as cluster:` starts it, waits until it has a leader, and leaves nothing behind.
A member can be killed, started again, stopped (it swallows packets) and continued; only processes that this
module started are touched.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from control import pki
from control.store import endpoints

START_SECONDS = 30.0
MEMORY = pathlib.Path("/dev/shm")
BINARY = shutil.which("etcd")


@dataclass
class Member:
    """One etcd process and what it needs to start again."""

    name: str
    client_url: str
    peer_url: str
    metrics_url: str
    directory: pathlib.Path
    arguments: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; its data, if any, are used."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log)

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Freeze the process: it keeps its connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Thaw the process."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def healthy(self) -> bool:
        """Whether the member answers and knows a leader."""
        try:
            with urllib.request.urlopen(f"{self.metrics_url}/health", timeout=2) as answer:
                return bool(json.load(answer)["health"] == "true")
        except OSError:
            return False


@dataclass
class Cluster:
    """Members that form one etcd cluster."""

    members: list[Member]
    tls: endpoints.Tls | None = None
    folder: pathlib.Path = field(default=pathlib.Path())

    @property
    def urls(self) -> list[str]:
        """The client URLs."""
        return [member.client_url for member in self.members]

    def wait_healthy(self, seconds: float = START_SECONDS) -> None:
        """Wait until every member that runs answers and knows a leader."""
        end = time.monotonic() + seconds
        for member in self.members:
            while member.process is not None and not member.healthy():
                if member.process.poll() is not None or time.monotonic() > end:
                    log = (member.directory / "log").read_text(errors="replace")
                    raise AssertionError(f"etcd {member.name} is not healthy:\n{log[-2000:]}")
                time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _certificates(folder: pathlib.Path) -> endpoints.Tls:
    authority = pki.create_authority("etcd-ca")
    (folder / "ca.crt").write_bytes(authority.pem)
    for name in ("server", "peer", "client"):
        subject = pki.Subject(name, hosts=("127.0.0.1", "localhost"), server=True, client=True)
        pki.ensure_leaf(authority, folder / name, subject)
    return endpoints.Tls.in_folder(folder)


def _security(folder: pathlib.Path) -> list[str]:
    flags = []
    for side, name in (("", "server"), ("peer-", "peer")):
        flags += [f"--{side}cert-file={folder / name}.crt", f"--{side}key-file={folder / name}.key"]
        flags += [f"--{side}trusted-ca-file={folder / 'ca.crt'}", f"--{side}client-cert-auth"]
    return flags


@contextlib.contextmanager
def cluster(members: int = 1, *, tls: bool = False, flags: Sequence[str] = ()) -> Iterator[Cluster]:
    """Run a cluster for the time of the block; `flags` are added to every member's command line."""
    assert BINARY, "etcd is not installed: apt-get install etcd-server"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fairlead-etcd-", dir=MEMORY if MEMORY.is_dir() else None))
    scheme = "https" if tls else "http"
    ports = _free_ports(3 * members)
    made = []
    for index in range(members):
        client, peer, metrics = ports[3 * index : 3 * index + 3]
        directory = folder / f"member-{index}"
        directory.mkdir()
        urls = (f"{scheme}://127.0.0.1:{client}", f"{scheme}://127.0.0.1:{peer}", f"http://127.0.0.1:{metrics}")
        made.append(Member(f"member-{index}", *urls, directory))
    result = Cluster(made, _certificates(folder) if tls else None, folder)
    initial = ",".join(f"{member.name}={member.peer_url}" for member in made)
    for member in made:
        member.arguments = [
            BINARY,
            f"--name={member.name}",
            f"--data-dir={member.directory / 'data'}",
            f"--listen-client-urls={member.client_url}",
            f"--advertise-client-urls={member.client_url}",
            f"--listen-peer-urls={member.peer_url}",
            f"--initial-advertise-peer-urls={member.peer_url}",
            f"--listen-metrics-urls={member.metrics_url}",
            f"--initial-cluster={initial}",
            "--initial-cluster-state=new",
            "--logger=zap",
            *(_security(folder) if tls else ()),
            *flags,
        ]
    try:
        for member in made:
            member.start()
        result.wait_healthy()
        yield result
    finally:
        for member in made:
            member.kill()
        shutil.rmtree(folder, ignore_errors=True)
