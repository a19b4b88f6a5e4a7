"""A node, three pods and an outsider as network namespaces, for the proxy's integration tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from pyroute2 import netns

NODE_ADDRESS = "192.168.56.11"
OUTSIDER_ADDRESS = "192.168.56.1"
PODS = {"pod-1": "10.128.1.5", "pod-2": "10.128.1.6", "pod-3": "10.128.1.7"}
PORT = 8080

_TCP_SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    connection, peer = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(f"HTTP/1.0 200 OK\\r\\n\\r\\n{sys.argv[1]} {peer[0]}\\n".encode())
"""
_UDP_SERVER = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    _, peer = server.recvfrom(100)
    server.sendto(f"{sys.argv[1]} {peer[0]}\\n".encode(), peer)
"""
_UDP_CLIENT = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
for line in sys.stdin:
    client.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
    try:
        print(client.recv(100).decode().split()[0], flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


class Network:
    """The namespaces; every process in them ends with `close`."""

    def __init__(self) -> None:
        self._prefix = f"fl{os.getpid()}-"
        self._processes: list[subprocess.Popen[str]] = []
        self._namespaces: list[str] = []
        self.node = self._add("node")
        self._connect("outsider", OUTSIDER_ADDRESS, 24, NODE_ADDRESS)
        # Without any route to it, a connection to a cluster IP ends before the rules can lead it on.
        self.run("node", "ip", "route", "add", "default", "via", OUTSIDER_ADDRESS)
        for pod, address in PODS.items():
            self._connect(pod, address, 32, "169.254.1.1")
        self.run("node", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for pod in PODS:
            self.serve(pod)

    def run(self, where: str, *command: str) -> str:
        """Run a program in a namespace to its end; return what it wrote."""
        whole = ["ip", "netns", "exec", self._prefix + where, *command]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise AssertionError(f"{where}: {' '.join(command)}: {done.returncode}: {done.stderr}")
        return done.stdout

    def ask(self, where: str, address: str, port: int) -> tuple[str, str]:
        """Fetch a page over a new connection; return who answered and whom it saw."""
        answer = self.run(where, "curl", "-sS", "-m", "5", f"http://{address}:{port}/").split()
        return answer[0], answer[1]

    def ask_until(self, where: str, address: str, port: int, count: int) -> dict[str, str]:
        """Connect until `count` servers have answered; return whom each saw."""
        seen: dict[str, str] = {}
        for _ in range(200):
            server, peer = self.ask(where, address, port)
            seen[server] = peer
            if len(seen) == count:
                return seen
        raise AssertionError(f"only {sorted(seen)} answered 200 connections")

    def serve(self, pod: str, kind: str = "tcp") -> None:
        """Start a server in a pod that answers with its own address and the peer's."""
        program = _TCP_SERVER if kind == "tcp" else _UDP_SERVER
        process = self._start(pod, program, PODS[pod], str(PORT))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def udp_client(self, where: str, address: str, port: int) -> subprocess.Popen[str]:
        """Start a client that keeps its port: a line to it is a question, a line from it who answered."""
        return self._start(where, _UDP_CLIENT, address, str(port))

    @contextlib.contextmanager
    def inside(self, where: str) -> Iterator[None]:
        """Move this thread, and what it starts, into a namespace."""
        netns.pushns(self._prefix + where)
        try:
            yield
        finally:
            netns.popns()

    def close(self) -> None:
        """End every process and remove every namespace."""
        for process in self._processes:
            process.kill()
            process.communicate()
        for name in self._namespaces:
            subprocess.run(["ip", "netns", "del", name], check=True, timeout=30)

    def _start(self, where: str, program: str, *arguments: str) -> subprocess.Popen[str]:
        command = ["ip", "netns", "exec", self._prefix + where, sys.executable, "-c", program, *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._processes.append(process)
        return process

    def _add(self, name: str) -> str:
        full = self._prefix + name
        subprocess.run(["ip", "netns", "add", full], check=True, timeout=30)
        self._namespaces.append(full)
        self.run(name, "ip", "link", "set", "lo", "up")
        return full

    def _connect(self, name: str, address: str, length: int, gateway: str) -> None:
        """Give a namespace a link to the node, an address and a default route over it."""
        full = self._add(name)
        ours, theirs = f"v-{name}", "eth0"
        self.run("node", "ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", full)
        self.run("node", "ip", "address", "add", f"{gateway}/{length}", "dev", ours)
        self.run("node", "ip", "link", "set", ours, "up")
        self.run(name, "ip", "address", "add", f"{address}/{length}", "dev", theirs)
        self.run(name, "ip", "link", "set", theirs, "up")
        if length == 32:
            self.run("node", "ip", "route", "add", address, "dev", ours)
            self.run(name, "ip", "route", "add", gateway, "dev", theirs)
        self.run(name, "ip", "route", "add", "default", "via", gateway)
