"""Counters of what was asked, under Kubernetes' names, and the text that Prometheus reads."""

from __future__ import annotations

import time

import prometheus_client
from prometheus_client import process_collector, registry

from control.gateway.rest.handlers import Call

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
_UPPER = {"get": "GET", "list": "LIST", "watch": "WATCH", "create": "POST", "update": "PUT", "patch": "PATCH"}


class Counting:
    """One process' counters."""

    def __init__(self, *collectors: registry.Collector) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        for collector in collectors:
            self._registry.register(collector)
        process_collector.ProcessCollector(registry=self._registry)
        self._requests = prometheus_client.Counter(
            "apiserver_request_total",
            "Requests by verb, resource and status.",
            (*LABELS, "code"),
            registry=self._registry,
        )
        self._seconds = prometheus_client.Histogram(
            "apiserver_request_duration_seconds",
            "How long requests took; watches are not counted.",
            LABELS,
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._running = prometheus_client.Gauge(
            "apiserver_current_inflight_requests",
            "Requests that are being answered.",
            ("request_kind",),
            registry=self._registry,
        )
        self._watches = prometheus_client.Gauge(
            "apiserver_longrunning_requests", "Watches that are being answered.", registry=self._registry
        )

    def begun(self, verb: str) -> float:
        """Count a request that begins; returns the time, for `ended`."""
        self._gauge(verb).inc()
        return time.monotonic()

    def ended(self, call: Call, code: int, begun: float) -> None:
        """Count a request for a resource that has been answered."""
        verb, target = call.verb, call.target
        self._gauge(verb).dec()
        kind = target.kind
        scope = "resource" if target.name else "namespace" if target.namespace else "cluster"
        known = _UPPER.get(verb, verb.upper())
        labels = (known, kind.group, kind.version, kind.resource, target.subresource, scope)
        self._requests.labels(*labels, str(code)).inc()
        if verb != "watch":
            self._seconds.labels(*labels).observe(time.monotonic() - begun)

    def _gauge(self, verb: str) -> prometheus_client.Gauge:
        if verb == "watch":
            return self._watches
        return self._running.labels("readOnly" if verb in ("get", "list") else "mutating")

    def text(self) -> str:
        """Return all figures as Prometheus reads them."""
        return prometheus_client.generate_latest(self._registry).decode()
