"""The `fairlead-node` program: `join` makes a host a node of a cluster, `run` is the node's agent."""

from __future__ import annotations

import asyncio
import importlib
import os
import pathlib
import platform
import socket
import sys

import click

from fairlead import logs, supervise
from node.agent import agent as agents
from node.agent import config as configs
from node.agent import link, register


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Fairlead's node agent: runs the pods that the control plane assigns to this host."""


@main.command()
@click.option(
    "--server", required=True, help="HOST:PORT of one or more control hosts' join port, separated by commas."
)
@click.option("--token", required=True, help="Bootstrap token, as `fairlead token create` prints it.")
@click.option("--ca-hash", required=True, help="sha256:<hex> of the cluster's authority; nothing else is trusted.")
@click.option("--address", required=True, help="This host's address, which all others reach it by.")
@click.option("--node-name", default=socket.gethostname, help="The node's name; the host's name by default.")
@click.option("--config", "config_path", default=str(configs.DEFAULT_PATH), show_default=True)
@click.option("--pki-dir", default=configs.DEFAULT_PKI, show_default=True)
def join(server: str, token: str, ca_hash: str, address: str, node_name: str, config_path: str, pki_dir: str) -> None:
    """Get a certificate from the control plane and write the agent's configuration."""
    from node import join as joining  # not for `run`, which is to start quickly

    request = joining.Request(
        servers=[part.strip() for part in server.split(",") if part.strip()],
        token=token,
        ca_hash=ca_hash,
        node_name=node_name,
        address=address,
        config=pathlib.Path(config_path),
        pki=pathlib.Path(pki_dir),
    )
    try:
        click.echo(joining.join(request))
    except (joining.JoinError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--config", "config_path", default=str(configs.DEFAULT_PATH), show_default=True)
def run(config_path: str) -> None:
    """Run the agent until SIGTERM; pods go on without it."""
    try:
        config = configs.load(pathlib.Path(config_path))
    except configs.ConfigError as error:
        raise click.ClickException(str(error)) from error
    pathlib.Path(config.rootDir).mkdir(parents=True, exist_ok=True)
    logs.configure(config.logLevel, journal="JOURNAL_STREAM" in os.environ)
    asyncio.run(_run(config))


async def _run(config: configs.Config) -> None:
    """Begin the session first: after a restart, the node has one grace until it counts as gone."""
    stop = supervise.stop_on_signals(asyncio.get_running_loop())
    node = register.named(config, platform.node(), platform.machine())
    agent = agents.Agent(node, link.TlsLink(config), config.endpoints)
    supervise.notify_service_manager("READY=1")
    await agent.run(stop, _assemble(agent, config))


async def _assemble(agent: agents.Agent, config: configs.Config) -> None:
    wiring = await asyncio.to_thread(importlib.import_module, "node.agent.wiring")  # takes long
    await wiring.assemble(agent, config)


if __name__ == "__main__":
    sys.exit(main())
