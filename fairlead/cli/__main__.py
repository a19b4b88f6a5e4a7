"""The `fairlead` program: the command group and its global options."""

from __future__ import annotations

import click

from fairlead.cli import (
    deleting,
    describe,
    executing,
    logs,
    reading,
    rollouts,
    session,
    tokens,
    top,
    waiting,
    writing,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@session.common_options
def main() -> None:
    """Work with a Fairlead cluster."""


for command in (
    describe.describe,
    reading.get,
    logs.logs,
    executing.execute,
    writing.apply,
    deleting.delete,
    writing.scale,
    rollouts.rollout,
    waiting.wait,
    top.top,
    tokens.token,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
