"""The endpoints controller: for each Service the Endpoints that older clients read instead of EndpointSlices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from control.controllers import framework, servicepods, slices
from fairlead.api import errors, objects, pods
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

MAX_ADDRESSES = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
TRUNCATED = "truncated"

# An address as it is compared: (ip, pod's uid); a port: (name, protocol, port, application protocol).
Key = tuple[str, str]
Port = tuple[str, str, int, str]
Addresses = dict[Key, tuple[corev1.EndpointAddress, bool]]


def decide(service: corev1.Service, matching: Iterable[corev1.Pod]) -> corev1.Endpoints:
    """Return the Endpoints that a Service should have: ports with the same addresses share a subset. Pure."""
    fresh = corev1.Endpoints()
    meta = fresh.metadata
    meta.name, meta.namespace = service.metadata.name, service.metadata.namespace
    meta.labels.update(service.metadata.labels)
    if service.spec.clusterIP in ("", "None"):
        meta.labels[slices.HEADLESS] = ""
    by_port: dict[Port | None, Addresses] = {}
    for pod in matching:
        if not _belongs(pod, service):
            continue
        address = _address(pod, service)
        ready = service.spec.publishNotReadyAddresses or pods.is_ready(pod)
        for port in _ports(pod, service):
            by_port.setdefault(port, {})[address.ip, pod.metadata.uid] = (address, ready)
    fresh.subsets.extend(_packed(by_port))
    if _truncate(fresh):
        meta.annotations[OVER_CAPACITY] = TRUNCATED
    return fresh


def _belongs(pod: corev1.Pod, service: corev1.Service) -> bool:
    """Say whether a pod becomes an address: a terminating one only if the Service wants those not ready, too."""
    return slices.belongs(pod) and (service.spec.publishNotReadyAddresses or not pods.is_terminating(pod))


def _address(pod: corev1.Pod, service: corev1.Service) -> corev1.EndpointAddress:
    address = corev1.EndpointAddress(ip=pod.status.podIP)
    if pod.spec.nodeName:
        address.nodeName = pod.spec.nodeName
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        address.hostname = pod.spec.hostname
    address.targetRef.kind = "Pod"
    address.targetRef.namespace, address.targetRef.name = pod.metadata.namespace, pod.metadata.name
    address.targetRef.uid = pod.metadata.uid
    return address


def _ports(pod: corev1.Pod, service: corev1.Service) -> Iterator[Port | None]:
    """Iterate over a Service's ports as a pod offers them; a headless Service without ports has one that is none."""
    if not service.spec.ports:
        if service.spec.clusterIP == "None":
            yield None
        return
    yield from slices.ports_for(pod, service)


def _packed(by_port: Mapping[Port | None, Addresses]) -> Iterator[corev1.EndpointSubset]:
    """Put ports that have the same addresses, ready or not, into one subset."""
    grouped: dict[frozenset[tuple[Key, bool]], list[Port | None]] = {}
    for port, addresses in by_port.items():
        same = frozenset((key, ready) for key, (_, ready) in addresses.items())
        grouped.setdefault(same, []).append(port)
    for ports in sorted(grouped.values(), key=str):
        subset = corev1.EndpointSubset()
        for _, (address, ready) in sorted(by_port[ports[0]].items()):
            (subset.addresses if ready else subset.notReadyAddresses).append(address)
        for port in sorted(one for one in ports if one is not None):
            name, protocol, number, application = port
            made = subset.ports.add(name=name, protocol=protocol, port=number)
            if application:
                made.appProtocol = application
        yield subset


def _truncate(endpoints: corev1.Endpoints) -> bool:
    """Keep the first thousand addresses, those that are ready first; returns whether any went."""
    room, cut = MAX_ADDRESSES, False
    for part in ("addresses", "notReadyAddresses"):
        for subset in endpoints.subsets:
            listed = getattr(subset, part)
            cut = cut or len(listed) > room
            del listed[room:]
            room -= len(listed)
    return cut


class EndpointsController(servicepods.ServiceController):
    """Keeps the Endpoints of each Service that has a selector."""

    name = "endpoint-controller"
    workers = 5

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._endpoints = context.informers.of(corev1.Endpoints)
        self._endpoints.add_handler(self._endpoints_changed)

    def _endpoints_changed(self, change: str, old: corev1.Endpoints | None, new: corev1.Endpoints | None) -> None:
        """Put right what someone else changed or deleted; Endpoints without a Service are left alone."""
        each = new if new is not None else old
        assert each is not None
        if self.services.get_key(objects.key_of(each)) is not None:
            self.enqueue(objects.key_of(each))

    async def reconcile(self, key: str) -> framework.Result:
        service = self.services.get_key(key)
        existing = self._endpoints.get_key(key)
        if service is None:
            self.forget(key)
            return await self._delete(existing)
        if service.metadata.HasField("deletionTimestamp"):
            return framework.nothing("is being deleted")
        if not servicepods.has_endpoints(service):
            return framework.nothing("has no selector: its endpoints are its owner's business")
        wanted = decide(service, self.selected(key, service))
        count = sum(len(subset.addresses) for subset in wanted.subsets)
        if existing is None:
            self.wrote(key, await self._create(service, wanted))
            return framework.Result(f"created with {count} addresses")
        fresh = _changed(existing, wanted)
        if fresh == existing:
            return framework.nothing(f"shows its {count} addresses")
        self.wrote(key, await self._update(service, fresh))
        return framework.Result(f"updated to {count} addresses")

    async def _create(self, service: corev1.Service, wanted: corev1.Endpoints) -> corev1.Endpoints:
        try:
            return await self.client.create(wanted)
        except errors.ApiError as error:
            where = f"{wanted.metadata.namespace}/{wanted.metadata.name}"
            text = f"Failed to create endpoint for service {where}: {error}"
            self.recorder.warning(service, "FailedToCreateEndpoint", text)
            raise

    async def _update(self, service: corev1.Service, fresh: corev1.Endpoints) -> corev1.Endpoints:
        try:
            return await self.client.update(fresh)
        except errors.ApiError as error:
            if not isinstance(error, errors.Conflict):
                where = f"{fresh.metadata.namespace}/{fresh.metadata.name}"
                self.recorder.warning(
                    service, "FailedToUpdateEndpoint", f"Failed to update endpoint {where}: {error}"
                )
            raise

    async def _delete(self, existing: corev1.Endpoints | None) -> framework.Result:
        """Delete the Endpoints of a Service that is gone."""
        if existing is None:
            return framework.nothing("gone")
        meta = existing.metadata
        options = metav1.DeleteOptions(preconditions=metav1.Preconditions(uid=meta.uid))
        with contextlib.suppress(errors.NotFound):
            await self.client.delete(corev1.Endpoints, meta.name, meta.namespace, options=options)
        return framework.Result("deleted the endpoints of a Service that is gone")


def _changed(existing: corev1.Endpoints, wanted: corev1.Endpoints) -> corev1.Endpoints:
    """Return the Endpoints with what they should say; annotations of others stay."""
    fresh = objects.copy(existing)
    del fresh.subsets[:]
    fresh.subsets.extend(wanted.subsets)
    fresh.metadata.labels.clear()
    fresh.metadata.labels.update(wanted.metadata.labels)
    fresh.metadata.annotations.pop(OVER_CAPACITY, None)
    fresh.metadata.annotations.update(wanted.metadata.annotations)
    return fresh
