"""`token create`: bootstrap tokens, with which nodes join (Kubernetes' own format, a Secret in kube-system)."""

from __future__ import annotations

import datetime
import secrets
import string

import click

from fairlead import certificates
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import session

ALPHABET = string.ascii_lowercase + string.digits
ID_LENGTH, SECRET_LENGTH = 6, 16
JOIN_PORT = 7444


@click.group()
def token() -> None:
    """Bootstrap tokens, with which nodes join."""


@token.command()
@click.option("--ttl", "ttl_hours", type=float, default=24.0, show_default=True, help="Hours; 0: for ever.")
@click.option("--description", default="")
@click.option("--print-join-command", is_flag=True, help="Print the whole command to run on a node.")
@session.command
async def create(cli: session.Session, ttl_hours: float, description: str, print_join_command: bool) -> None:
    """Make a token and print it."""
    token_id, secret = (
        "".join(secrets.choice(ALPHABET) for _ in range(length)) for length in (ID_LENGTH, SECRET_LENGTH)
    )
    stored = corev1.Secret(type="bootstrap.kubernetes.io/token")
    stored.metadata.name, stored.metadata.namespace = f"bootstrap-token-{token_id}", "kube-system"
    content = {
        "token-id": token_id,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": "system:bootstrappers:fairlead:default-node-token",
    }
    if description:
        content["description"] = description
    if ttl_hours:
        expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=ttl_hours)
        content["expiration"] = expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
    for key, value in content.items():
        stored.data[key] = value.encode()
    await cli.client.create(stored)
    text = f"{token_id}.{secret}"
    if not print_join_command:
        click.echo(text)
        return
    servers = ",".join(f"{endpoint.rpartition(':')[0]}:{JOIN_PORT}" for endpoint in cli.client.endpoints)
    digest = certificates.authority_hash(cli.client.authority)
    click.echo(f"fairlead-node join --server {servers} --token {text} --ca-hash {digest}")
