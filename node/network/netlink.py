"""The `Network` of the kernel: namespaces, links, routes and chains.

Everything that changes the kernel runs in one thread, in order. What exists is known from the folder of pins alone:
each sandbox has one there with its namespaces and, written last, `sandbox.json`; a folder without it is half-made.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pyroute2.netlink import exceptions as netlink_errors

from node import mounts
from node.network import addresses, firewall, kernel, namespaces, routes
from node.network.interface import HostPort, NetworkConfig, NetworkFault, Sandbox, SandboxSpec

T = TypeVar("T")

PINS = "/run/fairlead/ns"
_RECORD = "sandbox.json"
_IPTABLES_SECONDS = 20.0
_LOCK_SECONDS = 5
_CONNECT_SECONDS = 10.0
_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


class NetlinkNetwork:
    """The pods' network of this machine. `pins` is the folder of sandboxes; programs leave it at PINS."""

    def __init__(self, config: NetworkConfig, pins: str = PINS) -> None:
        self._config = config
        self._pins = pathlib.Path(pins)
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "network")
        self._known: dict[str, tuple[Sandbox, tuple[HostPort, ...]]] | None = None
        self._last = ""
        self._firewall = ""

    async def configure(self, config: NetworkConfig) -> None:
        """Bring routes and masquerading in line."""
        await self._do(self._configure, config)

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """Make a sandbox, or return the pod's."""
        return await self._do(self._create, spec)

    async def remove(self, uid: str) -> None:
        """Remove a pod's sandbox."""
        await self._do(self._remove, uid)

    async def sandboxes(self) -> Sequence[Sandbox]:
        """Return every whole sandbox."""
        return await self._do(lambda: [sandbox for sandbox, _ in self._all().values()])

    async def connect(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection inside a pod's namespace: a socket stays in that where it was made."""
        connection, address = await self._do(self._socket, uid)
        host = address if to_address else "127.0.0.1"
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, (host, port))
                return await asyncio.open_connection(sock=connection)
        except OSError as error:
            connection.close()
            why = os.strerror(error.errno).lower() if error.errno else "timed out"
            if to_address:
                raise NetworkFault(f"dial tcp {host}:{port}: connect: {why}") from error
            raise NetworkFault(f"failed to connect to localhost:{port} inside namespace {uid}: {why}") from error

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _do(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, functools.partial(work, *arguments))
        except (OSError, netlink_errors.NetlinkError) as error:
            raise NetworkFault(str(error)) from error

    def _configure(self, config: NetworkConfig) -> None:
        self._config = config
        versions = {6 if ":" in cidr else 4 for cidr in config.pod_cidrs}
        for version in versions:
            namespaces.set_sysctl(_FORWARDING[version], "1")
        self._sweep()
        self._firewall = ""
        failures = []
        # Each is worth having without the other.
        parts: list[Callable[[], None]] = [
            functools.partial(kernel.sync_routes, routes.wanted(config)),
            self._sync_firewall,
        ]
        for work in parts:
            try:
                work()
            except NetworkFault as error:
                failures.append(str(error))
        if failures:
            raise NetworkFault("; ".join(failures))

    def _all(self) -> dict[str, tuple[Sandbox, tuple[HostPort, ...]]]:
        if self._known is None:
            found = (_read(folder) for folder in self._folders())
            self._known = {one[0].uid: one for one in found if one is not None}
        return self._known

    def _folders(self) -> list[pathlib.Path]:
        return sorted(self._pins.iterdir()) if self._pins.is_dir() else []

    def _sweep(self) -> None:
        """Remove what was left half-made or half-removed by an agent that was killed."""
        whole = self._all()
        for folder in self._folders():
            if folder.name not in whole:
                self._release(folder.name)
        for name in kernel.links() - {kernel.link_name(uid) for uid in whole}:
            kernel.delete_link(name)

    def _create(self, spec: SandboxSpec) -> Sandbox:
        known = self._all()
        if spec.uid in known:
            return known[spec.uid][0]
        given = self._config.node_addresses if spec.host_network else self._choose()
        self._release(spec.uid)
        mounts.share(self._pins)
        folder = self._pins / spec.uid
        folder.mkdir()
        kinds = _kinds(spec)
        pins = {kind: folder / kind for kind in kinds}
        if pins:
            namespaces.make(pins, lambda: _prepare(spec, kinds))
        if not spec.host_network:
            kernel.attach(spec.uid, folder / namespaces.NET, given, self._config.node_addresses)
        paths = {
            kind: str(folder / kind) if kind in pins else ""
            for kind in (namespaces.NET, namespaces.IPC, namespaces.UTS)
        }
        sandbox = Sandbox(
            uid=spec.uid,
            id=uuid.uuid4().hex,
            net=paths[namespaces.NET],
            ipc=paths[namespaces.IPC],
            uts=paths[namespaces.UTS],
            addresses=given,
            host_network=spec.host_network,
        )
        ports = () if spec.host_network else spec.host_ports
        known[spec.uid] = (sandbox, ports)
        if ports:
            self._sync_firewall()
        _write(folder, sandbox, ports)
        return sandbox

    def _choose(self) -> tuple[str, ...]:
        used = {address for sandbox, _ in self._all().values() for address in sandbox.addresses}
        given = addresses.choose(self._config.pod_cidrs, used, self._last)
        self._last = given[0]
        return given

    def _remove(self, uid: str) -> None:
        _, ports = self._all().pop(uid, (None, ()))
        self._release(uid)
        if ports:
            self._sync_firewall()

    def _release(self, uid: str) -> None:
        folder = self._pins / uid
        # First the record: from here on the sandbox is half-removed.
        (folder / _RECORD).unlink(missing_ok=True)
        kernel.detach(uid)
        for kind in (namespaces.NET, namespaces.IPC, namespaces.UTS):
            namespaces.unpin(folder / kind)
        shutil.rmtree(folder, ignore_errors=True)

    def _sync_firewall(self) -> None:
        forwarded = [
            (port, address) for one, ports in self._all().values() for port in ports for address in one.addresses
        ]
        text = firewall.text(self._config, forwarded)
        if text == self._firewall:
            return
        _iptables(["iptables-restore", "--noflush", "-w", str(_LOCK_SECONDS)], text)
        for jump in firewall.JUMPS:
            rule = [jump.chain, *jump.rule.split()]
            if not _iptables(["iptables", "-w", str(_LOCK_SECONDS), "-t", jump.table, "-C", *rule], may_fail=True):
                verb = "-I" if jump.first else "-A"
                _iptables(["iptables", "-w", str(_LOCK_SECONDS), "-t", jump.table, verb, *rule])
        self._firewall = text

    def _socket(self, uid: str) -> tuple[socket.socket, str]:
        """Return a socket that was made in a pod's namespace, and the pod's address."""
        sandbox, _ = self._all().get(uid, (None, ()))
        if sandbox is None:
            raise NetworkFault(f"pod {uid} has no sandbox")

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            made.setblocking(False)
            return made

        made = namespaces.within(pathlib.Path(sandbox.net), make) if sandbox.net else make()
        return made, sandbox.addresses[0]


