"""`token`: bootstrap tokens, with which nodes join (Kubernetes' own format, a Secret in kube-system)."""

from __future__ import annotations

import datetime
import re
import secrets
import string
from collections.abc import Sequence

import click

from fairlead import certificates
from fairlead.api import columns, errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import printing, session
from fairlead.client.interface import Selection

NAMESPACE = "kube-system"
SECRET_TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "bootstrap-token-"
GROUP = "system:bootstrappers:fairlead:default-node-token"
ALPHABET = string.ascii_lowercase + string.digits
ID_LENGTH, SECRET_LENGTH = 6, 16
JOIN_PORT = 7444
TIME = "%Y-%m-%dT%H:%M:%SZ"
USAGE = "usage-bootstrap-"


@click.group()
def token() -> None:
    """Bootstrap tokens, with which nodes join."""


@token.command()
@click.option("--ttl", type=session.DURATION, default="24h", show_default=True, help="0: for ever.")
@click.option("--description", default="")
@click.option("--print-join-command", is_flag=True, help="Print the whole command to run on a node.")
@session.command
async def create(cli: session.Session, ttl: float, description: str, print_join_command: bool) -> None:
    """Make a token and print it."""
    token_id, secret = (
        "".join(secrets.choice(ALPHABET) for _ in range(length)) for length in (ID_LENGTH, SECRET_LENGTH)
    )
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ttl) if ttl else None
    await cli.client.create(stored(token_id, secret, expires, description))
    text = f"{token_id}.{secret}"
    if not print_join_command:
        click.echo(text)
        return
    servers = ",".join(f"{endpoint.rpartition(':')[0]}:{JOIN_PORT}" for endpoint in cli.client.endpoints)
    digest = certificates.authority_hash(cli.client.authority)
    click.echo(f"fairlead-node join --server {servers} --token {text} --ca-hash {digest}")


def stored(token_id: str, secret: str, expires: datetime.datetime | None, description: str) -> corev1.Secret:
    """Return the Secret that a token is."""
    made = corev1.Secret(type=SECRET_TYPE)
    made.metadata.name, made.metadata.namespace = PREFIX + token_id, NAMESPACE
    content = {
        "token-id": token_id,
        "token-secret": secret,
        f"{USAGE}authentication": "true",
        f"{USAGE}signing": "true",
        "auth-extra-groups": GROUP,
        "description": description,
        "expiration": expires.strftime(TIME) if expires else "",
    }
    for key, value in content.items():
        if value:
            made.data[key] = value.encode()
    return made


@token.command("list")
@session.command
async def list_(cli: session.Session) -> None:
    """Show the tokens and how long they last."""
    select = Selection(fields=f"type={SECRET_TYPE}")
    page = await cli.client.list(corev1.Secret, NAMESPACE, select=select)
    now = datetime.datetime.now(datetime.UTC)
    rows = [row(secret, now) for secret in page.items if secret.type == SECRET_TYPE]
    for line in printing.aligned([("TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION"), *rows]):
        click.echo(line)


def row(secret: corev1.Secret, now: datetime.datetime) -> Sequence[str]:
    """Return a token's line: its text, what is left, when it ends, what for, its description."""
    data = {key: value.decode(errors="replace") for key, value in secret.data.items()}
    granted = [key for key, value in data.items() if key.startswith(USAGE) and value == "true"]
    usages = sorted(key.removeprefix(USAGE) for key in granted)
    expires = data.get("expiration", "")
    left = "<forever>"
    if expires:
        try:
            seconds = (datetime.datetime.fromisoformat(expires) - now).total_seconds()
        except ValueError:
            left = "<invalid>"
        else:
            left = columns.human_duration(seconds) if seconds > 0 else "<expired>"
    text = f"{data.get('token-id', '')}.{data.get('token-secret', '')}"
    return text, left, expires or "<never>", ",".join(usages) or "<none>", data.get("description") or "<none>"


@token.command()
@click.argument("tokens", nargs=-1, required=True)
@session.command
async def delete(cli: session.Session, tokens: Sequence[str]) -> None:
    """Take tokens back: `token delete abcdef` or the whole token."""
    for text in tokens:
        token_id = text.partition(".")[0]
        if not re.fullmatch(rf"[a-z0-9]{{{ID_LENGTH}}}", token_id):
            raise session.Failure(f'error: "{text}" is neither a token nor a token\'s id')
        try:
            await cli.client.delete(corev1.Secret, PREFIX + token_id, NAMESPACE)
        except errors.NotFound as error:
            raise session.Failure(f'error: no bootstrap token with the id "{token_id}"') from error
        click.echo(f'bootstrap token "{token_id}" deleted')
