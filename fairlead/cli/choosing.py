"""Which pod is meant where a workload is named: for `logs` and `exec`."""

from __future__ import annotations

import click

from fairlead.api import errors, objects, pods
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import session
from fairlead.client.interface import Selection


async def pod_of(cli: session.Session, word: str) -> str:
    """Return the pod that a word names: itself, or the best of a workload's."""
    kind, _, name = word.rpartition("/")
    if not kind or kind in ("pod", "pods", "po"):
        return name
    (target,) = await cli.targets([word])
    owner = await cli.client.get(target.message, name, cli.namespace_of(target.kind))
    selector = getattr(getattr(owner, "spec", None), "selector", None)
    labels = getattr(selector, "matchLabels", selector)
    if not labels:
        raise click.UsageError(f"{word}: has no selector for pods")
    chosen = Selection(",".join(f"{key}={value}" for key, value in sorted(labels.items())))
    found = (await cli.client.list(corev1.Pod, cli.namespace, select=chosen)).items
    if not found:
        raise errors.NotFound(f"{word}: no pods match its selector")
    best = min(found, key=_rank)
    if len(found) > 1:
        click.echo(f"Found {len(found)} pods, using pod/{best.metadata.name}", err=True)
    return best.metadata.name


def _rank(pod: corev1.Pod) -> tuple[bool, bool, bool, str]:
    return pods.is_terminating(pod), not pods.is_ready(pod), pod.status.phase != pods.RUNNING, objects.key_of(pod)
