"""Whole restore texts, compared with the files in tests/golden/proxy."""

from __future__ import annotations

import os
import pathlib

import pytest

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from node.proxy import ledger, saved, text
from tests.unit.proxy.objects import (
    CONFIG,
    balanced,
    endpoint,
    endpoint_slice,
    leaving,
    service,
)

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "proxy"

Case = tuple[list[corev1.Service], list[discoveryv1.EndpointSlice]]

THREE = [endpoint("10.128.1.5", "node-1"), endpoint("10.128.2.5"), endpoint("10.128.3.5", "node-3")]
ELSEWHERE = [endpoint("10.128.2.5"), endpoint("10.128.3.5", "node-3")]


def _balancer() -> corev1.Service:
    ranges = ["192.168.56.0/21", "203.0.113.0/25"]
    message = service("edge", "10.96.0.30", [("https", 443, 30443)], loadBalancerSourceRanges=ranges)
    return balanced(message, "198.51.100.7")


def _affinity() -> corev1.Service:
    message = service("cart", "10.96.0.40", sessionAffinity="ClientIP")
    message.spec.sessionAffinityConfig.clientIP.timeoutSeconds = 600
    return message


CASES: dict[str, Case] = {
    "nothing": ([], []),
    "cluster-ip": ([service("web", "10.96.0.10")], [endpoint_slice("web", THREE)]),
    "node-port": ([service("web", "10.96.0.10", [("http", 80, 30080)])], [endpoint_slice("web", THREE)]),
    "no-endpoints": (
        [service("web", "10.96.0.10", [("http", 80, 30080)], externalIPs=["198.51.100.9"])],
        [],
    ),
    "load-balancer-with-source-ranges": (
        [_balancer()],
        [endpoint_slice("edge", THREE, [("https", 8443)])],
    ),
    "external-ip": (
        [service("web", "10.96.0.10", externalIPs=["198.51.100.9"])],
        [endpoint_slice("web", THREE)],
    ),
    "external-policy-local": (
        [
            service(
                "web",
                "10.96.0.10",
                [("http", 80, 30080)],
                externalTrafficPolicy="Local",
                healthCheckNodePort=31000,
            )
        ],
        [endpoint_slice("web", THREE)],
    ),
    "external-policy-local-without-local-endpoints": (
        [service("web", "10.96.0.10", [("http", 80, 30080)], externalTrafficPolicy="Local")],
        [endpoint_slice("web", ELSEWHERE)],
    ),
    "internal-policy-local": (
        [service("web", "10.96.0.10", internalTrafficPolicy="Local")],
        [endpoint_slice("web", THREE)],
    ),
    "internal-policy-local-without-local-endpoints": (
        [service("web", "10.96.0.10", internalTrafficPolicy="Local")],
        [endpoint_slice("web", ELSEWHERE)],
    ),
    "session-affinity": ([_affinity()], [endpoint_slice("cart", THREE)]),
    "all-terminating": (
        [service("web", "10.96.0.10")],
        [endpoint_slice("web", [leaving("10.128.1.5", "node-1"), leaving("10.128.2.5")])],
    ),
    "several-ports-and-protocols": (
        [
            service("dns", "10.96.0.53", [("dns", 53, 0)], protocol="UDP"),
            service("sig", "10.96.0.60", [("", 3868, 0)], protocol="SCTP"),
            service("web", "10.96.0.10", [("http", 80, 30080), ("https", 443, 30443)]),
        ],
        [
            endpoint_slice("dns", ELSEWHERE, [("dns", 5353)], protocol="UDP"),
            endpoint_slice("sig", ELSEWHERE, [("", 3868)], protocol="SCTP"),
            endpoint_slice("web", ELSEWHERE, [("http", 8080), ("https", 8443)]),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_full_text_is_the_golden_one(name: str) -> None:
    """The text of a first sync is, word for word, the file; GOLDEN_WRITE=1 writes it for review."""
    services, slices = CASES[name]
    path = GOLDEN / f"{name}.txt"

    got = text.full(ledger.build(services, slices, CONFIG), saved.Found())

    if os.environ.get("GOLDEN_WRITE"):
        path.write_text(got)
    assert got == path.read_text()


def test_golden_files_are_all_used() -> None:
    """No golden file outlives its case."""
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)
