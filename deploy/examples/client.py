#!/usr/bin/env python3
"""A client in any language would look like this: only gRPC and the messages generated from proto/.

    python deploy/examples/client.py --endpoint 10.0.0.11:7443 --ca ca.crt --cert admin.crt --key admin.key

It creates a Deployment, watches it until its replicas are available, reads what the nodes measure with psutil and
NVML, prints that, and deletes the Deployment again unless told to --keep it.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from typing import Any

import grpc
from google.protobuf import any_pb2

from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import cluster_pb2_grpc
from fairlead.api.pb import metrics_pb2 as metrics

DEPLOYMENTS = cluster.Resource(group="apps", version="v1", resource="deployments")
CALL_SECONDS = 10.0
METRICS_SECONDS = 20.0  # nodes report every 10 s
MIB, GIB = 1 << 20, 1 << 30


def connect(options: argparse.Namespace) -> grpc.Channel:
    """Return a channel under mutual TLS: the cluster's authority, and a certificate that says who we are."""
    authority, key, certificate = (
        pathlib.Path(path).read_bytes() for path in (options.ca, options.key, options.cert)
    )
    return grpc.secure_channel(options.endpoint, grpc.ssl_channel_credentials(authority, key, certificate))


def deployment(options: argparse.Namespace) -> appsv1.Deployment:
    """Return the Deployment as a message: the fields are Kubernetes' own."""
    made = appsv1.Deployment()
    made.metadata.name, made.metadata.namespace = options.name, options.namespace
    made.spec.replicas = options.replicas
    made.spec.selector.matchLabels["app"] = options.name
    template = made.spec.template
    template.metadata.labels["app"] = options.name
    container = template.spec.containers.add(name="main", image=options.image)
    container.ports.add(name="http", containerPort=8080)
    container.resources.requests["cpu"].string = "20m"
    container.resources.requests["memory"].string = "16Mi"
    return made


def packed(obj: appsv1.Deployment) -> any_pb2.Any:
    """Return an object as it travels."""
    wrapped = any_pb2.Any()
    wrapped.Pack(obj)
    return wrapped


def unpacked(wrapped: any_pb2.Any) -> appsv1.Deployment:
    """Return a Deployment that has travelled."""
    obj = appsv1.Deployment()
    if not wrapped.Unpack(obj):
        raise TypeError(f"a Deployment was expected, {wrapped.TypeName()} came")
    return obj


def create(stub: Any, options: argparse.Namespace) -> appsv1.Deployment:
    """Create the Deployment; returns it as stored, with what the server has filled in."""
    request = cluster.CreateRequest(
        resource=DEPLOYMENTS, namespace=options.namespace, object=packed(deployment(options))
    )
    made = unpacked(stub.Create(request, timeout=CALL_SECONDS))
    print(f"created deployment {made.metadata.name}, resourceVersion {made.metadata.resourceVersion}")
    return made


def wait_ready(stub: Any, made: appsv1.Deployment, seconds: float) -> None:
    """Watch the Deployment from the revision of its creation until all replicas are available."""
    request = cluster.WatchRequest(
        resource=DEPLOYMENTS,
        namespace=made.metadata.namespace,
        field_selector=f"metadata.name={made.metadata.name}",
        resource_version=made.metadata.resourceVersion,
    )
    began, said = time.monotonic(), -1
    changes = stub.Watch(request, timeout=seconds)
    for response in changes:
        for event in response.events:
            if event.type not in ("ADDED", "MODIFIED"):
                continue
            now = unpacked(event.object)
            available = now.status.availableReplicas
            if available != said:
                print(f"{time.monotonic() - began:5.1f} s: {available} of {now.spec.replicas} replicas are available")
                said = available
            if now.status.observedGeneration >= now.metadata.generation and available >= now.spec.replicas:
                changes.cancel()
                return
    raise TimeoutError("the watch ended before the replicas were available")


def reports(stub: Any, namespace: str, name: str) -> list[metrics.NodeMetrics]:
    """Return the newest report of each node, as soon as our pods are in one; else what there is in the end."""
    deadline = time.monotonic() + METRICS_SECONDS
    while True:
        answer = stub.Top(cluster.TopRequest(pods=True, namespace=namespace), timeout=CALL_SECONDS)
        ours = [pod for node in answer.nodes for pod in node.pods if pod.name.startswith(f"{name}-")]
        if ours or time.monotonic() > deadline:
            return list(answer.nodes)
        time.sleep(0.5)


def show(node: metrics.NodeMetrics, name: str) -> None:
    """Print a node's figures, its GPUs' and those of our pods on it."""
    cpu, memory = node.cpu, node.memory
    print(f"{node.node}:")
    print(
        f"  CPU     {cpu.used_cores:.2f} of {cpu.cores} cores, load {cpu.load1:.2f} {cpu.load5:.2f} {cpu.load15:.2f}"
    )
    print(f"  memory  {memory.working_set / GIB:.1f} of {memory.total / GIB:.1f} GiB in use")
    for disk in node.disks:
        print(f"  disk    {disk.mount}: {disk.used / GIB:.1f} of {disk.total / GIB:.1f} GiB")
    for network in node.networks:
        rates = f"{network.receive_rate / 1e6:.1f} MB/s in, {network.transmit_rate / 1e6:.1f} MB/s out"
        print(f"  network {network.interface}: {rates}")
    for gpu in node.gpus:
        used = f"{gpu.memory_used / GIB:.1f} of {gpu.memory_total / GIB:.1f} GiB"
        print(f"  GPU {gpu.index}   {gpu.name}: {gpu.utilisation} %, {used}, {gpu.temperature} °C, {gpu.power:.0f} W")
    if not node.gpus:
        print(f"  GPU     none ({node.gpu_message})")
    for pod in node.pods:
        if pod.name.startswith(f"{name}-"):
            cores = sum(container.used_cores for container in pod.containers)
            memory_used = sum(container.working_set for container in pod.containers) / MIB
            print(f"  pod     {pod.name}: {cores:.3f} cores, {memory_used:.1f} MiB")


def main() -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, help="host:port of a control process' port for certificates")
    for name, what in (("ca", "the cluster's authority"), ("cert", "the caller's certificate"), ("key", "its key")):
        parser.add_argument(f"--{name}", required=True, help=f"file with {what}, PEM")
    parser.add_argument("--image", default="registry.fairlead.lab:5000/web:1")
    parser.add_argument("--name", default="example")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds until the replicas must be available")
    parser.add_argument("--keep", action="store_true", help="leave the Deployment there")
    options = parser.parse_args()
    with connect(options) as channel:
        stub = cluster_pb2_grpc.ClusterStub(channel)
        try:
            wait_ready(stub, create(stub, options), options.timeout)
            for node in reports(stub, options.namespace, options.name):
                show(node, options.name)
            if not options.keep:
                request = cluster.DeleteRequest(resource=DEPLOYMENTS, namespace=options.namespace, name=options.name)
                stub.Delete(request, timeout=CALL_SECONDS)
                print(f"deleted deployment {options.name}")
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
