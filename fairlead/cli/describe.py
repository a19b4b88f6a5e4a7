"""`describe`: an object, what belongs to it, and its events, for a person."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TypeVar

import click
from google.protobuf.message import Message

from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.cli import session
from fairlead.cli.describing import nodes, others, pods, workloads
from fairlead.client.interface import Selection

SERVICE_NAME = "kubernetes.io/service-name"
M = TypeVar("M", bound=Message)


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("-l", "--selector", default="")
@session.command
async def describe(cli: session.Session, what: Sequence[str], selector: str) -> None:
    """Show an object with its events: `describe pod web-1`, `describe node`, `describe deploy/web`."""
    texts = []
    for target in await cli.targets(what):
        namespace = cli.namespace_of(target.kind)
        if target.names:
            found: Sequence[Message] = [
                await cli.client.get(target.message, name, namespace) for name in target.names
            ]
        else:
            found = (await cli.client.list(target.message, namespace, select=Selection(selector))).items
        for obj in found:
            lines = [*await _body(cli, obj), *await _events(cli, target, obj)]
            texts.append("\n".join(lines))
    if not texts:
        click.echo("No resources found", err=True)
        return
    click.echo("\n\n\n".join(texts))


async def _body(cli: session.Session, obj: Message) -> Iterable[str]:
    match obj:
        case corev1.Pod():
            return pods.pod(obj)
        case corev1.Node():
            select = Selection(fields=f"spec.nodeName={obj.metadata.name}")
            return nodes.node(obj, (await cli.client.list(corev1.Pod, select=select)).items)
        case appsv1.Deployment():
            return workloads.deployment(obj, await _controlled(cli, appsv1.ReplicaSet, obj))
        case appsv1.ReplicaSet():
            return workloads.replica_set(obj, await _controlled(cli, corev1.Pod, obj))
        case corev1.Service():
            select = Selection(labels=f"{SERVICE_NAME}={obj.metadata.name}")
            page = await cli.client.list(discoveryv1.EndpointSlice, obj.metadata.namespace, select=select)
            return workloads.service(obj, page.items)
        case corev1.Secret():
            return others.secret(obj)
        case corev1.ConfigMap():
            return others.config_map(obj)
        case _:
            return others.other(obj)


async def _controlled(cli: session.Session, kind: type[M], owner: Message) -> list[M]:
    """Return the objects of a kind that another controls."""
    meta = session.metadata(owner)
    page = await cli.client.list(kind, meta.namespace)
    return [
        item
        for item in page.items
        if any(ref.controller and ref.uid == meta.uid for ref in session.metadata(item).ownerReferences)
    ]


async def _events(cli: session.Session, target: session.Target, obj: Message) -> Iterable[str]:
    meta = session.metadata(obj)
    # events about cluster-scoped objects lie in the namespace `default`
    about = f"involvedObject.name={meta.name},involvedObject.kind={target.kind.kind}"
    page = await cli.client.list(corev1.Event, meta.namespace or "default", select=Selection(fields=about))
    ours = [event for event in page.items if event.involvedObject.uid in ("", meta.uid, meta.name)]
    return others.events(ours, datetime.datetime.now(datetime.UTC))
