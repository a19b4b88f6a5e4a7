"""The `fairlead` program: the command group and its global options."""

from __future__ import annotations

import importlib

import click

from fairlead.cli import session

# Where each verb is; a module is imported when its verb is asked for, which halves the time that a command takes.
VERBS = {
    "get": "reading:get",
    "describe": "describe:describe",
    "logs": "logs:logs",
    "exec": "executing:execute",
    "apply": "writing:apply",
    "delete": "deleting:delete",
    "scale": "writing:scale",
    "rollout": "rollouts:rollout",
    "wait": "waiting:wait",
    "label": "marking:label",
    "annotate": "marking:annotate",
    "cordon": "marking:cordon",
    "uncordon": "marking:uncordon",
    "drain": "draining:drain",
    "top": "top:top",
    "token": "tokens:token",
    "dev": "dev:dev",
}


class Verbs(click.Group):
    """The verbs, in VERBS' order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs' names."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb's command, None for a word that is none."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"fairlead.cli.{module}"), name)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@session.common_options
def main() -> None:
    """Work with a Fairlead cluster."""


if __name__ == "__main__":
    main()
