"""The `dev` verb: a cluster in this process, without root, for as long as it runs."""

from __future__ import annotations

import asyncio
import pathlib
import signal
import time

import click

from fairlead.testing import cluster


@click.command()
@click.option("--nodes", default=2, show_default=True, help="How many nodes; their containers only pretend.")
@click.option("--port", default=0, help="The port of the REST API on 127.0.0.1; any free one if not given.")
@click.option("--no-controllers", is_flag=True, help="Leave the controllers out.")
@click.option("--no-scheduler", is_flag=True, help="Leave the scheduler out.")
@click.option("--write", type=click.Path(path_type=pathlib.Path), help="Write the kubeconfig here, not to stdout.")
def dev(nodes: int, port: int, no_controllers: bool, no_scheduler: bool, write: pathlib.Path | None) -> None:
    """Run a cluster in memory and print its kubeconfig: `fairlead dev >kubeconfig`; Ctrl-C ends it.

    API, controllers and scheduler are the real ones; what is stored is gone at the end.
    """
    settings = cluster.Settings(
        nodes=nodes, scheduler=not no_scheduler, controllers=not no_controllers, rest_port=port
    )
    try:
        asyncio.run(_run(settings, write))
    except OSError as error:
        raise click.ClickException(str(error)) from error


async def _run(settings: cluster.Settings, write: pathlib.Path | None) -> None:
    began = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with cluster.serving(settings) as running:
        _hand_out(running.kubeconfig, write)
        took = time.monotonic() - began
        click.echo(f"{running.url} answers after {took:.1f} s, {settings.nodes} nodes; Ctrl-C ends it", err=True)
        await stop.wait()


def _hand_out(kubeconfig: pathlib.Path, write: pathlib.Path | None) -> None:
    """Print the kubeconfig, or write it where only its owner reads it."""
    if write is None:
        click.echo(kubeconfig.read_text())
        return
    write.touch(mode=0o600)
    write.write_text(kubeconfig.read_text())
