"""What a request for a stream asks for, and whether its caller may. Pure, but for `connect` and `pod`."""

from __future__ import annotations

import multidict
from google.protobuf.message import Message

from control.apiserver import authn, field, server
from control.apiserver.target import Target
from control.gateway import connecting
from control.gateway.rest import handlers, queries
from fairlead.api import errors, pods
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1

MOST_PORT = 0xFFFF

Query = multidict.MultiMapping[str]


async def connect(api: server.ApiServer, call: handlers.Call, options: Message) -> None:
    """Raise where the caller may not have this stream, or admission refuses it: it may also change the options.

    POST is `create`, a WebSocket's GET `get`.
    """
    await api.connect(call.user, call.verb, call.target, options)


async def pod(api: server.ApiServer, what: Target, container: str | None = None) -> corev1.Pod:
    """Return the pod that a stream is to, whose container may be named: an empty name is the only one's.

    Raises errors.NotFound, and errors.BadRequest for a container that is not meant or a pod that no node has got yet.
    """
    found = await api.client(authn.SERVER).get(corev1.Pod, what.name, what.namespace)
    if container is not None:
        pods.container_of(found, container)
    if not found.spec.nodeName:
        raise errors.BadRequest(f"pod {what.name} does not have a host assigned")
    return found


def command(query: Query, subresource: str) -> connecting.Command:
    """Return the options of an exec or attach."""
    found = corev1.PodAttachOptions() if subresource == "attach" else corev1.PodExecOptions()
    for name in ("stdin", "stdout", "stderr", "tty"):
        setattr(found, name, queries.flag(query, name))
    found.container = query.get("container", "")
    if isinstance(found, corev1.PodExecOptions):
        found.command.extend(query.getall("command", []))
    return found


def start(options: connecting.Command, what: Target) -> cluster.StreamStart:
    """Return the first frame of an exec or attach; errors.BadRequest where nothing is asked for."""
    found = cluster.StreamStart(namespace=what.namespace, pod=what.name)
    connecting.settle(found, options)
    found.stderr = found.stderr and not found.tty  # a terminal has one output
    if not (found.stdin or found.stdout or found.stderr):
        raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    if what.subresource == "exec" and not found.command:
        raise errors.BadRequest("you must specify at least one command for the container")
    return found


def ports(query: Query) -> list[int]:
    """Return the ports that a WebSocket forwards: `ports` repeated, or separated by commas."""
    texts = [part for value in query.getall("ports", []) for part in value.split(",")]
    found = [_unsigned(text) for text in texts]
    if 0 in found:
        raise errors.BadRequest(f'port "{",".join(map(str, found))[:80]}" must be > 0')
    return found


def _unsigned(text: str) -> int:
    """Return a number of 16 bits; errors.BadRequest in the words of Go's parser."""
    if not (text.isascii() and text.isdigit()):
        fault = "invalid syntax"
    elif len(digits := text.lstrip("0")) > len(str(MOST_PORT)) or int(digits or "0") > MOST_PORT:
        fault = "value out of range"
    else:
        return int(digits or "0")
    said = f"strconv.ParseUint: parsing {field.quoted(text[:80])}: {fault}"
    raise errors.BadRequest(f"cannot convert to []int32: {said}")


def port_of(text: str) -> int | None:
    """Return a TCP port; None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= MOST_PORT else None
