"""What every cluster has from the start: Kubernetes' namespaces, the Service `kubernetes`, roles and bindings.

Every control process calls `ensure` once its cache is ready; they do not hinder each other. It acts in group
system:masters, which needs no role; everyone else waits for it, because it makes the roles that they work by.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from control.apiserver import authn, server
from control.apiserver.rbac import reconcile
from control.apiserver.settings import Settings
from control.apiserver.strategies import flowdefaults, priorityclass
from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Client

_log = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)

KEEP_SECONDS = 60.0  # as often as Kubernetes looks

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
REST_PORT = 6443
AUTHENTICATION = "extension-apiserver-authentication"


async def ensure(api: server.ApiServer) -> str:
    """Create what is missing; returns a sentence."""
    client = _server(api)
    made = await _ensure_kept(client)
    if await _ensure_service(client, api.settings):
        made.append("service kubernetes")
    made += [
        f"priority class {one.metadata.name}"
        for one in priorityclass.SYSTEM_CLASSES.values()
        if await _ensure_object(client, one)
    ]
    written = await reconcile.ensure(client)
    if written:
        made.append(f"{len(written)} roles and bindings")
    await api.cache.fresh()  # decisions are made on what the cache shows
    return f"created {', '.join(made)}" if made else "everything was there"


async def keep(api: server.ApiServer) -> None:
    """Make the built-in namespaces and flows again where somebody deleted or changed them; one supervised task."""
    while True:
        await asyncio.sleep(KEEP_SECONDS)
        try:
            if made := await ensure_kept(api):
                _log.warning("built-in objects", extra={"outcome": made})
        except errors.ApiError as error:
            _log.warning("built-in objects", extra={"outcome": f"could not be looked after: {error.message}"})


async def ensure_kept(api: server.ApiServer) -> str:
    """Make again what Kubernetes keeps as it is; returns a sentence, "" where nothing was otherwise."""
    made = await _ensure_kept(_server(api))
    return f"made again: {', '.join(made)}" if made else ""


def _server(api: server.ApiServer) -> Client:
    return api.client(authn.SERVER)


async def _ensure_kept(client: Client) -> list[str]:
    made = [name for name in NAMESPACES if await _ensure_namespace(client, name)]
    flows = await _ensure_flows(client, flowdefaults.levels()) + await _ensure_flows(client, flowdefaults.schemas())
    if flows:
        made.append(f"{flows} flow schemas and priority levels")
    return made


async def _ensure_flows(client: Client, built_in: Sequence[flowdefaults.Flow]) -> int:
    """Make what is missing, bring back what has been changed, remove what was built in once; returns how many."""
    acted = 0
    there = {one.metadata.name: one for one in (await client.list(type(built_in[0]))).items}
    for wanted in built_in:
        current = there.get(wanted.metadata.name)
        if current is None:
            acted += await _ensure_object(client, wanted)
        elif (changed := flowdefaults.revised(current, wanted)) is not None:
            with contextlib.suppress(errors.Conflict, errors.NotFound):  # another control process was first
                await client.update(changed)
                acted += 1
    names = {wanted.metadata.name for wanted in built_in}
    for current in there.values():
        if flowdefaults.is_left_over(current, names):
            with contextlib.suppress(errors.NotFound):
                await client.delete(type(current), current.metadata.name)
                acted += 1
    return acted


async def publish_authentication(api: server.ApiServer, authority: str, front_proxy: str) -> None:
    """Tell aggregated APIs whose certificates to believe: callers' own, and the gateway's that speaks for callers."""
    client = _server(api)
    wanted = {
        "client-ca-file": authority,
        "requestheader-client-ca-file": authority,
        "requestheader-allowed-names": f'["{front_proxy}"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    try:
        found = objects.copy(await client.get(corev1.ConfigMap, AUTHENTICATION, "kube-system"))
    except errors.NotFound:
        made = corev1.ConfigMap(data=wanted)
        made.metadata.name, made.metadata.namespace = AUTHENTICATION, "kube-system"
        with contextlib.suppress(errors.AlreadyExists):
            await client.create(made)
        return
    found.data.update(wanted)
    with contextlib.suppress(errors.Conflict):  # another control process says the same
        await client.update(found)


async def _ensure_namespace(client: Client, name: str) -> bool:
    namespace = corev1.Namespace()
    namespace.metadata.name = name
    return await _ensure_object(client, namespace)


async def _ensure_object(client: Client, wanted: M) -> bool:
    """Create a cluster-scoped object that is not there; what is there stays as it is."""
    try:
        await client.get(type(wanted), wanted.metadata.name)  # type: ignore[attr-defined]
    except errors.NotFound:
        try:
            await client.create(wanted)
        except errors.AlreadyExists:
            return False
        return True
    return False


async def _ensure_service(client: Client, settings: Settings) -> bool:
    try:
        await client.get(corev1.Service, "kubernetes", "default")
    except errors.NotFound:
        try:
            await client.create(kubernetes_service(settings))
        except errors.AlreadyExists:
            return False
        return True
    return False


def kubernetes_service(settings: Settings) -> corev1.Service:
    """Return the Service by which pods reach the API: the first address of the range, the REST port behind 443."""
    service = corev1.Service()
    service.metadata.name, service.metadata.namespace = "kubernetes", "default"
    service.metadata.labels.update({"component": "apiserver", "provider": "kubernetes"})
    service.spec.clusterIP = str(ipaddress.ip_network(settings.service_cidr)[1])
    service.spec.ports.add(name="https", protocol="TCP", port=443).targetPort.intVal = REST_PORT
    return service
