"""The proxy's budget: 2,000 Services × 5 endpoints written first, then one endpoint changed.

`python -m tests.bench.proxy [--services N] [--flavour nft|legacy]`, as root; the rules go into a network
namespace of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence

from pyroute2 import netns

from fairlead import clock as clocks
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from node.proxy import iptables, model, sync
from tests.bench import report

ENDPOINTS = 5
CONFIG = model.Config(node_name="node-1", cluster_cidr="10.128.0.0/11")


class Timed(iptables.Iptables):
    """The real packet filter, with a stopwatch on iptables-restore."""

    seconds = 0.0

    async def restore(self, text: str) -> None:
        """Apply a text and note how long that took."""
        began = time.perf_counter()
        await super().restore(text)
        self.seconds = time.perf_counter() - began


def service(number: int) -> corev1.Service:
    """Return one of many Services."""
    message = corev1.Service()
    message.metadata.namespace, message.metadata.name = "bench", f"service-{number}"
    address = f"10.96.{number // 250}.{number % 250 + 1}"
    message.spec.type, message.spec.clusterIP = "ClusterIP", address
    message.spec.clusterIPs.append(address)
    message.spec.ports.add(name="http", port=80, protocol="TCP")
    return message


def endpoint_slice(number: int, last: str = "") -> discoveryv1.EndpointSlice:
    """Return its endpoints; `last` replaces the address of the last one."""
    message = discoveryv1.EndpointSlice(addressType="IPv4")
    message.metadata.namespace, message.metadata.name = "bench", f"service-{number}-a"
    message.metadata.labels[model.SERVICE_NAME_LABEL] = f"service-{number}"
    addresses = [f"10.{128 + node}.{number // 250}.{number % 250 + 1}" for node in range(ENDPOINTS)]
    addresses[-1] = last or addresses[-1]
    for address in addresses:
        message.endpoints.add(addresses=[address], nodeName="node-2").conditions.ready = True
    message.ports.add(name="http", port=8080, protocol="TCP")
    return message


async def measure(flavour: str, count: int) -> list[report.Row]:
    """Measure with one flavour of iptables; beside each figure is what iptables-restore itself took."""
    kernel = Timed(flavour=flavour)
    proxy = sync.Proxy(CONFIG, kernel, clocks.SystemClock())
    services = [service(number) for number in range(count)]
    slices = [endpoint_slice(number) for number in range(count)]
    rows = []

    async def row(what: str, first: float, then: float) -> None:
        outcome = await proxy.sync()
        if outcome.startswith("failed"):
            raise SystemExit(outcome)
        spent = time.perf_counter() - began
        beside = f"iptables-restore alone: {kernel.seconds:.2f} s"
        rows.append(report.Row(f"{what}, {flavour}", spent, "s", first, "less", then, beside))

    began = time.perf_counter()
    proxy.replace_all(services, slices)
    await row(f"first sync of {count} Services × {ENDPOINTS} endpoints", 4.0, 1.0)
    began = time.perf_counter()
    proxy.put_slice(endpoint_slice(count // 2, last="10.140.0.1"))
    await row("one endpoint changed", 0.5, 0.2)
    began = time.perf_counter()
    proxy.put_service(service(count))
    proxy.put_slice(endpoint_slice(count))
    await row("one Service added", 0.5, 0.2)
    again = sync.Proxy(CONFIG, kernel, clocks.SystemClock())
    again.replace_all([*services, service(count)], [*slices, endpoint_slice(count)])
    proxy = again
    began = time.perf_counter()
    await row("first sync of a restarted agent", 4.0, 1.0)
    return rows


def isolated(flavour: str, count: int) -> list[report.Row]:
    """Measure in a network namespace that is made for it."""
    namespace = f"fairlead-bench-{os.getpid()}"
    netns.create(namespace)
    netns.pushns(namespace)
    try:
        return asyncio.run(measure(flavour, count))
    finally:
        netns.popns()
        netns.remove(namespace)


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks, with both flavours."""
    return [row for flavour in ("legacy", "nft") for row in isolated(flavour, 400 if quick else 2000)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows for each flavour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--flavour", choices=["nft", "legacy"], action="append")
    options = parser.parse_args(arguments)
    flavours = options.flavour or ["nft", "legacy"]
    print(report.text([row for flavour in flavours for row in isolated(flavour, options.services)]))


if __name__ == "__main__":
    main()
