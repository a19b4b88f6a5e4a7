"""What a request for a stream asks for, and whether its caller may. Pure, but for authorisation."""

from __future__ import annotations

import multidict

from control.apiserver import authz, server
from control.apiserver.target import Target
from control.gateway.rest import handlers, queries
from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster

MOST_PORT = 0xFFFF

Query = multidict.MultiMapping[str]


def target(call: handlers.Call) -> Target:
    """Return what a request is about."""
    assert call.target is not None  # the table routes resources to these handlers, never bare paths
    return call.target


def authorize(api: server.ApiServer, call: handlers.Call) -> None:
    """Raise errors.Forbidden where the caller may not have this stream: POST is `create`, a WebSocket's GET `get`."""
    what = target(call)
    kind = what.kind
    api.authorize(
        authz.Attributes(call.user, call.verb, kind.group, kind.resource, what.subresource, what.namespace, what.name)
    )


def start(query: Query, what: Target) -> cluster.StreamStart:
    """Return the first frame of an exec or attach; errors.BadRequest where nothing is asked for."""
    tty = queries.flag(query, "tty")
    found = cluster.StreamStart(
        namespace=what.namespace,
        pod=what.name,
        container=query.get("container", ""),
        stdin=queries.flag(query, "stdin"),
        stdout=queries.flag(query, "stdout"),
        stderr=queries.flag(query, "stderr") and not tty,  # a terminal has one output
        tty=tty,
    )
    if not (found.stdin or found.stdout or found.stderr):
        raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    if what.subresource == "exec":
        found.command.extend(query.getall("command", []))
        if not found.command:
            raise errors.BadRequest("you must specify at least one command for the container")
    return found


def ports(query: Query) -> list[int]:
    """Return the ports that a WebSocket forwards: `ports` repeated, or separated by commas."""
    texts = [part for value in query.getall("ports", []) for part in value.split(",")]
    if not texts:
        raise errors.BadRequest('query parameter "port" is required')
    found = []
    for text in texts:
        port = port_of(text)
        if port is None:
            raise errors.BadRequest(f'query parameter "port" contains invalid value "{text[:80]}"')
        found.append(port)
    return found


def port_of(text: str) -> int | None:
    """Return a TCP port; None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= MOST_PORT else None
