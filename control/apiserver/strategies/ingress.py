"""Ingresses and their classes: hosts, paths and backends; a class names its controller once and for all."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta, names
from fairlead.api import names as naming
from fairlead.api.pb import networking_v1_pb2 as networkingv1

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
SCOPES = ("Cluster", "Namespace")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
MAX_CONTROLLER = 250
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDINGS = ("/..", "/.")
NOT_AN_ADDRESS = "must be a DNS name, not an IP address"


class IngressStrategy(strategy.SpecStrategy[networkingv1.Ingress]):
    """The rules of Ingresses."""

    message = networkingv1.Ingress

    def validate(self, obj: networkingv1.Ingress) -> field.Faults:
        """Judge a new Ingress: the old annotation must not contradict the class."""
        faults = _spec(obj.spec)
        named = obj.metadata.annotations.get(CLASS_ANNOTATION)
        if named is not None and obj.spec.HasField("ingressClassName") and named != obj.spec.ingressClassName:
            text = "must match `ingressClassName` when both are specified"
            faults.append(field.invalid(f"annotations.{CLASS_ANNOTATION}", named, text))
        return faults

    def advise(self, obj: networkingv1.Ingress, old: networkingv1.Ingress | None) -> Iterable[str]:
        """Warn of a class that an annotation names where it is new."""
        if CLASS_ANNOTATION in obj.metadata.annotations and (
            old is None or CLASS_ANNOTATION not in old.metadata.annotations
        ):
            yield f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"

    def validate_update(self, obj: networkingv1.Ingress, old: networkingv1.Ingress) -> field.Faults:
        """Judge a changed Ingress."""
        return _spec(obj.spec)

    def validate_status_update(self, obj: networkingv1.Ingress, old: networkingv1.Ingress) -> field.Faults:
        """Judge the addresses under which an Ingress is reached."""
        faults: field.Faults = []
        for index, point in enumerate(obj.status.loadBalancer.ingress):
            at = f"status.loadBalancer.ingress[{index}]"
            if point.ip:
                faults += field.invalids(f"{at}.ip", point.ip, names.ip(point.ip))
            if point.hostname:
                faults += field.invalids(f"{at}.hostname", point.hostname, names.subdomain(point.hostname))
                if is_address(point.hostname):
                    faults.append(field.invalid(f"{at}.hostname", point.hostname, NOT_AN_ADDRESS))
        return faults


class IngressClassStrategy(strategy.Strategy[networkingv1.IngressClass]):
    """The rules of IngressClasses."""

    message = networkingv1.IngressClass

    def default(self, obj: networkingv1.IngressClass) -> None:
        """Look for parameters in the cluster unless told otherwise."""
        if obj.spec.HasField("parameters") and not obj.spec.parameters.HasField("scope"):
            obj.spec.parameters.scope = "Cluster"

    def prepare_for_create(self, obj: networkingv1.IngressClass) -> None:
        """Start at generation 1."""
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: networkingv1.IngressClass, old: networkingv1.IngressClass) -> None:
        """Count the generation."""
        strategy.count_generation(obj, old)

    def validate(self, obj: networkingv1.IngressClass) -> field.Faults:
        """Judge an IngressClass."""
        path = "spec.controller"
        faults: field.Faults = []
        if len(obj.spec.controller) > MAX_CONTROLLER:
            faults.append(field.too_long(path, MAX_CONTROLLER))
        faults += meta.domain_prefixed_path(obj.spec.controller, path)
        if obj.spec.HasField("parameters"):
            faults += _parameters(obj.spec.parameters, "spec.parameters")
        return faults

    def validate_update(self, obj: networkingv1.IngressClass, old: networkingv1.IngressClass) -> field.Faults:
        """Judge a changed IngressClass: its controller stays."""
        controller = obj.spec.controller
        changed = meta.immutable("spec.controller", controller, controller != old.spec.controller)
        return changed + self.validate(obj)


def is_address(text: str) -> bool:
    """Say whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _spec(spec: networkingv1.IngressSpec) -> field.Faults:
    faults: field.Faults = []
    if not spec.rules and not spec.HasField("defaultBackend"):
        text = "Invalid value: []networking.IngressRule(nil): either `defaultBackend` or `rules` must be specified"
        faults.append(field.Cause("FieldValueInvalid", text, "spec"))
    if spec.HasField("defaultBackend"):
        faults += _backend(spec.defaultBackend, "spec.defaultBackend")
    for index, rule in enumerate(spec.rules):
        faults += _rule(rule, f"spec.rules[{index}]")
    for index, secured in enumerate(spec.tls):
        at = f"spec.tls[{index}]"
        for place, host in enumerate(secured.hosts):
            faults += field.invalids(f"{at}.hosts[{place}]", host, _host(host))
        if secured.secretName:
            faults += field.invalids(f"{at}.secretName", secured.secretName, names.subdomain(secured.secretName))
    if spec.HasField("ingressClassName"):
        name = spec.ingressClassName
        faults += field.invalids("spec.ingressClassName", name, names.subdomain(name))
    return faults


