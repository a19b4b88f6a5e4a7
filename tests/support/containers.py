"""Containers for the API's tests: a relay in memory, whose logs and metrics a test writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics


@dataclass
class MemoryRelay:
    """`control.apiserver.relay.Relay`: lines by (pod, container), a container's last run by (pod, container, "-p").

    A command in a container is answered with its own words and what came in; `false` ends with code 1.
    """

    lines: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    nodes: list[metrics.NodeMetrics] = field(default_factory=list)
    asked: list[corev1.PodLogOptions] = field(default_factory=list)

    async def logs(self, namespace: str, pod: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Yield the lines that a test put there."""
        self.asked.append(options)
        key = (pod, options.container, "-p") if options.previous else (pod, options.container)
        if key not in self.lines:
            raise errors.BadRequest(f'previous terminated container "{options.container}" in pod "{pod}" not found')
        found = self.lines[key]
        for line in found[-options.tailLines :] if options.HasField("tailLines") else found:
            yield f"{line}\n".encode()

    async def exec(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Yield the command, then what is sent, then a status."""
        yield cluster.ServerFrame(data=f"{' '.join(start.command)}\n".encode())
        yield cluster.ServerFrame(stderr=b"to the error stream\n")
        if start.stdin:
            async for frame in frames:
                if frame.end:
                    break
                yield cluster.ServerFrame(data=frame.data)
        status = cluster.ServerFrame()
        status.status.status = "Success"
        if start.command[0] == "false":
            status.status.status, status.status.reason = "Failure", "NonZeroExitCode"
            status.status.message = "command terminated with non-zero exit code: exit status 1"
            status.status.details.causes.add(reason="ExitCode", message="1")
        yield status

    attach = exec
    port_forward = exec

    async def top(self, request: cluster.TopRequest) -> cluster.TopResponse:
        """Return the reports that a test put there."""
        answer = cluster.TopResponse(nodes=self.nodes)
        for node in answer.nodes:
            kept = [pod for pod in node.pods if request.pods and request.namespace in ("", pod.namespace)]
            del node.pods[:]
            node.pods.extend(kept)
        return answer
