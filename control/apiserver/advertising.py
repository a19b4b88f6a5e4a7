"""Where the API is: the Service `kubernetes` gets the addresses of the control processes that live.

Each process keeps a Lease in kube-system and, from the Leases of all, the Service's endpoints. A Lease that has not
changed for its duration, by one's own clock, is that of a dead process: whoever sees that removes it. The Leases are
named and labelled as Kubernetes' API servers have theirs.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
from collections.abc import Sequence
from typing import Any

from control.apiserver import server
from fairlead import clock as clocks
from fairlead.api import errors, objects, scheme, times
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import Client, Selection

NAMESPACE = "kube-system"
IDENTITY = "apiserver.kubernetes.io/identity"
ADDRESS = "fairlead.dev/address"
RENEW_SECONDS = 10.0
LEASE_SECONDS = 30
SERVICE = "kubernetes"
PORT = "https"
# What the cache holds is good enough: a write that was decided on old state is refused, and the next step comes soon.
AT_HAND = "0"

_log = logging.getLogger(__name__)


class Advertiser:
    """One process' part in this; `address` is where its port of the REST API is reached."""

    def __init__(
        self,
        api: server.ApiServer,
        client: Client,
        name: str,
        address: tuple[str, int],
        clock: clocks.Clock = clocks.SYSTEM,
    ) -> None:
        self._api = api
        self._client = client
        self._host = name
        self._name = f"apiserver-{hashlib.sha256(name.encode()).hexdigest()[:26]}"
        self._address, self._port = address
        self._clock = clock
        self._seen: dict[str, tuple[str, float]] = {}  # a Lease's revision, and when it was first seen

    async def run(self) -> None:
        """Renew, judge and write, for ever; one supervised task of the process.

        A loopback address leads a pod to itself: it is not told to anyone.
        """
        if ipaddress.ip_address(self._address).is_loopback:
            await asyncio.Event().wait()
        told = ""
        while True:
            try:
                sentence = await self.step()
            except (errors.ServiceUnavailable, errors.Timeout, errors.Conflict, errors.AlreadyExists) as error:
                sentence = f"not done: {error.message}"
            if sentence != told:
                _log.info("API's endpoints", extra={"outcome": sentence})
            told = sentence
            await self._clock.sleep(RENEW_SECONDS)

    async def step(self) -> str:
        """Do all once; returns a sentence."""
        revision = await self._renew()
        leases = await self._client.list(
            coordinationv1.Lease, NAMESPACE, select=Selection(f"{IDENTITY}=kube-apiserver"), resource_version=revision
        )
        living, dead = self._judge(leases.items)
        for lease in dead:
            await self._remove(lease)
        addresses = sorted({lease.metadata.annotations[ADDRESS] for lease in living}, key=ipaddress.ip_address)
        await self._write(slice_of(addresses, self._port))
        await self._write(endpoints_of(addresses, self._port))
        return f"the API is at {', '.join(addresses)}"

    async def _renew(self) -> str:
        """Renew the own Lease; returns the revision at which it is."""
        try:
            known = await self._client.get(coordinationv1.Lease, self._name, NAMESPACE, resource_version=AT_HAND)
            lease = objects.copy(known)
        except errors.NotFound:
            lease = coordinationv1.Lease()
            lease.metadata.name, lease.metadata.namespace = self._name, NAMESPACE
        lease.metadata.labels.update({IDENTITY: "kube-apiserver", "kubernetes.io/hostname": self._host})
        lease.metadata.annotations[ADDRESS] = self._address
        lease.spec.holderIdentity = self._name
        lease.spec.leaseDurationSeconds = LEASE_SECONDS
        lease.spec.renewTime.CopyFrom(times.from_seconds_micro(self._clock.now()))
        if lease.metadata.resourceVersion:
            return (await self._client.update(lease)).metadata.resourceVersion
        return (await self._client.create(lease)).metadata.resourceVersion

    def _judge(
        self, leases: Sequence[coordinationv1.Lease]
    ) -> tuple[list[coordinationv1.Lease], list[coordinationv1.Lease]]:
        """Return the Leases of processes that live, and of those that are dead."""
        now = self._clock.monotonic()
        living: list[coordinationv1.Lease] = []
        dead: list[coordinationv1.Lease] = []
        seen: dict[str, tuple[str, float]] = {}
        for lease in leases:
            meta = lease.metadata
            if ADDRESS not in meta.annotations:
                continue
            revision, since = self._seen.get(meta.name, ("", now))
            if revision != meta.resourceVersion:
                since = now
            seen[meta.name] = meta.resourceVersion, since
            (living if now - since < lease.spec.leaseDurationSeconds else dead).append(lease)
        self._seen = seen
        return living, dead

    async def _remove(self, lease: coordinationv1.Lease) -> None:
        options = metav1.DeleteOptions()
        options.preconditions.resourceVersion = lease.metadata.resourceVersion
        try:
            await self._client.delete(coordinationv1.Lease, lease.metadata.name, NAMESPACE, options=options)
        except errors.NotFound:
            return

    async def _write(self, wanted: Any) -> None:
        """Make an object what it should be, if its kind is served."""
        kind = type(wanted)
        try:
            if not self._api.kinds.serves(scheme.DEFAULT.of(kind)):
                return
        except scheme.UnknownKind:
            return
        try:
            current = await self._client.get(kind, SERVICE, "default", resource_version=AT_HAND)
        except errors.NotFound:
            await self._client.create(wanted)
            return
        fresh = objects.copy(current)
        for descriptor in wanted.DESCRIPTOR.fields:
            if descriptor.name != "metadata":
                fresh.ClearField(descriptor.name)
        content = objects.copy(wanted)
        content.ClearField("metadata")
        fresh.MergeFrom(content)
        if fresh != current:
            await self._client.update(fresh)


def slice_of(addresses: Sequence[str], port: int) -> discoveryv1.EndpointSlice:
    """Return the EndpointSlice of the Service, as Kubernetes' API servers write it."""
    made = discoveryv1.EndpointSlice(addressType="IPv4")
    made.metadata.name, made.metadata.namespace = SERVICE, "default"
    made.metadata.labels["kubernetes.io/service-name"] = SERVICE
    if addresses and ipaddress.ip_address(addresses[0]).version == 6:
        made.addressType = "IPv6"
    for address in addresses:
        made.endpoints.add(addresses=[address]).conditions.ready = True
    made.ports.add(name=PORT, port=port, protocol="TCP")
    return made


def endpoints_of(addresses: Sequence[str], port: int) -> corev1.Endpoints:
    """Return the Endpoints of the Service, which nobody mirrors into slices."""
    made = corev1.Endpoints()
    made.metadata.name, made.metadata.namespace = SERVICE, "default"
    made.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true"
    subset = made.subsets.add()
    for address in addresses:
        subset.addresses.add(ip=address)
    subset.ports.add(name=PORT, port=port, protocol="TCP")
    return made
