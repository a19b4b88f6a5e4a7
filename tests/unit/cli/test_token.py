"""`token`: bootstrap tokens that nodes can join with."""

from __future__ import annotations

import datetime
import re

from control.apiserver import authn
from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import served


def authenticate(plane: served.Plane, token: str, *, hours: float = 0.0) -> authn.User:
    """Return whom the server takes the holder of a token for, some hours from now."""

    async def read(name: str) -> corev1.Secret | None:
        try:
            return await plane.client.get(corev1.Secret, name, "kube-system")
        except errors.NotFound:
            return None

    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    return plane.call(authn.TokenAuthenticator(read, lambda: later).authenticate(token))


def test_a_token_lets_a_node_join_for_a_day(plane: served.Plane) -> None:
    """What is printed authenticates as a bootstrapper until it expires."""
    token = plane.out("token", "create").strip()

    assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token)
    assert authn.BOOTSTRAPPERS in authenticate(plane, token, hours=23.9).groups
    try:
        authenticate(plane, token, hours=24.1)
    except errors.Unauthorized:
        pass
    else:
        raise AssertionError("an expired token was accepted")


def test_the_whole_join_command(plane: served.Plane) -> None:
    """With the addresses of the kubeconfig, and the hash by which the joiner knows the server."""
    command = plane.out("token", "create", "--ttl", "0", "--print-join-command").split()
    authority = certificates.authority_hash((plane.kubeconfig.parent / "ca.crt").read_bytes())

    assert command[:3] == ["fairlead-node", "join", "--server"]
    assert command[3] == "127.0.0.1:7444"
    assert command[4] == "--token"
    assert command[6:] == ["--ca-hash", authority]
    assert authn.BOOTSTRAPPERS in authenticate(plane, command[5], hours=10_000).groups


def test_tokens_are_listed_and_taken_back(plane: served.Plane) -> None:
    """By their id or as a whole."""
    token = plane.out("token", "create", "--ttl", "0", "--description", "rack 7").strip()
    other = plane.out("token", "create", "--ttl", "49h").strip()

    listed = plane.out("token", "list").splitlines()
    said = plane.out("token", "delete", token, other.partition(".")[0])

    assert listed[0].split() == ["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION"]
    rows = {line.split()[0]: line.split(maxsplit=4)[1:] for line in listed[1:]}
    assert rows[token] == ["<forever>", "<never>", "authentication,signing", "rack 7"]
    assert rows[other][0] == "2d"
    assert said == "".join(f'bootstrap token "{each.partition(".")[0]}" deleted\n' for each in (token, other))
    assert len(plane.out("token", "list").splitlines()) == 1


def test_what_is_no_token_is_refused(plane: served.Plane) -> None:
    """One line each."""
    wrong = plane.cli("token", "delete", "WRONG!")
    missing = plane.cli("token", "delete", "abcdef")

    assert (wrong.exit_code, wrong.output) == (1, 'error: "WRONG!" is neither a token nor a token\'s id\n')
    assert (missing.exit_code, missing.output) == (1, 'error: no bootstrap token with the id "abcdef"\n')