def _host(host: str) -> names.Found:
    return tuple(naming.wildcard_subdomain(host)) if "*" in host else names.subdomain(host)


def _rule(rule: networkingv1.IngressRule, path: str) -> field.Faults:
    faults: field.Faults = []
    if rule.host:
        if is_address(rule.host):
            faults.append(field.invalid(f"{path}.host", rule.host, NOT_AN_ADDRESS))
        faults += field.invalids(f"{path}.host", rule.host, _host(rule.host))
    if rule.ingressRuleValue.HasField("http"):
        paths = rule.ingressRuleValue.http.paths
        if not paths:
            faults.append(field.required(f"{path}.http.paths"))
        for index, each in enumerate(paths):
            faults += _path(each, f"{path}.http.paths[{index}]")
    return faults


def _path(value: networkingv1.HTTPIngressPath, path: str) -> field.Faults:
    if not value.HasField("pathType"):
        return [field.required(f"{path}.pathType", "pathType must be specified")]
    at, faults = f"{path}.path", []
    if value.pathType not in PATH_TYPES:
        faults.append(field.unsupported(f"{path}.pathType", value.pathType, PATH_TYPES))
    elif value.pathType == "ImplementationSpecific":
        if value.path and not value.path.startswith("/"):
            faults.append(field.invalid(at, value.path, "must be an absolute path"))
    else:
        if not value.path.startswith("/"):
            faults.append(field.invalid(at, value.path, "must be an absolute path"))
        for part in _BAD_SEQUENCES:
            if part in value.path:
                faults.append(field.invalid(at, value.path, f"must not contain '{part}'"))
        for part in _BAD_ENDINGS:
            if value.path.endswith(part):
                faults.append(field.invalid(at, value.path, f"cannot end with '{part}'"))
    return faults + _backend(value.backend, f"{path}.backend")


def _backend(backend: networkingv1.IngressBackend, path: str) -> field.Faults:
    has_service, has_resource = backend.HasField("service"), backend.HasField("resource")
    if has_service and has_resource:
        return [field.invalid(path, "", "cannot set both resource and service backends")]
    if has_resource:
        return _reference(backend.resource, f"{path}.resource")
    if not has_service:
        return [field.invalid(path, "", "resource or service backend is required")]
    service, port = backend.service, backend.service.port
    faults: field.Faults = []
    if not service.name:
        faults.append(field.required(f"{path}.service.name"))
    else:
        faults += field.invalids(f"{path}.service.name", service.name, names.label_1035(service.name))
    if port.name and port.number:
        faults.append(field.invalid(path, "", "cannot set both port name & port number"))
    elif port.name:
        faults += field.invalids(f"{path}.service.port.name", port.name, names.port_name(port.name))
    elif port.number:
        faults += field.invalids(f"{path}.service.port.number", port.number, names.port(port.number))
    else:
        faults.append(field.required(path, "port name or number is required"))
    return faults


def _reference(value: Any, path: str) -> field.Faults:
    """Judge what names another object by group, kind and name."""
    key = "apiGroup" if hasattr(value, "apiGroup") else "aPIGroup"
    faults: field.Faults = []
    if value.HasField(key):
        group = getattr(value, key)
        faults += field.invalids(f"{path}.apiGroup", group, names.subdomain(group))
    for part in ("kind", "name"):
        text = getattr(value, part)
        if not text:
            faults.append(field.required(f"{path}.{part}", f"{part} is required"))
        else:
            faults += field.invalids(f"{path}.{part}", text, naming.path_segment(text))
    return faults


def _parameters(value: networkingv1.IngressClassParametersReference, path: str) -> field.Faults:
    faults, at = _reference(value, path), f"{path}.namespace"
    if value.scope not in SCOPES:
        faults.append(field.unsupported(f"{path}.scope", value.scope, SCOPES))
    elif value.scope == "Cluster":
        if value.HasField("namespace"):
            faults.append(field.forbidden(at, "`parameters.scope` is set to 'Cluster'"))
    elif not value.HasField("namespace"):
        faults.append(field.required(at, "`parameters.scope` is set to 'Namespace'"))
    else:
        faults += field.invalids(at, value.namespace, names.label(value.namespace))
    return faults
