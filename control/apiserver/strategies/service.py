"""Services: defaults of ports and traffic. Addresses and node ports are given by allocation, not here."""

from __future__ import annotations

from control.apiserver.strategies import strategy
from control.apiserver.validation import names, numbers
from fairlead.api.pb import core_v1_pb2 as corev1


class ServiceStrategy(strategy.Strategy[corev1.Service]):
    """The rules of Services."""

    message = corev1.Service
    name_rule = staticmethod(names.label_1035)

    def default(self, obj: corev1.Service) -> None:
        """Fill in what a Service leaves out."""
        spec = obj.spec
        spec.type = spec.type or "ClusterIP"
        spec.sessionAffinity = spec.sessionAffinity or "None"
        for port in spec.ports:
            port.protocol = port.protocol or "TCP"
            if not port.targetPort.intVal and not port.targetPort.strVal:
                port.targetPort.type = numbers.INT
                port.targetPort.intVal = port.port
        if spec.type in ("NodePort", "LoadBalancer"):
            spec.externalTrafficPolicy = spec.externalTrafficPolicy or "Cluster"
        if spec.type != "ExternalName" and not spec.HasField("internalTrafficPolicy"):
            spec.internalTrafficPolicy = "Cluster"

    def prepare_for_create(self, obj: corev1.Service) -> None:
        """Start without status."""
        strategy.drop_status(obj)

    def prepare_for_update(self, obj: corev1.Service, old: corev1.Service) -> None:
        """Keep the status."""
        strategy.keep_status(obj, old)
