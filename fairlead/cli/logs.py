"""`logs`."""

from __future__ import annotations

import sys

import click

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import choosing, session


@click.command()
@click.argument("target")
@click.argument("container_name", default="")
@click.option("-c", "--container", default="", help="By default the pod's only or annotated one.")
@click.option("-f", "--follow", is_flag=True)
@click.option("-p", "--previous", is_flag=True, help="The log of the container's last instance.")
@click.option("--tail", type=int, default=-1, help="Only so many of the last lines.")
@click.option("--since", type=session.DURATION, default="0s", help="Only what is not older, for example 5m.")
@click.option("--timestamps", is_flag=True)
@click.option("--limit-bytes", type=int, default=0)
@session.command
async def logs(
    cli: session.Session,
    target: str,
    container_name: str,
    container: str,
    follow: bool,
    previous: bool,
    tail: int,
    since: float,
    timestamps: bool,
    limit_bytes: int,
) -> None:
    """Print a container's log: `logs web-1`, `logs deploy/web -f`."""
    pod = await choosing.pod_of(cli, target)
    options = corev1.PodLogOptions(
        container=container or container_name, follow=follow, previous=previous, timestamps=timestamps
    )
    if tail >= 0:
        options.tailLines = tail
    if since:
        options.sinceSeconds = max(int(since), 1)
    if limit_bytes:
        options.limitBytes = limit_bytes
    async for data in cli.client.logs(cli.namespace, pod, options):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
