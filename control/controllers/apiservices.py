"""APIServices: one for each group and version that is served here, and whether those served elsewhere answer.

Two controllers, as kube-aggregator's: registration keeps the local APIServices as built-in kinds and definitions of
custom resources come and go; availability looks at the Service of each other and asks it for its discovery.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from control.controllers import customkinds, framework
from fairlead.api import conditions, custom, errors, objects, scheme, times
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1

APIService = apiregistrationv1.APIService

MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ON_CHANGE = "onstart", "true"
AVAILABLE = "Available"
SERVICE_NAME = "kubernetes.io/service-name"
DEFAULT_PORT = 443
CHECK_SECONDS = 5.0
AGAIN_SECONDS = 30.0
# How groups are ordered where clients look for a resource, as in Kubernetes: the core first, custom ones last.
GROUP_PRIORITIES = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
}
VERSION_PRIORITIES = {("", "v1"): 1, ("autoscaling", "v2"): 30, ("flowcontrol.apiserver.k8s.io", "v1"): 21}
VERSION_PRIORITY = 15
CUSTOM_PRIORITY, CUSTOM_VERSION_PRIORITY = 1000, 100
Verdict = tuple[str, str, str]


def _directly(context: ssl.SSLContext) -> aiohttp.BaseConnector:
    return aiohttp.TCPConnector(ssl=context)


@dataclass(frozen=True, slots=True)
class Access:
    """How aggregated APIs are asked: as whom (files), and through what connector `name.namespace.svc` is found."""

    certificate: str = ""
    key: str = ""
    connector: Callable[[ssl.SSLContext], aiohttp.BaseConnector] = _directly


DIRECTLY = Access()


class RegistrationController(framework.Controller):
    """Keeps the APIServices of what this server serves itself; one key an APIService."""

    name = "apiservice-registration-controller"
    workers = 1

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._kinds = customkinds.CustomKinds(self.informers)
        self._services = self.informers.of(APIService)
        self._definitions = self.informers.of(custom.Definition)
        self._definitions.add_handler(self._defined)
        self._services.add_handler(self._changed)

    def keys(self) -> Iterable[str]:
        return {*(_name(kind.group, kind.version) for kind in self._local()), *self._managed()}

    def _local(self) -> Sequence[scheme.Kind]:
        """Return the kinds that an APIService stands for; as in Kubernetes none stands for that of APIServices."""
        return [
            kind
            for kind in self._kinds.scheme.versions()
            if not kind.compat and (kind.message is None or kind.group in GROUP_PRIORITIES)
        ]

    def _managed(self) -> Iterable[str]:
        for each in self._services.list():
            if each.metadata.labels.get(MANAGED) == ON_CHANGE:
                yield each.metadata.name

    def _defined(self, change: str, old: custom.Definition | None, new: custom.Definition | None) -> None:
        for definition in (old, new):
            for kind in custom.served_kinds(definition) if definition is not None else ():
                self.enqueue(_name(kind.group, kind.version))

    def _changed(self, change: str, old: APIService | None, new: APIService | None) -> None:
        each = new if new is not None else old
        assert each is not None
        if MANAGED in each.metadata.labels:
            self.enqueue(each.metadata.name)

    async def reconcile(self, key: str) -> framework.Result:
        version, _, group = key.partition(".")
        kinds = [kind for kind in self._local() if (kind.group, kind.version) == (group, version)]
        present = self._services.get(key)
        if not kinds:
            if present is None or present.metadata.labels.get(MANAGED) != ON_CHANGE:
                return framework.nothing("is none of ours")
            await self.client.delete(APIService, key)
            return framework.Result("deleted, as nothing serves it any more")
        wanted = local(group, version, is_custom=all(k.message is None for k in kinds))
        if present is not None:
            if MANAGED not in present.metadata.labels or present.spec == wanted.spec:
                return framework.nothing("is there")
            fresh = objects.copy(present)
            fresh.spec.CopyFrom(wanted.spec)
            self.wrote(key, await self.client.update(fresh))
            return framework.Result("put right")
        try:
            made = await self.client.create(wanted)
        except errors.AlreadyExists:
            return framework.nothing("is there")
        self.wrote(key, made)
        return framework.Result("registered")


def _name(group: str, version: str) -> str:
    return f"{version}.{group}"


def local(group: str, version: str, *, is_custom: bool) -> APIService:
    """Return the APIService of a group and version that are served here."""
    made = APIService()
    made.metadata.name = _name(group, version)
    made.metadata.labels[MANAGED] = ON_CHANGE if is_custom else ON_START
    made.spec.group, made.spec.version = group, version
    if is_custom:
        made.spec.groupPriorityMinimum, made.spec.versionPriority = CUSTOM_PRIORITY, CUSTOM_VERSION_PRIORITY
    else:
        made.spec.groupPriorityMinimum = GROUP_PRIORITIES[group]
        made.spec.versionPriority = VERSION_PRIORITIES.get((group, version), VERSION_PRIORITY)
    return made


class AvailabilityController(framework.Controller):
    """Says of each APIService whether it can be asked; one key an APIService."""

    name = "apiservice-availability-controller"
    workers = 4

    def __init__(self, context: framework.Context, access: Access = DIRECTLY) -> None:
        super().__init__(context)
        self._access = access
        self._services = self.informers.of(APIService)
        self._targets = self.informers.of(corev1.Service)
        self._slices = self.informers.of(discoveryv1.EndpointSlice)
        self._services.add_handler(lambda change, old, new: self._look(new))
        self._targets.add_handler(lambda change, old, new: self._behind(new or old))
        self._slices.add_handler(lambda change, old, new: self._behind(new or old, by_label=True))

    def keys(self) -> Iterable[str]:
        return [each.metadata.name for each in self._services.list() if each.spec.HasField("service")]

    def _look(self, service: APIService | None) -> None:
        if service is not None and service.spec.HasField("service"):
            self.enqueue(service.metadata.name)

    def _behind(self, changed: Any, *, by_label: bool = False) -> None:
        name = changed.metadata.labels.get(SERVICE_NAME, "") if by_label else changed.metadata.name
        for each in self._services.list():
            wanted = each.spec.service
            if (wanted.namespace, wanted.name) == (changed.metadata.namespace, name):
                self._look(each)

    async def reconcile(self, key: str) -> framework.Result:
        service = self._services.get(key)
        if service is None or not service.spec.HasField("service"):
            return framework.nothing("is served here, or gone")
        wanted = service.spec.service
        target = self._targets.get(wanted.name, wanted.namespace)
        slices = [
            each
            for each in self._slices.list(wanted.namespace)
            if each.metadata.labels.get(SERVICE_NAME) == wanted.name
        ]
        verdict = judge(service, target, slices)
        if verdict is None:
            assert target is not None
            verdict = await self._ask(service, target)
        fresh = objects.copy(service)
        status, reason, message = verdict
        stamp = times.from_seconds(self.clock.now())
        if not conditions.set_condition(
            fresh.status.conditions, AVAILABLE, status, stamp, reason=reason, message=message
        ):
            return framework.nothing(message, AGAIN_SECONDS)
        self.wrote(key, await self.client.update(fresh, subresource="status"))
        return framework.Result(message, again_seconds=AGAIN_SECONDS)

    async def _ask(self, service: APIService, target: corev1.Service) -> Verdict:
        """Ask the server for its discovery; any answer but a success is a failure."""
        wanted, spec = service.spec.service, service.spec
        host = target.spec.externalName if target.spec.type == "ExternalName" else target.spec.clusterIP
        port = wanted.port if wanted.HasField("port") else DEFAULT_PORT
        path = f":{port}/apis/{spec.group}/{spec.version}"
        url, shown = f"https://{wanted.name}.{wanted.namespace}.svc{path}", f"https://{host}{path}"
        tls = ssl.create_default_context(cadata=spec.caBundle.decode() or None)
        if spec.insecureSkipTLSVerify:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if self._access.certificate:
            tls.load_cert_chain(self._access.certificate, self._access.key)
        named = {"X-Remote-User": "system:kube-aggregator", "X-Remote-Group": "system:masters"}
        try:
            async with (
                asyncio.timeout(CHECK_SECONDS),
                aiohttp.ClientSession(connector=self._access.connector(tls)) as session,
                session.get(url, headers=named, allow_redirects=False) as answer,
            ):
                if 200 <= answer.status < 300:
                    return conditions.TRUE, "Passed", "all checks passed"
                why = f"bad status from {shown}: {answer.status}"
        except TimeoutError:
            why = "context deadline exceeded"
        except (aiohttp.ClientError, OSError) as error:
            why = str(error)
        return conditions.FALSE, "FailedDiscoveryCheck", f"failing or missing response from {shown}: {why}"


def judge(
    service: APIService, target: corev1.Service | None, slices: Sequence[discoveryv1.EndpointSlice]
) -> Verdict | None:
    """Return what can be said without asking the server; None where it must be asked. Pure."""
    wanted = service.spec.service
    named = f'service/{wanted.name} in "{wanted.namespace}"'
    if target is None:
        return conditions.FALSE, "ServiceNotFound", f"{named} is not present"
    if target.spec.type == "ExternalName":
        return None
    number = wanted.port if wanted.HasField("port") else DEFAULT_PORT
    port = next((each for each in target.spec.ports if each.port == number), None)
    if port is None:
        return conditions.FALSE, "ServicePortError", f"{named} is not listening on port {number}"
    if not slices:
        return conditions.FALSE, "EndpointsNotFound", f"cannot find endpoints for {named}"
    for each in slices:
        ports = [one for one in each.ports if one.name == port.name]
        ready = [one for one in each.endpoints if not one.conditions.HasField("ready") or one.conditions.ready]
        if ports and ready:
            return None
    text = f'endpoints for {named} have no addresses with port name "{port.name}"'
    return conditions.FALSE, "MissingEndpoints", text
