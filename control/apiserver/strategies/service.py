"""Services: defaults of ports and traffic, and what may change. Addresses and node ports come from allocation."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field
from control.apiserver.advice import services as advice
from control.apiserver.strategies import strategy
from control.apiserver.validation import names, numbers, services
from fairlead.api.pb import core_v1_pb2 as corev1

HEADLESS = "None"
STICKY_SECONDS = 10800
EXTERNAL = frozenset({"NodePort", "LoadBalancer"})


class ServiceStrategy(strategy.Strategy[corev1.Service]):
    """The rules of Services."""

    message = corev1.Service
    created_by_update = True
    selectable = {  # noqa: RUF012 - read only
        "spec.clusterIP": lambda service: service.spec.clusterIP,
        "spec.type": lambda service: service.spec.type,
    }

    def name_rule(self, name: str) -> names.Found:
        """Judge a name: it becomes a label in DNS."""
        return names.label_1035(name)

    def default(self, obj: corev1.Service) -> None:
        """Fill in what a Service leaves out."""
        spec = obj.spec
        spec.type = spec.type or "ClusterIP"
        spec.sessionAffinity = spec.sessionAffinity or "None"
        if spec.sessionAffinity == "None":
            spec.ClearField("sessionAffinityConfig")
        elif not spec.sessionAffinityConfig.clientIP.HasField("timeoutSeconds"):
            spec.sessionAffinityConfig.clientIP.timeoutSeconds = STICKY_SECONDS
        for port in spec.ports:
            port.protocol = port.protocol or "TCP"
            if not port.targetPort.intVal and not port.targetPort.strVal:
                port.targetPort.type = numbers.INT
                port.targetPort.intVal = port.port
        if spec.type in EXTERNAL:
            spec.externalTrafficPolicy = spec.externalTrafficPolicy or "Cluster"
        if spec.type == "LoadBalancer" and not spec.HasField("allocateLoadBalancerNodePorts"):
            spec.allocateLoadBalancerNodePorts = True
        if spec.type != "ExternalName" and not spec.HasField("internalTrafficPolicy"):
            spec.internalTrafficPolicy = "Cluster"

    def prepare_for_create(self, obj: corev1.Service) -> None:
        """Start without status."""
        strategy.drop_status(obj)
        _complete_addresses(obj.spec)

    def prepare_for_update(self, obj: corev1.Service, old: corev1.Service) -> None:
        """Keep the status, and what was allocated where the update leaves it out; drop what the new type has not."""
        strategy.keep_status(obj, old)
        spec, before = obj.spec, old.spec
        _complete_addresses(spec)
        if spec.type != "ExternalName" and before.type != "ExternalName" and not spec.clusterIP:
            spec.clusterIP = before.clusterIP
            del spec.clusterIPs[:]
            spec.clusterIPs.extend(before.clusterIPs)
        if spec.type == "ExternalName" and before.type != "ExternalName":
            if spec.clusterIP == before.clusterIP:
                spec.clusterIP = ""
                del spec.clusterIPs[:]
            for name in ("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
                spec.ClearField(name)
        if spec.type in EXTERNAL and before.type in EXTERNAL:
            _keep_node_ports(spec, before)
        elif spec.type not in EXTERNAL and before.type in EXTERNAL:
            _drop_node_ports(spec, before)
        if spec.type not in EXTERNAL and spec.externalTrafficPolicy == before.externalTrafficPolicy:
            spec.externalTrafficPolicy = ""
        if spec.type != "LoadBalancer":
            spec.ClearField("allocateLoadBalancerNodePorts")

    def advise(self, obj: corev1.Service, old: corev1.Service | None) -> Iterable[str]:
        """Warn of what the Service's type ignores."""
        return advice.service(obj)

    def validate(self, obj: corev1.Service) -> field.Faults:
        """Judge a Service."""
        return services.validate(obj)

    def validate_update(self, obj: corev1.Service, old: corev1.Service) -> field.Faults:
        """Judge a changed Service: its address stays unless its type changes."""
        return services.validate(obj) + services.validate_update(obj, old)


def _complete_addresses(spec: corev1.ServiceSpec) -> None:
    """Say the same in the fields of one address and of several; nobody owns what is said here for the caller."""
    if spec.type == "ExternalName":
        return
    if spec.clusterIP and not spec.clusterIPs:
        spec.clusterIPs.append(spec.clusterIP)
    elif spec.clusterIPs and not spec.clusterIP:
        spec.clusterIP = spec.clusterIPs[0]
    if not spec.ipFamilies:
        spec.ipFamilies.append("IPv4")
    if not spec.HasField("ipFamilyPolicy"):
        spec.ipFamilyPolicy = "SingleStack"


def _keep_node_ports(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> None:
    """Give ports that leave their node port out the one that the port of the same name had."""
    given = {port.nodePort for port in spec.ports}
    had = {port.name: port.nodePort for port in before.ports}
    for port in spec.ports:
        if not port.nodePort and had.get(port.name, 0) not in given:
            port.nodePort = had[port.name]


def _drop_node_ports(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> None:
    """Take away node ports that were only carried along from before."""
    had = {(port.protocol, port.port): port.nodePort for port in before.ports}
    for port in spec.ports:
        if port.nodePort and had.get((port.protocol, port.port)) == port.nodePort:
            port.nodePort = 0
