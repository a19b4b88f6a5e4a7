"""Services: defaults of ports and traffic, and what may change. Addresses and node ports come from allocation."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field
from control.apiserver.advice import services as advice
from control.apiserver.strategies import strategy
from control.apiserver.validation import names, numbers, serviceaddresses, services
from fairlead.api.pb import core_v1_pb2 as corev1

STICKY_SECONDS = 10800


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
        elif spec.sessionAffinity == "ClientIP" and not spec.sessionAffinityConfig.clientIP.HasField(
            "timeoutSeconds"
        ):
            spec.sessionAffinityConfig.clientIP.timeoutSeconds = STICKY_SECONDS
        for port in spec.ports:
            port.protocol = port.protocol or "TCP"
            if not port.targetPort.intVal and not port.targetPort.strVal:
                port.targetPort.type = numbers.INT
                port.targetPort.intVal = port.port
        if services.is_reachable_from_outside(spec):
            spec.externalTrafficPolicy = spec.externalTrafficPolicy or "Cluster"
        if spec.type in services.WITH_ADDRESS and not spec.HasField("internalTrafficPolicy"):
            spec.internalTrafficPolicy = "Cluster"
        if spec.type == "LoadBalancer" and not spec.HasField("allocateLoadBalancerNodePorts"):
            spec.allocateLoadBalancerNodePorts = True
        self.default_status(obj)

    def default_status(self, obj: corev1.Service) -> None:
        """Say of a balancer's addresses how packets reach nodes by them: as they were sent."""
        if obj.spec.type == "LoadBalancer":
            for one in obj.status.loadBalancer.ingress:
                if one.ip and not one.HasField("ipMode"):
                    one.ipMode = "VIP"

    def prepare_for_create(self, obj: corev1.Service) -> None:
        """Start without status; say the same in the fields of one address and of several."""
        strategy.drop_status(obj)
        if obj.spec.clusterIP and not obj.spec.clusterIPs:
            obj.spec.clusterIPs.append(obj.spec.clusterIP)
        serviceaddresses.complete(obj.spec, None)

    def prepare_for_update(self, obj: corev1.Service, old: corev1.Service) -> None:
        """Keep the status, and what was allocated where the update leaves it out; drop what the new type has not."""
        strategy.keep_status(obj, old)
        _keep_allocated(obj.spec, old.spec)
        _agree(obj.spec, old.spec)
        serviceaddresses.complete(obj.spec, old.spec)
        _drop_unfitting(obj.spec, old.spec)
        if obj.spec.type != "LoadBalancer" and obj.status.HasField("loadBalancer"):
            obj.status.ClearField("loadBalancer")

    def advise(self, obj: corev1.Service, old: corev1.Service | None) -> Iterable[str]:
        """Warn of what the Service's type ignores."""
        return advice.service(obj)

    def validate(self, obj: corev1.Service) -> field.Faults:
        """Judge a Service."""
        return services.validate(obj)

    def validate_update(self, obj: corev1.Service, old: corev1.Service) -> field.Faults:
        """Judge a changed Service: its address stays unless its type changes."""
        return services.validate(obj, old)

    def validate_status_update(self, obj: corev1.Service, old: corev1.Service) -> field.Faults:
        """Judge the addresses of a balancer."""
        return services.status(obj)


def _keep_allocated(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> None:
    """Take over from before what was allocated and the update leaves out."""
    if spec.type in services.WITH_ADDRESS and before.type in services.WITH_ADDRESS:
        spec.clusterIP = spec.clusterIP or before.clusterIP
        if not spec.clusterIPs and spec.clusterIP == before.clusterIP:
            spec.clusterIPs.extend(before.clusterIPs)
    if services.needs_node_ports(spec) and services.needs_node_ports(before):
        kept = {port.nodePort for port in before.ports} & {port.nodePort for port in spec.ports}
        had = {port.name: port.nodePort for port in before.ports}
        for port in spec.ports:
            if not port.nodePort and had.get(port.name, 0) not in kept:
                port.nodePort = had.get(port.name, 0)
    if services.needs_health_check(spec) and services.needs_health_check(before):
        spec.healthCheckNodePort = spec.healthCheckNodePort or before.healthCheckNodePort


def _agree(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> None:
    """Follow the field of one address in that of several, which an older client sends back as it was."""
    if spec.clusterIP == before.clusterIP:
        if not spec.clusterIPs:
            spec.clusterIPs.extend(before.clusterIPs)
    elif spec.clusterIPs == before.clusterIPs:
        del spec.clusterIPs[:]
        if spec.clusterIP:
            spec.clusterIPs.append(spec.clusterIP)


def _drop_unfitting(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> None:
    """Drop what the new type has no use for, where it is only carried along from before."""
    unused: list[str] = []
    if before.type in services.WITH_ADDRESS and spec.type not in services.WITH_ADDRESS:
        unused += ["clusterIP", "clusterIPs"] if spec.clusterIPs == before.clusterIPs else []
        unused += ["ipFamilies", "ipFamilyPolicy"]
    if services.needs_health_check(before) and not services.needs_health_check(spec):
        unused.append("healthCheckNodePort")
    if before.type == "LoadBalancer" and spec.type != "LoadBalancer":
        unused += ["allocateLoadBalancerNodePorts", "loadBalancerClass"]
    if services.is_reachable_from_outside(before) and not services.is_reachable_from_outside(spec):
        unused.append("externalTrafficPolicy")
    for name in unused:
        if getattr(spec, name) == getattr(before, name):
            spec.ClearField(name)
    if services.needs_node_ports(before) and not services.needs_node_ports(spec):
        had = {port.nodePort for port in before.ports}
        if all(port.nodePort in had for port in spec.ports if port.nodePort):
            for port in spec.ports:
                port.nodePort = 0