def _kinds(spec: SandboxSpec) -> list[str]:
    kinds = [] if spec.host_network else [namespaces.NET, namespaces.UTS]
    return kinds if spec.host_ipc else [*kinds, namespaces.IPC]


def _prepare(spec: SandboxSpec, kinds: Sequence[str]) -> None:
    """Finish the new namespaces from inside."""
    if namespaces.NET in kinds:
        kernel.loopback_up()
    if namespaces.UTS in kinds:
        namespaces.set_names(spec.hostname, spec.domain)
    if spec.sysctls:
        namespaces.set_own_sysctls(spec.sysctls)


def _iptables(command: Sequence[str], text: str = "", *, may_fail: bool = False) -> bool:
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=_IPTABLES_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NetworkFault(f"{command[0]}: {error}") from error
    if done.returncode != 0 and not may_fail:
        raise NetworkFault(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.returncode == 0


def _read(folder: pathlib.Path) -> tuple[Sandbox, tuple[HostPort, ...]] | None:
    try:
        fields: dict[str, Any] = json.loads((folder / _RECORD).read_text())
        ports = tuple(HostPort(**port) for port in fields.pop("host_ports"))
        sandbox = Sandbox(**fields | {"addresses": tuple(fields["addresses"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    pins = [pathlib.Path(path) for path in (sandbox.net, sandbox.ipc, sandbox.uts) if path]
    return (sandbox, ports) if all(namespaces.is_pinned(pin) for pin in pins) else None


def _write(folder: pathlib.Path, sandbox: Sandbox, ports: Sequence[HostPort]) -> None:
    fields = {
        "uid": sandbox.uid,
        "id": sandbox.id,
        "net": sandbox.net,
        "ipc": sandbox.ipc,
        "uts": sandbox.uts,
        "addresses": sandbox.addresses,
        "host_network": sandbox.host_network,
        "host_ports": [
            {"protocol": one.protocol, "port": one.port, "container_port": one.container_port, "address": one.address}
            for one in ports
        ],
    }
    fresh = folder / f"{_RECORD}.new"
    fresh.write_text(json.dumps(fields))
    os.replace(fresh, folder / _RECORD)
