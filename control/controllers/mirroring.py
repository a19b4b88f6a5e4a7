"""The EndpointSlice mirroring controller: slices for the Endpoints that people write themselves.

A Service without a selector gets its addresses from whoever writes Endpoints of its name; proxies read slices only.
Each set of ports and address family of the Endpoints becomes one slice. Source: Kubernetes' documentation,
"EndpointSlices", section "EndpointSlice mirroring".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from control.controllers import framework, managedslices, ownership, slices
from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
OF_ENDPOINTS_ALONE = (
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
)
MAX_ADDRESSES = 1000

# A slice by what its endpoints share: address type and ports. Its endpoints by address and what it refers to.
Key = tuple[str, slices.Ports]
Group = dict[tuple[str, str], discoveryv1.Endpoint]


def is_mirrored(endpoints: corev1.Endpoints) -> bool:
    """Say whether Endpoints want slices: not those that forbid it, nor a leader election's."""
    return endpoints.metadata.labels.get(SKIP) != "true" and LEADER not in endpoints.metadata.annotations


def decide(endpoints: corev1.Endpoints, existing: Iterable[discoveryv1.EndpointSlice]) -> tuple[slices.Plan, int]:
    """Compare Endpoints with the slices that mirror them; also returns how many addresses are too many. Pure."""
    wanted, skipped = _wanted(endpoints)
    changes = slices.Changes()
    for each in existing:
        group = wanted.pop((each.addressType, slices.ports_of(each)), None)
        if group is None:
            changes.delete.append(each)
            continue
        fresh = _told(endpoints, each, list(group.values()))
        if fresh != each:
            changes.update.append(fresh)
    for (family, ports), group in wanted.items():
        changes.create.append(_made(endpoints, family, ports, list(group.values())))
    return changes.plan(), skipped


def _wanted(endpoints: corev1.Endpoints) -> tuple[dict[Key, Group], int]:
    """Return the endpoints of each slice, and how many addresses are beyond what a subset may have."""
    wanted: dict[Key, Group] = {}
    skipped = 0
    for subset in endpoints.subsets:
        ports = slices.sorted_ports(subset.ports)
        listed = [(each, True) for each in subset.addresses] + [(each, False) for each in subset.notReadyAddresses]
        skipped += max(len(listed) - MAX_ADDRESSES, 0)
        for address, ready in listed[:MAX_ADDRESSES]:
            family = f"IPv{ipaddress.ip_address(address.ip).version}"
            group = wanted.setdefault((family, ports), {})
            group.setdefault((address.ip, address.targetRef.uid), _endpoint(address, ready))
    return wanted, skipped


def _endpoint(address: corev1.EndpointAddress, ready: bool) -> discoveryv1.Endpoint:
    made = discoveryv1.Endpoint(addresses=[address.ip])
    made.conditions.ready = ready
    if address.nodeName:
        made.nodeName = address.nodeName
    if address.hostname:
        made.hostname = address.hostname
    if address.HasField("targetRef"):
        made.targetRef.CopyFrom(address.targetRef)
    return made


def _made(
    endpoints: corev1.Endpoints, family: str, ports: slices.Ports, listed: Sequence[discoveryv1.Endpoint]
) -> discoveryv1.EndpointSlice:
    made = discoveryv1.EndpointSlice(addressType=family)
    made.metadata.namespace = endpoints.metadata.namespace
    made.metadata.generateName = f"{endpoints.metadata.name}-"
    made.metadata.ownerReferences.append(ownership.reference_to(endpoints))
    slices.set_ports(made, ports)
    return _told(endpoints, made, listed)


def _told(
    endpoints: corev1.Endpoints, each: discoveryv1.EndpointSlice, listed: Sequence[discoveryv1.Endpoint]
) -> discoveryv1.EndpointSlice:
    """Return a slice with the labels, annotations and addresses of its Endpoints."""
    fresh = objects.copy(each)
    labels = dict(endpoints.metadata.labels)
    slices.label(fresh, labels | {slices.SERVICE_NAME: endpoints.metadata.name, slices.MANAGED_BY: MANAGER})
    fresh.metadata.annotations.clear()
    for name, value in endpoints.metadata.annotations.items():
        if name not in OF_ENDPOINTS_ALONE:
            fresh.metadata.annotations[name] = value
    del fresh.endpoints[:]
    fresh.endpoints.extend(listed)
    return fresh


class MirroringController(framework.OfKind[corev1.Endpoints]):
    """Keeps the slices of Endpoints whose Service has no selector."""

    name = "endpointslicemirroring-controller"
    kind = corev1.Endpoints

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._services = context.informers.of(corev1.Service)
        self._services.add_handler(self._service_changed)
        self._slices = managedslices.ManagedSlices(self, MANAGER)

    def _changed(self, change: str, old: corev1.Endpoints | None, new: corev1.Endpoints | None) -> None:
        each = new if new is not None else old
        assert each is not None
        self.enqueue(objects.key_of(each))

    def _service_changed(self, change: str, old: corev1.Service | None, new: corev1.Service | None) -> None:
        if old is None or new is None or bool(old.spec.selector) != bool(new.spec.selector):
            each = new if new is not None else old
            assert each is not None
            self.enqueue(objects.key_of(each))

    async def reconcile(self, key: str) -> framework.Result:
        endpoints, service = self.known.get_key(key), self._services.get_key(key)
        if endpoints is None or not is_mirrored(endpoints):
            return await self._slices.delete_all(key, "there are no Endpoints to mirror")
        if service is None:
            return await self._slices.delete_all(key, "there is no Service of this name")
        if service.spec.selector:
            return await self._slices.delete_all(key, "the Service selects pods")
        if endpoints.metadata.HasField("deletionTimestamp"):
            return framework.nothing("is being deleted")
        plan, skipped = decide(endpoints, self._slices.of(key))
        if skipped:
            told = f"A max of {MAX_ADDRESSES} addresses can be mirrored to EndpointSlices per Endpoints subset."
            told += f" {skipped} addresses were skipped"
            self.recorder.warning(endpoints, "TooManyAddressesToMirror", told)
        told = await self._slices.carry_out(key, plan)
        return framework.Result(f"{told} slices") if told else framework.nothing("its slices mirror it")
