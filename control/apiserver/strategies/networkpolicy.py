"""NetworkPolicies: peers, ports, and the directions that a policy is about."""

from __future__ import annotations

import ipaddress
import itertools

from control.apiserver import field, notation
from control.apiserver.strategies import strategy
from control.apiserver.validation import names, numbers, selectors
from fairlead.api.pb import networking_v1_pb2 as networkingv1

PROTOCOLS = ("TCP", "UDP", "SCTP")
INGRESS, EGRESS = "Ingress", "Egress"
TYPES = (INGRESS, EGRESS)


class NetworkPolicyStrategy(strategy.Strategy[networkingv1.NetworkPolicy]):
    """The rules of NetworkPolicies."""

    message = networkingv1.NetworkPolicy

    def default(self, obj: networkingv1.NetworkPolicy) -> None:
        """Fill in protocols, and the directions: out only where the policy has rules for it."""
        spec = obj.spec
        rules = [*(rule.ports for rule in spec.ingress), *(rule.ports for rule in spec.egress)]
        for port in itertools.chain.from_iterable(rules):
            if not port.HasField("protocol"):
                port.protocol = "TCP"
        if not spec.policyTypes:
            spec.policyTypes.append(INGRESS)
            if spec.egress:
                spec.policyTypes.append(EGRESS)

    def prepare_for_create(self, obj: networkingv1.NetworkPolicy) -> None:
        """Start at generation 1."""
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: networkingv1.NetworkPolicy, old: networkingv1.NetworkPolicy) -> None:
        """Count the generation."""
        strategy.count_generation(obj, old)

    def validate(self, obj: networkingv1.NetworkPolicy) -> field.Faults:
        """Judge a NetworkPolicy."""
        spec = obj.spec
        faults = selectors.validate(spec.podSelector, "spec.podSelector")
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(getattr(spec, direction)):
                at = f"spec.{direction}[{index}]"
                for place, port in enumerate(rule.ports):
                    faults += _port(port, f"{at}.ports[{place}]")
                for place, peer in enumerate(getattr(rule, peers)):
                    faults += _peer(peer, f"{at}.{peers}[{place}]")
        if len(spec.policyTypes) > len(TYPES):
            shown = notation.typed_strings("networking.PolicyType", spec.policyTypes)
            text = "may not specify more than two policyTypes"
            return [*faults, field.invalid("spec.policyTypes", shown, text)]
        for index, kind in enumerate(spec.policyTypes):
            if kind not in TYPES:
                faults.append(field.unsupported(f"spec.policyTypes[{index}]", kind, TYPES))
        return faults


def _port(port: networkingv1.NetworkPolicyPort, path: str) -> field.Faults:
    faults: field.Faults = []
    if port.HasField("protocol") and port.protocol not in PROTOCOLS:
        faults.append(field.unsupported(f"{path}.protocol", port.protocol, PROTOCOLS))
    end = f"{path}.endPort"
    if not port.HasField("port"):
        if port.HasField("endPort"):
            faults.append(field.invalid(end, port.endPort, "may not be specified when `port` is not specified"))
    elif port.port.type == numbers.INT:
        faults += field.invalids(f"{path}.port", port.port.intVal, names.port(port.port.intVal))
        if port.HasField("endPort"):
            if port.endPort < port.port.intVal:
                text = "must be greater than or equal to `port`"
                faults.append(field.invalid(end, port.port.intVal, text))  # Kubernetes shows the other port
            faults += field.invalids(end, port.endPort, names.port(port.endPort))
    else:
        if port.HasField("endPort"):
            faults.append(field.invalid(end, port.endPort, "may not be specified when `port` is non-numeric"))
        faults += field.invalids(f"{path}.port", port.port.strVal, names.port_name(port.port.strVal))
    return faults


def _peer(peer: networkingv1.NetworkPolicyPeer, path: str) -> field.Faults:
    faults: field.Faults = []
    chosen = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.HasField(name)]
    for name in chosen:
        if name == "ipBlock":
            faults += _block(peer.ipBlock, f"{path}.ipBlock")
        else:
            faults += selectors.validate(getattr(peer, name), f"{path}.{name}")
    if not chosen:
        faults.append(field.required(path, "must specify a peer"))
    elif len(chosen) > 1 and "ipBlock" in chosen:
        faults.append(field.forbidden(path, "may not specify both ipBlock and another peer"))
    return faults


def _block(block: networkingv1.IPBlock, path: str) -> field.Faults:
    if not block.cidr:
        return [field.required(f"{path}.cidr")]
    if found := names.cidr(block.cidr):
        return field.invalids(f"{path}.cidr", block.cidr, found)
    whole = ipaddress.ip_network(block.cidr, strict=False)
    faults: field.Faults = []
    for index, text in enumerate(getattr(block, "except")):
        at = f"{path}.except[{index}]"
        if found := names.cidr(text):
            faults += field.invalids(at, text, found)
            continue
        part = ipaddress.ip_network(text, strict=False)
        if whole == part or whole.version != part.version or not part.subnet_of(whole):  # type: ignore[arg-type]
            faults.append(field.invalid(at, text, "must be a strict subset of `cidr`"))
    return faults
