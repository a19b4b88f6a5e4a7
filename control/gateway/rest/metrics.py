"""metrics.k8s.io/v1beta1: what nodes and pods use, from the newest reports that the relay knows of.

`kubectl top` and autoscalers read it. The kinds lie nowhere, so this answers their paths itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from control.apiserver import authz, relay, server
from control.gateway.rest import answers, discovery, media, paths, queries
from control.gateway.rest.handlers import Call
from fairlead.api import errors, quantity, scheme, selectors
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import metrics_pb2 as fairleadv1
from fairlead.api.pb import metrics_v1beta1_pb2 as metricsv1beta1

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
PREFIX = f"/apis/{GROUP}/{VERSION}/"
READ = ("get", "list")
RESOURCES = (
    discovery.Resource("nodes", GROUP, VERSION, "NodeMetrics", False, READ),
    discovery.Resource("pods", GROUP, VERSION, "PodMetrics", True, READ),
)
_NANOS = 1_000_000_000


class Metrics:
    """The handler of all paths below PREFIX."""

    def __init__(self, api: server.ApiServer, streams: relay.Relay) -> None:
        self._api = api
        self._relay = streams

    async def __call__(self, call: Call) -> web.StreamResponse:
        """Answer nodes or pods, all or one."""
        path = paths.parse(call.rest)
        if path is None or path.resource not in ("nodes", "pods") or path.subresource:
            raise errors.NotFound("the server could not find the requested resource")
        verb = paths.verb(call.request.method, path, False)
        if verb not in READ:
            raise errors.MethodNotAllowed(paths.NOT_ALLOWED)
        self._api.authorize(authz.Attributes(call.user, verb, GROUP, path.resource, "", path.namespace, path.name))
        form = media.accepted(call.request.headers.get("Accept", ""), GROUP)
        answer = answers.Answer(call.request, form, answers.header_text(call.request.headers.get("Audit-Id", "")))
        pods = path.resource == "pods"
        top = await self._relay.top(cluster.TopRequest(pods=pods, namespace=path.namespace))
        items: list[Any] = list(self._of_pods(top.nodes, path.namespace) if pods else self._of_nodes(top.nodes))
        if path.name:
            found = next((one for one in items if one.metadata.name == path.name), None)
            if found is None:
                raise errors.not_found(GROUP, path.resource, path.name)
            return await answer.message(found)
        wanted = _selector(call.request.query)
        chosen = [one for one in items if wanted.matches(one.metadata.labels)]
        chosen.sort(key=lambda one: (one.metadata.namespace, one.metadata.name))
        kind = metricsv1beta1.PodMetricsList if pods else metricsv1beta1.NodeMetricsList
        return await answer.message(kind(items=chosen))

    def _of_nodes(self, reports: Iterable[fairleadv1.NodeMetrics]) -> Iterable[metricsv1beta1.NodeMetrics]:
        for report in reports:
            found = metricsv1beta1.NodeMetrics()
            self._begin(found, report, corev1.Node, "", report.node)
            _use(found.usage, report.cpu.used_cores, report.memory.working_set)
            yield found

    def _of_pods(
        self, reports: Iterable[fairleadv1.NodeMetrics], namespace: str
    ) -> Iterable[metricsv1beta1.PodMetrics]:
        for report in reports:
            for pod in report.pods:
                if namespace not in ("", pod.namespace):
                    continue
                found = metricsv1beta1.PodMetrics()
                self._begin(found, report, corev1.Pod, pod.namespace, pod.name)
                for container in pod.containers:
                    row = found.containers.add(name=container.name)
                    _use(row.usage, container.used_cores, container.working_set)
                yield found

    def _begin(self, found: Any, report: fairleadv1.NodeMetrics, kind: type[Any], namespace: str, name: str) -> None:
        """Fill in what both kinds have: whose figures, when and over how long; the labels are the object's."""
        found.metadata.name, found.metadata.namespace = name, namespace
        found.metadata.creationTimestamp.CopyFrom(report.timestamp)
        entry = self._api.cache.get(scheme.DEFAULT.of(kind), namespace, name)
        if entry is not None:
            found.metadata.labels.update(entry.object.metadata.labels)
        found.timestamp.CopyFrom(report.timestamp)
        found.window.CopyFrom(metav1.Duration(duration=int(report.window_seconds * _NANOS)))


def _use(usage: Any, cores: float, working_set: int) -> None:
    usage["cpu"].string = quantity.canonical(f"{round(cores * _NANOS)}n")
    usage["memory"].string = quantity.canonical(f"{working_set // 1024}Ki")


def _selector(query: queries.Query) -> selectors.Selector:
    try:
        return selectors.parse(query.get("labelSelector", ""))
    except selectors.SelectorError as error:
        raise errors.BadRequest(f"unable to parse requirement: {error}") from None
