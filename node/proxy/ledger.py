"""The ledger: which rules the Services want, and which of them are new since the last sync.

Called by the proxy, which owns it; calls the model and the rules. It keeps what each object contributes, so
that a changed Service or EndpointSlice recomputes that Service alone. `build` is the same as a pure function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from node.proxy import model, rules

Flows = dict[tuple[str, int], frozenset[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a sync has to write: chains with their whole content, and chains that must go."""

    chains: Mapping[rules.Chain, rules.Lines] = field(default_factory=dict)
    removed: frozenset[rules.Chain] = frozenset()
    # UDP destinations whose endpoints changed, with those that they have now.
    flows: Mapping[tuple[str, int], frozenset[tuple[str, int]]] = field(default_factory=dict)
    # Addresses to which a Service no longer leads TCP connections.
    gone: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to write."""
        return not (self.chains or self.removed or self.flows or self.gone)


class Ledger:
    """The wanted rules of one node, kept up object by object."""

    def __init__(self, config: model.Config) -> None:
        self._config = config
        self._services: dict[model.Key, tuple[model.ServicePort, ...]] = {}
        self._slices: dict[model.Key, dict[model.Key, model.Slice]] = {}
        self._owners: dict[model.Key, model.Key] = {}
        self._dirty: dict[model.Key, None] = {}
        self._ports: dict[model.Key, tuple[rules.PortRules, ...]] = {}
        self._own: dict[rules.Chain, rules.Lines] = {}
        self._shared: dict[rules.Chain, dict[model.Key, rules.Lines]] = {chain: {} for chain in rules.SHARED}
        self._changed: dict[rules.Chain, None] = {}
        self._removed: set[rules.Chain] = set()
        self._flows: Flows = {}
        self._gone: set[str] = set()

    @property
    def dirty(self) -> bool:
        """Tell whether an object has changed that `refresh` has not seen."""
        return bool(self._dirty)

    def reconfigure(self, config: model.Config) -> None:
        """Take new addresses, zone or flags of the same node; every Service is to be recomputed."""
        if (config.node_name, config.family) != (self._config.node_name, self._config.family):
            raise ValueError("a ledger is of one node and one address family")
        self._config = config
        self._dirty.update(dict.fromkeys(self._services))

    def put_service(self, service: corev1.Service) -> None:
        """Take a Service that is new or changed."""
        key = model.key_of(service)
        ports = model.service_ports(service, self._config)
        if ports == self._services.get(key, ()):
            return
        if ports:
            self._services[key] = ports
        else:
            self._services.pop(key, None)
        self._dirty[key] = None

    def remove_service(self, namespace: str, name: str) -> None:
        """Forget a Service; one that is not known is no error."""
        key = model.Key(namespace, name)
        if self._services.pop(key, None) is not None:
            self._dirty[key] = None

    def put_slice(self, message: discoveryv1.EndpointSlice) -> None:
        """Take an EndpointSlice that is new or changed."""
        key = model.key_of(message)
        found = model.slice_endpoints(message, self._config)
        owner = self._owners.get(key)
        if owner is not None and (found is None or found.service != owner):
            self.remove_slice(key.namespace, key.name)
        if found is None or self._slices.get(found.service, {}).get(key) == found:
            return
        self._owners[key] = found.service
        self._slices.setdefault(found.service, {})[key] = found
        self._dirty[found.service] = None

    def remove_slice(self, namespace: str, name: str) -> None:
        """Forget an EndpointSlice; one that is not known is no error."""
        key = model.Key(namespace, name)
        owner = self._owners.pop(key, None)
        if owner is None:
            return
        siblings = self._slices[owner]
        del siblings[key]
        if not siblings:
            del self._slices[owner]
        self._dirty[owner] = None

    def replace_all(self, services: Iterable[corev1.Service], slices: Iterable[discoveryv1.EndpointSlice]) -> None:
        """Take these objects and forget every other."""
        kept: set[model.Key] = set()
        for service in services:
            kept.add(model.key_of(service))
            self.put_service(service)
        for key in [key for key in self._services if key not in kept]:
            self.remove_service(key.namespace, key.name)
        kept = set()
        for one in slices:
            kept.add(model.key_of(one))
            self.put_slice(one)
        for key in [key for key in self._owners if key not in kept]:
            self.remove_slice(key.namespace, key.name)

    def refresh(self) -> Iterator[model.Key]:
        """Recompute each Service that is concerned; yields after each, so that a caller can pause."""
        while self._dirty:
            key = next(iter(self._dirty))
            del self._dirty[key]
            self._recompute(key)
            yield key

    def take(self) -> Changes:
        """Return what has changed since the last `take`, which its caller now has to write."""
        chains = {chain: self._content(chain) for chain in sorted(self._changed)}
        changes = Changes(chains, frozenset(self._removed), self._flows, frozenset(self._gone))
        self._changed, self._removed, self._flows, self._gone = {}, set(), {}, set()
        return changes

    def chains(self) -> dict[rules.Chain, rules.Lines]:
        """Return every chain that is wanted, with its content."""
        wanted = rules.base_chains(self._config)
        for chain in rules.SHARED:
            wanted[chain] = self._content(chain)
        wanted.update(self._own)
        return wanted

    def _content(self, chain: rules.Chain) -> rules.Lines:
        if chain not in self._shared:
            return self._own[chain]
        shares = self._shared[chain]
        ordered = sorted(shares, key=lambda key: (key.namespace, key.name))
        lines = [line for key in ordered for line in shares[key]]
        if chain == rules.SERVICES:
            lines.append(rules.services_tail(self._config))
        return tuple(lines)

    def _recompute(self, key: model.Key) -> None:
        before = self._ports.pop(key, ())
        endpoints = model.merge(self._slices.get(key, {}).values())
        after = tuple(
            rules.port_rules(port, endpoints.get((port.name, port.protocol), ()), self._config)
            for port in self._services.get(key, ())
        )
        if after:
            self._ports[key] = after
        if before != after:
            self._note_own(before, after)
            self._note_shared(key, before, after)
            self._note_flows(before, after)

    def _note_own(self, before: tuple[rules.PortRules, ...], after: tuple[rules.PortRules, ...]) -> None:
        wanted = {chain: lines for port in after for chain, lines in port.chains.items()}
        for port in before:
            for chain in port.chains:
                if chain not in wanted and self._own.pop(chain, None) is not None:
                    self._removed.add(chain)
                    self._changed.pop(chain, None)
        for chain, lines in wanted.items():
            if self._own.get(chain) != lines:
                self._own[chain] = lines
                self._changed[chain] = None
                self._removed.discard(chain)

    def _note_shared(
        self, key: model.Key, before: tuple[rules.PortRules, ...], after: tuple[rules.PortRules, ...]
    ) -> None:
        for chain, shares in self._shared.items():
            old = tuple(line for port in before for line in port.shared.get(chain, ()))
            new = tuple(line for port in after for line in port.shared.get(chain, ()))
            if old == new:
                continue
            self._changed[chain] = None
            if new:
                shares[key] = new
            else:
                shares.pop(key, None)

    def _note_flows(self, before: tuple[rules.PortRules, ...], after: tuple[rules.PortRules, ...]) -> None:
        old = {place: targets for port in before for place, targets in port.flows.items()}
        new = {place: targets for port in after for place, targets in port.flows.items()}
        for place in old.keys() | new.keys():
            targets = new.get(place, frozenset())
            if old.get(place) != targets:
                self._flows[place] = targets
        left = {address for port in after for address in port.targets}
        self._gone |= {address for port in before for address in port.targets} - left


def build(
    services: Iterable[corev1.Service],
    slices: Iterable[discoveryv1.EndpointSlice],
    config: model.Config,
) -> dict[rules.Chain, rules.Lines]:
    """Return every chain that these objects want on this node."""
    ledger = Ledger(config)
    ledger.replace_all(services, slices)
    for _ in ledger.refresh():
        pass
    return ledger.chains()
