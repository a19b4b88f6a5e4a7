"""Handlers that run in or against a container: hooks (postStart, preStop) and what probes do.

Starting, stopping and the prober call it. A handler has succeeded where nothing is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import grpc
import yarl
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import intstr_pb2
from node.agent import context
from node.network.interface import Sandbox
from node.runtime import interface as runtime

OUTPUT_BYTES = 10 * 1024
_HOOK_SECONDS = 30.0
_REDIRECTS, _MOST_REDIRECTS = (301, 302, 303, 307, 308), 10
_STRING = 1
_USER_AGENT = "kube-probe/1.32"


class HookFailed(Exception):
    """A handler failed; the text is kubelet's."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Handlers of one running container."""

    parts: context.Parts
    pod: corev1.Pod
    container: corev1.Container
    id: str
    sandbox: Sandbox

    async def run(self, handler: corev1.LifecycleHandler, seconds: float = _HOOK_SECONDS) -> None:
        """Run a hook; HookFailed."""
        if handler.HasField("exec"):
            code, output = await self.exec(tuple(handler.exec.command), seconds)
            if code != 0:
                command = list(handler.exec.command)
                text = f"command '{' '.join(command)}' exited with {code}: {output.decode(errors='replace')}"
                raise HookFailed(f'Exec lifecycle hook ({command}) for Container "{self.container.name}": {text}')
        elif handler.HasField("httpGet"):
            await self.http(handler.httpGet, seconds)
        elif handler.HasField("sleep"):
            await self.parts.clock.sleep(float(handler.sleep.seconds))

    async def exec(self, command: tuple[str, ...], seconds: float) -> tuple[int, bytes]:
        """Run a command in the container; returns its status and the beginning of its output."""
        output = b""
        try:
            async with asyncio.timeout(seconds):
                stream = await self.parts.runtime.exec(self.id, runtime.ExecOptions(command))
                try:
                    while (chunk := await stream.read()) is not None:
                        output = (output + chunk.data)[:OUTPUT_BYTES]
                    return await stream.exit_code(), output
                finally:
                    await stream.close()
        except TimeoutError:
            raise HookFailed(f"command {' '.join(command)!r} timed out after {seconds:g}s") from None
        except runtime.RuntimeFault as error:
            raise HookFailed(str(error)) from error

    async def http(self, action: corev1.HTTPGetAction, seconds: float) -> str:
        """Ask over HTTP; a status from 200 to 399 is a success. Certificates are not verified, as by kubelet.

        Redirects are followed on the same host. One to another is not, and a success: then a sentence is returned.
        """
        scheme = (action.scheme or "HTTP").lower()
        path = action.path if action.path.startswith("/") else f"/{action.path}"
        host = action.host or self._address()
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port(action.port)}{path}"
        headers = {"User-Agent": _USER_AGENT, "Accept": "*/*"}
        headers |= {one.name: one.value for one in action.httpHeaders}
        try:
            async with asyncio.timeout(seconds):
                status, body = await self._answer(yarl.URL(url), headers)
        except TimeoutError:
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise HookFailed(f'Get "{url}": {text}') from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise HookFailed(f'Get "{url}": {_why(error, f"{host}:{self.port(action.port)}")}') from error
        if not 200 <= status < 400:
            raise HookFailed(f"HTTP probe failed with statuscode: {status}")
        return f"Probe terminated redirects, Response body: {body}" if status >= 300 else ""

    async def _answer(self, url: yarl.URL, headers: Mapping[str, str]) -> tuple[int, str]:
        """Return the status and the beginning of the body of the last answer on the way."""
        host = url.host
        for _ in range(_MOST_REDIRECTS + 1):
            async with self.parts.http().get(url, headers=headers, ssl=False, allow_redirects=False) as answer:
                to = answer.headers.get("Location", "") if answer.status in _REDIRECTS else ""
                following = url.join(yarl.URL(to)) if to else None
                if following is None or following.host != host:
                    return answer.status, (await answer.content.read(OUTPUT_BYTES)).decode(errors="replace")
                url = following
        raise HookFailed(f'Get "{url}": stopped after {_MOST_REDIRECTS} redirects')

    async def tcp(self, action: corev1.TCPSocketAction, seconds: float) -> None:
        """Open a connection, and close it."""
        host, port = action.host or self._address(), self.port(action.port)
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except TimeoutError:
            raise HookFailed(f"dial tcp {host}:{port}: i/o timeout") from None
        except OSError as error:
            raise HookFailed(_why(error, f"{host}:{port}")) from error

    async def grpc(self, action: corev1.GRPCAction, seconds: float) -> None:
        """Ask the standard health service (grpc.health.v1)."""
        address = f"{self._address()}:{action.port}"
        try:
            async with asyncio.timeout(seconds), grpc.aio.insecure_channel(address) as channel:
                request = health_pb2.HealthCheckRequest(service=action.service)
                answer = await health_pb2_grpc.HealthStub(channel).Check(request)
        except TimeoutError:
            raise HookFailed(f'timeout: failed to connect service "{address}" within {seconds:g}s') from None
        except grpc.aio.AioRpcError as error:
            raise HookFailed(f"error: health rpc failed: {error.details()}") from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            raise HookFailed(f'service unhealthy (responded with "{name}")')

    def port(self, port: intstr_pb2.IntOrString) -> int:
        """Return a port's number; a name is looked up among the container's ports."""
        if port.type != _STRING:
            return int(port.intVal)
        for one in self.container.ports:
            if one.name == port.strVal:
                return one.containerPort
        raise HookFailed(f"couldn't find port {port.strVal} in container {self.container.name}")

    def _address(self) -> str:
        return self.sandbox.addresses[0] if self.sandbox.addresses else "127.0.0.1"


def _why(error: BaseException, address: str) -> str:
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    return f"dial tcp {address}: {inner}"
