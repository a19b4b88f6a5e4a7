"""`drain`: a node is emptied before it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from fairlead.api import errors, pods, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.cli import following, marking, session
from fairlead.client.interface import Selection

POD = scheme.DEFAULT.of(corev1.Pod)
AGAIN_SECONDS = 5.0  # kubectl's pause after an eviction that may not be now


def obstacles(found: Sequence[corev1.Pod], *, force: bool, delete_data: bool) -> list[str]:
    """Return why a node must not be drained: what would be lost with its pods."""
    faults = []
    alone = [pod for pod in found if not any(ref.controller for ref in pod.metadata.ownerReferences)]
    if alone and not force:
        names = ", ".join(f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in alone)
        faults.append(f"cannot delete Pods that declare no controller (use --force to override): {names}")
    local = [pod for pod in found if any(volume.volumeSource.HasField("emptyDir") for volume in pod.spec.volumes)]
    if local and not delete_data:
        names = ", ".join(f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in local)
        faults.append(f"cannot delete Pods with local storage (use --delete-emptydir-data to override): {names}")
    return faults


@click.command()
@click.argument("nodes", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also pods that nothing will replace.")
@click.option("--delete-emptydir-data", "delete_data", is_flag=True, help="Also pods whose emptyDir is lost.")
@click.option("--ignore-daemonsets", is_flag=True, help="Leave pods of DaemonSets where they are.")
@click.option("--grace-period", type=int, default=-1, help="Seconds; the pods' own by default.")
@click.option("--timeout", type=session.DURATION, default="0s", help="How long to wait; 0s: for ever.")
@session.command
async def drain(
    cli: session.Session,
    nodes: Sequence[str],
    force: bool,
    delete_data: bool,
    ignore_daemonsets: bool,
    grace_period: int,
    timeout: float,
) -> None:
    """Let a node take no new pods and move those that it has: `drain node-1`."""
    for name in nodes:
        await marking.set_unschedulable(cli, name, True)
        page = await cli.client.list(corev1.Pod, select=Selection(fields=f"spec.nodeName={name}"))
        live = [pod for pod in page.items if not pods.is_finished(pod)]
        bound = [pod for pod in live if any(ref.kind == "DaemonSet" for ref in pod.metadata.ownerReferences)]
        doomed = [pod for pod in live if pod not in bound]
        faults = obstacles(doomed, force=force, delete_data=delete_data)
        if bound and not ignore_daemonsets:
            names = ", ".join(f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in bound)
            faults.append(f"cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): {names}")
        if faults:
            raise session.Failure("\n".join(f'error: unable to drain node "{name}": {fault}' for fault in faults))
        try:
            async with asyncio.timeout(timeout or None):
                await asyncio.gather(*(_evict(cli, pod, grace_period) for pod in doomed))
        except TimeoutError as error:
            raise session.Failure(f'error: unable to drain node "{name}": timed out') from error
        click.echo(f"node/{name} drained")


async def _evict(cli: session.Session, pod: corev1.Pod, grace: int) -> None:
    """Evict a pod, waiting while it may not be now, and until it is gone."""
    meta = pod.metadata
    eviction = policyv1.Eviction()
    eviction.metadata.name, eviction.metadata.namespace = meta.name, meta.namespace
    if grace >= 0:
        eviction.deleteOptions.gracePeriodSeconds = grace
    click.echo(f"evicting pod {meta.namespace}/{meta.name}")
    while True:
        try:
            await cli.client.post(corev1.Pod, meta.name, meta.namespace, "eviction", eviction)
            break
        except errors.NotFound:
            break
        except errors.TooManyRequests as error:
            click.echo(f"error when evicting {meta.namespace}/{meta.name}, again in 5s: {error}", err=True)
            await asyncio.sleep(AGAIN_SECONDS)
    await following.gone(cli.client, POD, meta.namespace, meta.name, meta.uid)
    click.echo(f"pod/{meta.name} evicted")
