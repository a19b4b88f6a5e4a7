"""What `nodes/NAME/proxy` answers: an agent has no port, so that it is what the control plane knows of the node."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from control.apiserver import relay
from fairlead.api import codec, conditions, errors, times
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics
from fairlead.client import interface

NANO = 1_000_000_000


class Nodes:
    """Answers for nodes."""

    def __init__(self, client: interface.Client, streams: relay.Relay) -> None:
        self._client = client
        self._relay = streams

    async def answer(self, name: str, method: str, path: str) -> web.Response:
        """Answer `healthz`, `pods` and `stats/summary`; errors.NotImplementedByServer for the rest of kubelet's."""
        node = await self._client.get(corev1.Node, name)
        what = path.strip("/") if method in ("GET", "HEAD") else ""
        if what == "healthz":
            ready = conditions.is_true(node.status.conditions, "Ready")
            return web.Response(status=200 if ready else 503, text="ok" if ready else "node is not ready")
        if what == "pods":
            return _json(await self._pods(name))
        if what == "stats/summary":
            return _json(summary(await self._report(name)))
        text = f'node "{name}" has no port of its own: of its paths only healthz, pods and stats/summary are served'
        raise errors.NotImplementedByServer(text)

    async def _pods(self, name: str) -> dict[str, Any]:
        select = interface.Selection(fields=f"spec.nodeName={name}")
        found = await self._client.list(corev1.Pod, select=select)
        return {
            "kind": "PodList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": found.resource_version},
            "items": [codec.to_json(pod) for pod in found.items],
        }

    async def _report(self, name: str) -> metrics.NodeMetrics:
        answer = await self._relay.top(cluster.TopRequest(pods=True))
        for report in answer.nodes:
            if report.node == name:
                return report
        raise errors.ServiceUnavailable(f'node "{name}" has not reported yet')


def summary(report: metrics.NodeMetrics) -> dict[str, Any]:
    """Return a report in the form of kubelet's Summary API."""
    time = times.format_seconds(report.timestamp.seconds)
    node = {
        "nodeName": report.node,
        "cpu": _cpu(time, report.cpu.used_cores),
        "memory": {
            "time": time,
            "availableBytes": report.memory.available,
            "workingSetBytes": report.memory.working_set,
        },
    }
    return {"node": node, "pods": [_pod(time, pod) for pod in report.pods]}


def _pod(time: str, pod: metrics.PodMetrics) -> dict[str, Any]:
    return {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "containers": [
            {"name": one.name, "cpu": _cpu(time, one.used_cores), "memory": _memory(time, one.working_set)}
            for one in pod.containers
        ],
        "cpu": _cpu(time, sum(one.used_cores for one in pod.containers)),
        "memory": _memory(time, sum(one.working_set for one in pod.containers)),
    }


def _cpu(time: str, cores: float) -> dict[str, Any]:
    return {"time": time, "usageNanoCores": int(cores * NANO)}


def _memory(time: str, working_set: int) -> dict[str, Any]:
    return {"time": time, "workingSetBytes": working_set}


def _json(document: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
