"""The `fairlead` program: the command group and its global options."""

from __future__ import annotations

import click

from fairlead.cli import describe, progress, reading, session, tokens, top, writing


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kubeconfig", default="", help="Path of the kubeconfig; KUBECONFIG or ~/.kube/config by default.")
@click.option("-n", "--namespace", default="", help="Namespace; the context's, or default.")
@click.pass_context
def main(context: click.Context, kubeconfig: str, namespace: str) -> None:
    """Work with a Fairlead cluster."""
    context.obj = session.Options(kubeconfig, namespace)


for command in (
    describe.describe,
    reading.get,
    reading.logs,
    writing.apply,
    writing.delete,
    writing.scale,
    progress.rollout,
    progress.wait,
    top.top,
    tokens.token,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
