"""The proxy's budget: 2,000 Services × 5 endpoints written first, then one endpoint changed.

`python -m tests.bench.proxy [--services N] [--flavour nft|legacy]`, as root; the rules go into a network
namespace of its own. A row: what, flavour, seconds, target first and then, met; beside it the part of
iptables-restore alone.
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


async def measure(flavour: str, count: int) -> list[tuple[str, float, float, float, float]]:
    """Return rows: what, seconds, seconds of iptables-restore, target first, target then."""
    kernel = Timed(flavour=flavour)
    proxy = sync.Proxy(CONFIG, kernel, clocks.SystemClock())
    services = [service(number) for number in range(count)]
    slices = [endpoint_slice(number) for number in range(count)]
    rows = []

    async def row(what: str, first: float, then: float) -> None:
        outcome = await proxy.sync()
        if outcome.startswith("failed"):
            raise SystemExit(outcome)
        rows.append((what, time.perf_counter() - began, kernel.seconds, first, then))

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows for each flavour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--flavour", choices=["nft", "legacy"], action="append")
    options = parser.parse_args(arguments)
    print(f"{'what':<48} {'flavour':<7} {'s':>6} {'restore':>7} {'first':>6} {'then':>6}  met")
    for flavour in options.flavour or ["nft", "legacy"]:
        namespace = f"fairlead-bench-{os.getpid()}"
        netns.create(namespace)
        netns.pushns(namespace)
        try:
            rows = asyncio.run(measure(flavour, options.services))
        finally:
            netns.popns()
            netns.remove(namespace)
        for what, seconds, restore, first, then in rows:
            met = "then" if seconds <= then else "first" if seconds <= first else "no"
            print(f"{what:<48} {flavour:<7} {seconds:6.2f} {restore:7.2f} {first:6.1f} {then:6.1f}  {met}")


if __name__ == "__main__":
    main()
