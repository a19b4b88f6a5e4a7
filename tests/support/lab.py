"""The lab as tests see it: hosts to run things on and to break, a client, and waiting with a reason.

Tests in tests/lab get it as the fixture `lab`. What a test breaks, `mend` makes whole again.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labkit import cluster, layout, machines, network, report

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = CHECKOUT / "deploy" / "lab"
PROBE_SECONDS = 0.1

Probe = Callable[[], str]


def wait_until(probe: Probe, seconds: float) -> float:
    """Ask until the probe returns '' and give the seconds that took; fail with what it said last."""
    started = time.monotonic()
    while reason := probe():
        waited = time.monotonic() - started
        assert waited < seconds, f"{reason} after {waited:.1f} s"
        time.sleep(PROBE_SECONDS)
    return time.monotonic() - started


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One request of a caller: when it was sent (seconds of the host's clock), the body, and how it failed if so."""

    sent: float
    took: float
    body: str
    error: str


class Caller:
    """A client on a host that calls one URL at a steady rate until it is stopped."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self) -> list[Answer]:
        """End the client and return every answer that it got."""
        self._process.terminate()
        self._reader.join(20.0)
        self._process.wait(20.0)
        assert not self._reader.is_alive(), "the client does not end"
        return [Answer(*json.loads(line)) for line in self._lines if line.startswith("[") and line.endswith("]\n")]

    def _read(self) -> None:
        """Take the answers as they come: a full pipe would hold the client up."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._lines.extend(output)


# one thread a request, so that a request that hangs does not slow the next; Python is on every host; it ends with
# the program that brought it into the host, because that is what `stop` can reach
_CALLER = """
import ctypes, json, signal, sys, threading, time, urllib.request
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
url, rate, timeout = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
def ask():
    sent = time.time()
    try:
        body, error = urllib.request.urlopen(url, timeout=timeout).read().decode().strip(), ""
    except Exception as problem:
        body, error = "", repr(problem)
    print(json.dumps([sent, time.time() - sent, body, error]), flush=True)
began = time.monotonic()
for number in range(int(rate * 600)):
    time.sleep(max(0.0, began + number / rate - time.monotonic()))
    threading.Thread(target=ask, daemon=True).start()
"""


class Lab:
    """A running lab."""

    def __init__(self, lab: layout.Lab) -> None:
        self.layout = lab

    @property
    def controls(self) -> tuple[str, ...]:
        """The names of the control hosts."""
        return tuple(host.name for host in self.layout.controls)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return tuple(host.name for host in self.layout.nodes)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    def address(self, name: str) -> str:
        """A host's address."""
        return self._host(name).address

    def is_on(self, name: str) -> bool:
        """Tell whether a host runs."""
        return machines.leader(self.layout, self._host(name)) is not None

    def run(self, name: str, *command: str, timeout: float = 60.0) -> str:
        """Run a command on a host and return its output; fail if it fails."""
        return machines.run(self.layout, self._host(name), command, timeout=timeout)

    def call(self, name: str, *command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command on a host and return what it did."""
        return machines.call(self.layout, self._host(name), command, timeout=timeout)

    def kill(self, name: str) -> None:
        """Cut a host's power."""
        machines.power_cut(self.layout, self._host(name))

    def start(self, name: str) -> None:
        """Switch a host on and return when it has booted."""
        cluster.start_host(self.layout, self._host(name))

    def cut(self, name: str) -> None:
        """Take a host's network link down."""
        network.set_link(self._host(name), False)

    def heal(self, name: str) -> None:
        """Take a host's network link up."""
        network.set_link(self._host(name), True)

    def mend(self) -> None:
        """Switch on and connect every host again."""
        for host in self.layout.hosts:
            if machines.keeper_pid(self.layout, host) is None:
                cluster.start_host(self.layout, host)
            network.set_link(host, True)

    def call_steadily(self, name: str, url: str, *, rate: float = 20.0, timeout: float = 1.0) -> Caller:
        """Start a client on a host that requests a URL at a rate, each request with a timeout of its own."""
        command = ("python3", "-c", _CALLER, url, str(rate), str(timeout))
        return Caller(machines.start(self.layout, self._host(name), command))

    def fairlead(self, *arguments: str, timeout: float = 60.0) -> str:
        """Run the `fairlead` command on the outer machine as administrator and return its output."""
        return report.client(self.layout, *arguments, timeout=timeout)

    def get(self, *arguments: str) -> Any:
        """What `fairlead get … -o json` says, decoded."""
        return json.loads(self.fairlead("get", *arguments, "-o", "json"))

    def items(self, *arguments: str) -> list[Any]:
        """The objects of a list."""
        found = self.get(*arguments)
        assert isinstance(found["items"], list)
        return found["items"]

    def node_ready(self, name: str) -> str:
        """The status of a node's Ready condition: True, False, Unknown, or '' for none."""
        conditions: Sequence[Any] = self.get("node", name).get("status", {}).get("conditions", [])
        return next((str(c["status"]) for c in conditions if c["type"] == "Ready"), "")

    def _host(self, name: str) -> layout.Host:
        return next(host for host in self.layout.hosts if host.name == name)
