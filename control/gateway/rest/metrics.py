"""metrics.k8s.io/v1beta1: what nodes and pods use, from the newest reports that the relay knows of.

`kubectl top` and autoscalers read it. The kinds lie nowhere, so this answers their paths itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from control.apiserver import authz, reading, relay, selection, server
from control.apiserver.strategies import strategy
from control.gateway.rest import answers, discovery, media, paths, views
from control.gateway.rest.handlers import Call
from control.store.entry import Entry
from fairlead.api import errors, quantity, scheme
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import metrics_pb2 as fairleadv1
from fairlead.api.pb import metrics_v1beta1_pb2 as metricsv1beta1

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
PREFIX = f"/apis/{GROUP}/{VERSION}/"
READ = ("get", "list")
_NANOS = 1_000_000_000


class _Rules(strategy.Strategy[Any]):
    """What can be selected of a kind that no registry serves: names and labels."""

    def __init__(self, message: type[Any], resource: str, *, namespaced: bool) -> None:
        name = message.DESCRIPTOR.name
        self.kind = scheme.Kind(
            GROUP, VERSION, name, resource, namespaced, message, "", "", verbs=READ, list_kind=f"{name}List"
        )


RULES = {
    "nodes": _Rules(metricsv1beta1.NodeMetrics, "nodes", namespaced=False),
    "pods": _Rules(metricsv1beta1.PodMetrics, "pods", namespaced=True),
}
RESOURCES = tuple(
    discovery.Resource(rules.kind.resource, GROUP, VERSION, rules.kind.kind, rules.kind.namespaced, READ)
    for rules in RULES.values()
)


class Metrics:
    """The handler of all paths below PREFIX."""

    def __init__(self, api: server.ApiServer, streams: relay.Relay) -> None:
        self._api = api
        self._relay = streams

    async def __call__(self, call: Call) -> web.StreamResponse:
        """Answer nodes or pods, all or one."""
        path = paths.parse(call.rest)
        if path is None or path.resource not in RULES or path.subresource:
            raise errors.no_resource()
        verb = paths.verb(call.request.method, path, False)
        if verb not in READ:
            raise errors.no_method()
        self._api.authorize(authz.Attributes(call.user, verb, GROUP, path.resource, "", path.namespace, path.name))
        rules, query = RULES[path.resource], call.request.query
        form = media.accepted(call.request.headers.get("Accept", ""))
        view = views.choose(rules.kind, form, query.get("includeObject", ""), many=not path.name)
        selector = selection.Selector(rules, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        answer = answers.Answer(call.request, form, answers.header_text(call.request.headers.get("Audit-Id", "")))
        entries = [Entry("", rules.kind, one, 0) for one in await self._all(path)]
        if path.name:
            found = next((one for one in entries if one.object.metadata.name == path.name), None)
            if found is None:
                raise errors.not_found(GROUP, path.resource, path.name)
            return await answer.whole(view.one(found))
        return await answer.stream(view.collection(reading.Listing(await selector.select(entries), 0)))

    async def _all(self, path: paths.Path) -> list[Any]:
        """Return what is measured, in the order of namespaces and names."""
        pods = path.resource == "pods"
        top = await self._relay.top(cluster.TopRequest(pods=pods, namespace=path.namespace))
        found: list[Any] = list(self._of_pods(top.nodes, path.namespace) if pods else self._of_nodes(top.nodes))
        return sorted(found, key=lambda one: (one.metadata.namespace, one.metadata.name))

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
