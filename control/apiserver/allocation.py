"""Addresses and node ports of Services, given and taken back in each Service's own transaction.

The registry of Services calls `ServiceAllocation` around its writes. Each range's bitmap is remembered with its
revision; a transaction compares it, and one that is refused because another process was faster brings the newest
along. Within a process writes of Services take turns, so that they do not refuse each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence

from control.apiserver import bitmaps, field, hooks
from control.apiserver.validation import services
from control.store import interface
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1

ADDRESSES_KEY = "/registry/ranges/serviceips"
PORTS_KEY = "/registry/ranges/servicenodeports"
HEADLESS = "None"
WITH_ADDRESS = frozenset({"ClusterIP", "NodePort", "LoadBalancer"})
WITH_PORTS = frozenset({"NodePort", "LoadBalancer"})


class Pool:
    """One range: its bitmap as this process knows it, and what the write under way makes of it."""

    def __init__(self, key: str, over: bitmaps.Range, store: interface.Store) -> None:
        self.key = key
        self.range = over
        self._store = store
        self._bits = 0
        self._revision: int | None = None  # None: not known, to be read
        self._wanted = 0
        self._chance = random.Random()

    async def begin(self) -> None:
        """Start a write from what is known, reading it if nothing is."""
        if self._revision is None:
            item, _ = await self._store.get(self.key)
            self.learn(item)
        self._wanted = self._bits

    def take(self, member: str) -> bool:
        """Take a member; False where it is taken already."""
        offset = self.range.offset(member)
        assert offset is not None
        if self._wanted >> offset & 1:
            return False
        self._wanted |= 1 << offset
        return True

    def choose(self) -> str | None:
        """Take any member; None where none is free."""
        offset = bitmaps.free_offset(self._wanted, self.range.size, self._chance)
        if offset is None:
            return None
        self._wanted |= 1 << offset
        return self.range.member(offset)

    def free(self, member: str) -> None:
        """Give a member back; one of another range is none of ours."""
        offset = self.range.offset(member)
        if offset is not None:
            self._wanted &= ~(1 << offset)

    def write(self) -> interface.Put | None:
        """Return what the transaction must write, None where nothing changes."""
        if self._wanted == self._bits:
            return None
        return interface.Put(self.key, bitmaps.encode(self._wanted, self.range), expected=self._revision or 0)

    def committed(self, revision: int) -> None:
        """Remember what was written."""
        if self._wanted != self._bits:
            self._bits, self._revision = self._wanted, revision

    def learn(self, item: interface.KeyValue | None) -> None:
        """Remember what etcd has."""
        self._bits = bitmaps.decode(item.value, self.range) if item is not None else 0
        self._revision = item.revision if item is not None else 0

    def drop(self) -> None:
        """Want nothing but what is known to be taken."""
        self._wanted = self._bits

    def forget(self) -> None:
        """Read the bitmap again next time."""
        self._revision = None


class ServiceAllocation(hooks.Hooks):
    """What Services need around their writes."""

    def __init__(self, store: interface.Store, addresses: bitmaps.Range, ports: bitmaps.Range) -> None:
        self.addresses = Pool(ADDRESSES_KEY, addresses, store)
        self.ports = Pool(PORTS_KEY, ports, store)
        self._turn = asyncio.Lock()
        self._failures = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Let one write of a Service after the other through.

        Where etcd does not answer one, those that waited meanwhile fail at once, not each after its own wait.
        """
        failures = self._failures
        async with self._turn:
            if self._failures != failures:
                raise errors.ServiceUnavailable("etcd does not answer")
            self.addresses.drop()  # what a dry run or a refused write before had wanted
            self.ports.drop()
            try:
                yield
            except (errors.ServiceUnavailable, errors.Timeout):
                self._failures += 1
                raise

    async def before_write(
        self, obj: corev1.Service, old: corev1.Service | None, companions: hooks.Companions
    ) -> None:
        """Give a Service the address and node ports that it lacks, and take back those it no longer has.

        What this process knows to be taken another may have given back: it is read once more before it is refused.
        """
        asked = corev1.ServiceSpec()
        asked.CopyFrom(obj.spec)
        await self._begin()
        if self._allocated(obj, old):
            self.unknown()
            await self._begin()
            obj.spec.CopyFrom(asked)
            if faults := self._allocated(obj, old):
                raise errors.invalid("", "Service", obj.metadata.name, faults)
        self._add_writes(companions)

    def _allocated(self, obj: corev1.Service, old: corev1.Service | None) -> field.Faults:
        held_addresses, held_ports = held(old) if old is not None else ((), ())
        wanted_addresses, wanted_ports = held(obj)
        for address in held_addresses:
            if address not in wanted_addresses:
                self.addresses.free(address)
        for port in held_ports:
            if port not in wanted_ports:
                self.ports.free(str(port))
        faults = self._addresses(obj, held_addresses) + self._ports(obj, held_ports)
        if not faults and services.needs_health_check(obj.spec):
            self._health_check(obj, held_ports)
        return faults

    async def before_removal(self, old: corev1.Service, companions: hooks.Companions) -> None:
        """Take back what a Service had."""
        await self._begin()
        addresses, ports = held(old)
        for address in addresses:
            self.addresses.free(address)
        for port in ports:
            self.ports.free(str(port))
        self._add_writes(companions)

    def committed(self, revision: int) -> None:
        """Remember the bitmaps as the transaction left them."""
        self.addresses.committed(revision)
        self.ports.committed(revision)

    def refused(self, companions: hooks.Companions, current: Sequence[interface.KeyValue | None]) -> None:
        """Learn what another process has made of the bitmaps."""
        pools = {pool.key: pool for pool in (self.addresses, self.ports)}
        for write, item in zip(companions.writes, current, strict=True):
            pools[write.key].learn(item)

    def unknown(self) -> None:
        """Read the bitmaps again: whether the transaction was carried out is not known."""
        self.addresses.forget()
        self.ports.forget()

    async def _begin(self) -> None:
        await self.addresses.begin()
        await self.ports.begin()

    def _add_writes(self, companions: hooks.Companions) -> None:
        companions.writes += [put for pool in (self.addresses, self.ports) if (put := pool.write()) is not None]

    def _addresses(self, obj: corev1.Service, had: Sequence[str]) -> field.Faults:
        spec = obj.spec
        if spec.type not in WITH_ADDRESS or spec.clusterIP == HEADLESS:
            return []
        if spec.clusterIP in had:
            return []
        if not spec.clusterIP:
            chosen = self.addresses.choose()
            if chosen is None:
                raise errors.InternalError(
                    "failed to allocate a serviceIP: range is full", group="", kind="services", name=obj.metadata.name
                )
            spec.clusterIP = chosen
            del spec.clusterIPs[:]
            spec.clusterIPs.append(chosen)
            return []
        path, shown = "spec.clusterIPs", f'[]string{{"{spec.clusterIP}"}}'
        failed = f"Invalid value: {shown}: failed to allocate IP {spec.clusterIP}"
        if self.addresses.range.offset(spec.clusterIP) is None:
            text = (
                f"{failed}: the provided IP ({spec.clusterIP}) is not in the valid range."
                f" The range of valid IPs is {self.addresses.range.text}"
            )
            return [field.Cause("FieldValueInvalid", text, path)]
        if not self.addresses.take(spec.clusterIP):
            return [field.Cause("FieldValueInvalid", f"{failed}: provided IP is already allocated", path)]
        return []

    def _ports(self, obj: corev1.Service, had: Sequence[int]) -> field.Faults:
        faults: field.Faults = []
        if not services.needs_node_ports(obj.spec):
            return faults
        taken: dict[int, set[str]] = {}
        for index, port in enumerate(obj.spec.ports):
            path = f"spec.ports[{index}].nodePort"
            if not port.nodePort:
                continue
            protocols = taken.setdefault(port.nodePort, set())
            first = not protocols
            if port.protocol in protocols:
                faults.append(field.invalid(path, port.nodePort, "provided port is already allocated"))
            protocols.add(port.protocol)
            if not first or port.nodePort in had:
                continue
            if self.ports.range.offset(str(port.nodePort)) is None:
                text = f"provided port is not in the valid range. The range of valid ports is {self.ports.range.text}"
                faults.append(field.invalid(path, port.nodePort, text))
            elif not self.ports.take(str(port.nodePort)):
                faults.append(field.invalid(path, port.nodePort, "provided port is already allocated"))
        for port in obj.spec.ports:
            if not port.nodePort:
                chosen = self._shared_or_new(obj, port)
                if chosen is None:
                    raise errors.InternalError("failed to allocate a nodePort: range is full", kind="services")
                port.nodePort = int(chosen)
        return faults

    def _health_check(self, obj: corev1.Service, had: Sequence[int]) -> None:
        number, reason = obj.spec.healthCheckNodePort, ""
        if not number:
            chosen = self.ports.choose()
            if chosen is None:
                raise errors.InternalError(
                    "failed to allocate a HealthCheck NodePort 0: range is full", kind="services"
                )
            obj.spec.healthCheckNodePort = int(chosen)
        elif number in had:
            return
        elif self.ports.range.offset(str(number)) is None:
            reason = f"provided port is not in the valid range. The range of valid ports is {self.ports.range.text}"
        elif not self.ports.take(str(number)):
            reason = "provided port is already allocated"
        if reason:
            text = f"failed to allocate requested HealthCheck NodePort {number}: {reason}"
            raise errors.InternalError(text, kind="services")

    def _shared_or_new(self, obj: corev1.Service, port: corev1.ServicePort) -> str | None:
        """Return the node port of the same port under another protocol (DNS over TCP and UDP), else a new one."""
        for other in obj.spec.ports:
            if other.nodePort and other.port == port.port and other.protocol != port.protocol:
                return str(other.nodePort)
        return self.ports.choose()


def held(obj: corev1.Service) -> tuple[Sequence[str], Sequence[int]]:
    """Return the addresses and node ports that a Service holds of the ranges."""
    spec = obj.spec
    addresses: list[str] = []
    if spec.type in WITH_ADDRESS:
        listed = list(spec.clusterIPs) or [spec.clusterIP]
        addresses = [address for address in listed if address and address != HEADLESS]
    ports = [port.nodePort for port in spec.ports if port.nodePort] if spec.type in WITH_PORTS else []
    if services.needs_health_check(spec) and spec.healthCheckNodePort:
        ports.append(spec.healthCheckNodePort)
    return addresses, list(dict.fromkeys(ports))
