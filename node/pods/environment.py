"""A container's environment variables. Pure.

In Kubernetes' order of precedence: services of the namespace, `envFrom` in its order, `env` in its order; a value
may use variables that stand before it as `$(NAME)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fairlead.api.pb import core_v1_pb2 as corev1
from node.pods import fields, sources
from node.pods.sources import Missing, Sources

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


class BadEnvironment(Exception):
    """A variable that cannot be made; the container waits with CreateContainerConfigError."""


def variables(facts: fields.PodFacts, container: corev1.Container, given: Sources) -> dict[str, str]:
    """Return a container's variables; BadEnvironment where something that they name is missing."""
    pod = facts.pod
    namespace = pod.metadata.namespace
    linked = not pod.spec.HasField("enableServiceLinks") or pod.spec.enableServiceLinks
    services = service_variables(given.services(namespace), namespace, linked=linked)
    found: dict[str, str] = {}
    try:
        for origin in container.envFrom:
            found |= _all_of(origin, namespace, given)
        for variable in container.env:
            if variable.HasField("valueFrom"):
                value = _referenced(facts, container, variable.valueFrom, namespace, given)
                if value is None:
                    continue
            else:
                value = expand(variable.value, services | found)
            found[variable.name] = value
    except (Missing, fields.BadField) as error:
        raise BadEnvironment(str(error)) from error
    return services | found


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value and `$$` by `$`; a name that is not known stays as it is written."""

    def replaced(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return values.get(match[2], match[0])

    return _REFERENCE.sub(replaced, text)


def unknown(text: str, values: Mapping[str, str]) -> list[str]:
    """Return the names in a text that have no value."""
    return [match[2] for match in _REFERENCE.finditer(text) if match[1] != "$" and match[2] not in values]


def service_variables(services: list[corev1.Service], namespace: str, *, linked: bool) -> dict[str, str]:
    """Return the variables that tell of services, as Docker's links did; without links only of `kubernetes`."""
    found: dict[str, str] = {}
    for service in services:
        meta, spec = service.metadata, service.spec
        system = meta.namespace == "default" and meta.name == "kubernetes"
        if (
            spec.clusterIP in ("", "None")
            or not spec.ports
            or not (system or (linked and meta.namespace == namespace))
        ):
            continue
        prefix = meta.name.upper().replace("-", "_")
        found[f"{prefix}_SERVICE_HOST"] = spec.clusterIP
        found[f"{prefix}_SERVICE_PORT"] = str(spec.ports[0].port)
        for port in spec.ports:
            if port.name:
                found[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        found |= _links(prefix, spec)
    return found


def _links(prefix: str, spec: corev1.ServiceSpec) -> dict[str, str]:
    host = f"[{spec.clusterIP}]" if ":" in spec.clusterIP else spec.clusterIP
    found: dict[str, str] = {}
    for index, port in enumerate(spec.ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{host}:{port.port}"
        one = f"{prefix}_PORT_{port.port}_{protocol}"
        if index == 0:
            found[f"{prefix}_PORT"] = url
        found |= {
            one: url,
            f"{one}_PROTO": protocol.lower(),
            f"{one}_PORT": str(port.port),
            f"{one}_ADDR": spec.clusterIP,
        }
    return found


def _all_of(origin: corev1.EnvFromSource, namespace: str, given: Sources) -> dict[str, str]:
    if origin.HasField("configMapRef"):
        ref = origin.configMapRef
        data = sources.config_map_data(given, namespace, ref.localObjectReference.name, optional=ref.optional)
        values = dict(data[0]) if data else {}
    else:
        secret = origin.secretRef
        found = sources.secret_data(given, namespace, secret.localObjectReference.name, optional=secret.optional)
        values = {key: _text(value) for key, value in (found or {}).items()}
    return {origin.prefix + key: values[key] for key in sorted(values)}


def _referenced(
    facts: fields.PodFacts, container: corev1.Container, source: corev1.EnvVarSource, namespace: str, given: Sources
) -> str | None:
    if source.HasField("fieldRef"):
        return fields.field(facts, source.fieldRef.fieldPath)
    if source.HasField("resourceFieldRef"):
        return fields.resource(facts, container, source.resourceFieldRef)
    if source.HasField("configMapKeyRef"):
        key = source.configMapKeyRef
        name = key.localObjectReference.name
        data = sources.config_map_data(given, namespace, name, optional=key.optional)
        return _picked(data[0] if data else {}, key.key, key.optional, f"ConfigMap {namespace}/{name}")
    secret = source.secretKeyRef
    name = secret.localObjectReference.name
    found = sources.secret_data(given, namespace, name, optional=secret.optional)
    values = {secret.key: _text(found[secret.key])} if found and secret.key in found else {}
    return _picked(values, secret.key, secret.optional, f"Secret {namespace}/{name}")


def _picked(values: Mapping[str, str], key: str, optional: bool, owner: str) -> str | None:
    if key in values:
        return values[key]
    if optional:
        return None
    raise Missing(f"couldn't find key {key} in {owner}")


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")
