"""What the name and the path of a proxy request mean. Pure."""

from __future__ import annotations

import posixpath
import random
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from control.apiserver import dialing
from control.apiserver.target import Target
from control.gateway.streams import requests
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1

SCHEMES = ("", "http", "https")
HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class Name:
    """`[scheme:]name[:port]`, as the name of a proxied object has it."""

    scheme: str
    name: str
    port: str


@dataclass(frozen=True, slots=True)
class Destination:
    """A port of a pod, and the host that its requests name."""

    namespace: str
    pod: str
    port: int
    host: str


def parse(text: str, what: str) -> Name:
    """Take a name apart; errors.BadRequest where it has other parts."""
    parts = text.split(":")
    if len(parts) < 3:
        parts = ["", *parts, ""][:3]
    if len(parts) > 3 or parts[0] not in SCHEMES or not parts[1]:
        raise errors.BadRequest(f'invalid {what} request "{text}"')
    return Name(parts[0] or "http", parts[1], parts[2])


def of_pod(pod: corev1.Pod, port: str) -> Destination:
    """Return where a pod is meant: at a port by number or name, else at its first container's first port."""
    declared = [one for container in pod.spec.containers for one in container.ports]
    number = requests.port_of(port)
    if number is None:
        fitting = [one.containerPort for one in declared if not port or one.name == port]
        if port and not fitting:
            raise errors.BadRequest(f'invalid pod request "{pod.metadata.name}:{port}"')
        number = fitting[0] if fitting else HTTP_PORT
    host = pod.status.podIP or pod.metadata.name
    return Destination(pod.metadata.namespace, pod.metadata.name, number, f"{host}:{number}")


def of_service(
    service: corev1.Service, slices: Sequence[discoveryv1.EndpointSlice], port: str, choose: random.Random
) -> Destination:
    """Return one of a Service's ready pods, at the target of a port by number or name; "" is the port without one.

    Other endpoints have no agent.
    """
    name = service.metadata.name
    number = requests.port_of(port)
    if number is not None:
        fitting = [one.name for one in service.spec.ports if one.port == number]
        if not fitting:
            raise errors.ServiceUnavailable(f'no service port {number} found for service "{name}"')
        port = fitting[0]
    found = [one for one in dialing.endpoints(slices, port) if one[0].targetRef.kind == "Pod"]
    if not found:
        raise errors.ServiceUnavailable(f'no endpoints available for service "{name}"')
    endpoint, target = choose.choice(found)
    return Destination(
        service.metadata.namespace, endpoint.targetRef.name, target, f"{endpoint.addresses[0]}:{target}"
    )


def split(raw_path: str, what: Target) -> tuple[str, str]:
    """Return a path up to `proxy`, and what is behind it with its slash, both as they were sent."""
    parts = raw_path.split("/")
    count = 8 if what.namespace else 6  # /api/v1/[namespaces/NAMESPACE/]RESOURCE/NAME/proxy
    behind = parts[count:]
    return "/".join(parts[:count]), "/" + "/".join(behind) if behind else ""


def relocated(location: str, prefix: str, hosts: Sequence[str]) -> str:
    """Return a redirect of a proxied server as its caller can follow it: below the proxy's path.

    One to another host, or to a path that is below it already, stays as it is, and so does nonsense.
    """
    try:
        url = urllib.parse.urlsplit(location)
    except ValueError:
        return location
    if (url.netloc and url.netloc not in hosts) or not url.path.startswith("/"):
        return location
    if url.path == prefix or url.path.startswith(prefix + "/"):
        return location
    path = posixpath.normpath(prefix + url.path)
    if url.path.endswith("/") and not path.endswith("/"):
        path += "/"
    return urllib.parse.urlunsplit(("", "", path, url.query, url.fragment))
