"""Webhooks and aggregated APIs behind Services: their pods are reached through the sessions of the nodes' agents."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from control.apiserver import dialing
from fairlead.api import errors, objects
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.testing import control
from tests.support import extension, hooks, pods, streaming
from tests.unit.apiserver.admission import test_webhooks

Validating = registrationv1.ValidatingWebhookConfiguration
PODS_PORT = 8080


async def service(made: streaming.Cluster, name: str = "hook") -> discoveryv1.EndpointSlice:
    """Make a Service on port 443, with the pod `web` behind it; returns its slice."""
    fresh = corev1.Service()
    fresh.metadata.name, fresh.metadata.namespace = name, "default"
    fresh.spec.ports.add(port=443).targetPort.intVal = PODS_PORT
    await made.control.client.create(fresh)
    slice_ = discoveryv1.EndpointSlice(addressType="IPv4")
    slice_.metadata.name, slice_.metadata.namespace = f"{name}-1", "default"
    slice_.metadata.labels[dialing.SERVICE_LABEL] = name
    slice_.ports.add(name="", port=PODS_PORT, protocol="TCP")
    endpoint = slice_.endpoints.add(addresses=["10.128.0.2"])
    endpoint.targetRef.kind, endpoint.targetRef.name, endpoint.targetRef.namespace = "Pod", "web", "default"
    made_slice = await made.control.client.create(slice_)
    await made.control.api.cache.fresh()
    return made_slice


async def test_connections_are_not_counted() -> None:
    """Watches and streams of an aggregated API keep theirs: a pool that is full would hold up everybody else."""
    async with control.memory_api() as api, api.dialer.connector(ssl.create_default_context()) as made:
        assert made.limit == 0


async def test_a_webhook_behind_a_service_is_reached_through_its_pods_session() -> None:
    """One connection serves many calls; a pod that does not listen is told; nothing is left behind."""
    async with streaming.cluster() as made, hooks.serving(hooks.allow()) as hook:
        api = made.control.api
        api.dialer.relay = made.control.relay
        made.network.port = hook.port
        await service(made)
        client = await test_webhooks.configure(api, Validating, hook)
        changed = objects.copy(await client.get(Validating, "policy"))
        where = changed.Webhooks[0].clientConfig
        where.ClearField("url")
        where.service.namespace, where.service.name, where.service.path = "default", "hook", "/hook"
        await client.update(changed)
        await api.cache.fresh()

        for name in ("a", "b"):
            await client.create(test_webhooks.config(name))
        await api.close()
        made.network.port = 1
        with pytest.raises(errors.InternalError) as refused:
            await client.create(test_webhooks.config("c"))
        async with hooks.serving(hooks.allow()) as stranger:
            made.network.port = stranger.port
            with pytest.raises(errors.InternalError) as distrusted:
                await client.create(test_webhooks.config("d"))
        await api.close()
        await made.until_quiet()

    assert [one["name"] for one in hook.asked] == ["a", "b"]
    assert 'failed to call webhook: Post "https://hook.default.svc:443/hook?timeout=5s": ' in refused.value.message
    assert "error trying to reach service: " in refused.value.message
    assert '?timeout=5s": tls: failed to verify certificate: ' in distrusted.value.message


async def test_a_stream_of_an_aggregated_api_goes_through_its_pods_session() -> None:
    """Upgraded from end to end; nothing is left behind once it has ended."""
    async with streaming.cluster() as made, extension.serving() as backend:
        api = made.control.api
        api.dialer.relay = made.control.relay
        made.network.port = backend.port
        await service(made, "wardle")
        client = api.as_user("admin", ["system:masters"])
        await extension.judge(client, await client.create(extension.apiservice(backend, 443)))
        await api.cache.fresh()

        async with made.http.ws_connect(f"{made.url}{extension.FLUNDERS}/a/console", protocols=["shout"]) as socket:
            await socket.send_str("hello" * 20_000)
            said = await socket.receive_str()
        await made.until_quiet()

    assert (socket.protocol, said) == ("shout", "HELLO" * 20_000)


async def test_a_connection_that_the_server_ends_is_forgotten() -> None:
    """Its client reads the end; nothing that carried it goes on."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with streaming.cluster() as made, server:
        dialer = made.control.api.dialer
        dialer.relay = made.control.relay
        made.network.port = server.sockets[0].getsockname()[1]
        await service(made)

        found = await dialer.connect("hook", "default", 443)
        assert isinstance(found, socket.socket)
        reader, writer = await asyncio.open_connection(sock=found)
        writer.write(b"x")

        assert await reader.read() == b""
        writer.close()
        await made.until_quiet()

        def carried() -> str:
            names = [task.get_name() for task in asyncio.all_tasks()]
            return "still carried" if "connection to a Service" in names else ""

        await pods.wait_until(carried)


async def test_where_a_service_leads() -> None:
    """To a ready endpoint, whose address is used where it is no pod; otherwise the reason is told."""
    async with streaming.cluster() as made:
        dialer = made.control.api.dialer
        slice_ = await service(made)

        async def why(name: str, port: int) -> str:
            with pytest.raises(dialing.Unreachable) as caught:
                await dialer.connect(name, "default", port)
            return str(caught.value)

        told = [await why("nobody", 443), await why("hook", 80)]
        without_sessions = await why("hook", 443)
        slice_.endpoints[0].ClearField("targetRef")
        slice_ = await made.control.client.update(slice_)
        await made.control.api.cache.fresh()
        address = await dialer.connect("hook", "default", 443)
        slice_.endpoints[0].conditions.ready = False
        await made.control.client.update(slice_)
        await made.control.api.cache.fresh()
        told.append(await why("hook", 443))

    assert told == [
        'service "nobody" not found',
        'no service port 80 found for service "hook"',
        'no endpoints available for service "hook"',
    ]
    assert without_sessions.endswith("this control process holds no agent sessions")
    assert address == ("10.128.0.2", PODS_PORT)
