"""The `fairlead-control` program: `init` prepares a host, `run` is the control process."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pathlib
import socket

import click
import uvloop

from control import config as configs
from control import init as initialisation
from control import pki
from fairlead import certificates, garbage, logs


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Fairlead's control plane: API, dispatcher, scheduler and controllers on etcd."""


@main.command()
@click.option("--advertise-address", required=True, help="This host's address, which all others reach it by.")
@click.option("--control-plane-addresses", default="", help="Every control host's address, separated by commas.")
@click.option("--name", default=socket.gethostname, help="This control process' name; the host's name by default.")
@click.option("--pki-dir", default=str(configs.DEFAULT_PKI), show_default=True)
@click.option("--config", "config_path", default=str(configs.DEFAULT_PATH), show_default=True)
@click.option("--kubeconfig", default="/etc/fairlead/admin.conf", show_default=True)
@click.option("--service-cidr", default="10.96.0.0/12", show_default=True, help="Where Services' addresses lie.")
@click.option("--cluster-cidr", default="10.128.0.0/11", show_default=True, help="Where pods' addresses lie.")
def init(
    advertise_address: str,
    control_plane_addresses: str,
    name: str,
    pki_dir: str,
    config_path: str,
    kubeconfig: str,
    service_cidr: str,
    cluster_cidr: str,
) -> None:
    """Make keys, certificates and configuration; what is there and good stays as it is."""
    addresses = [part.strip() for part in control_plane_addresses.split(",") if part.strip()] or [advertise_address]
    paths = initialisation.Paths(pathlib.Path(config_path), pathlib.Path(kubeconfig))
    try:
        told = configs.Config(
            name=name,
            advertiseAddress=advertise_address,
            controlPlaneAddresses=addresses,
            etcdEndpoints=[f"https://{address}:{configs.ETCD_PORT}" for address in addresses],
            pkiDir=pki_dir,
            serviceCIDR=service_cidr,
            clusterCIDR=cluster_cidr,
        )
        for sentence in initialisation.initialise(_kept(told, paths.config), paths):
            click.echo(sentence)
    except (configs.ConfigError, pki.PkiError, OSError) as error:
        raise click.ClickException(str(error)) from error
    authority = (pathlib.Path(pki_dir) / "ca.crt").read_bytes()
    click.echo(f"the authority's hash, for joining nodes: {certificates.authority_hash(authority)}")


def _kept(told: configs.Config, path: pathlib.Path) -> configs.Config:
    """Return what the command line says, with the settings of an existing file that it has no words for."""
    if not path.exists():
        return told
    said = ("name", "advertiseAddress", "controlPlaneAddresses", "etcdEndpoints", "pkiDir", "serviceCIDR")
    return dataclasses.replace(
        configs.load(path), **{field: getattr(told, field) for field in (*said, "clusterCIDR")}
    )


@main.command()
@click.option("--config", "config_path", default=str(configs.DEFAULT_PATH), show_default=True)
@click.option(
    "--api-compat",
    default=None,
    help="Also serve clients of this release of Kubernetes (1.20): beta versions, token Secrets. Overrides the file.",
)
def run(config_path: str, api_compat: str | None) -> None:
    """Run the control process until it is told to stop."""
    from control import process

    try:
        config = configs.load(pathlib.Path(config_path))
        if api_compat is not None:
            config = dataclasses.replace(config, apiCompat=api_compat)
            configs.check(config, "--api-compat")
    except configs.ConfigError as error:
        raise click.ClickException(str(error)) from error
    logs.configure(config.logLevel, journal="JOURNAL_STREAM" in os.environ)
    garbage.collect_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(process.run(config))
        except configs.ConfigError as error:  # a file that the configuration names
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
