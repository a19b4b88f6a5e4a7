"""The gRPC edge of the dispatcher: who calls, what a first message must say, and errors as gRPC codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn, TypeVar

import grpc
from cryptography import x509

from control.dispatcher import settings
from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.client import rpcerrors

NODE_USER_PREFIX = "system:node:"
NODE_GROUP = "system:nodes"

M = TypeVar("M")


class FailedPrecondition(errors.BadRequest):
    """An agent of another protocol or cluster; dialling again does not help."""


SERVICE = agent.DESCRIPTOR.services_by_name["NodeAgent"].full_name


def add_to_server(dispatcher: Any, server: grpc.aio.Server) -> None:
    """Serve NodeAgent; the session's messages leave as bytes that are encoded already."""
    handlers = {
        "Session": grpc.stream_stream_rpc_method_handler(
            dispatcher.Session, agent.AgentMessage.FromString, lambda message: message
        ),
        "Stream": grpc.stream_stream_rpc_method_handler(
            dispatcher.Stream, agent.AgentFrame.FromString, lambda frame: frame.SerializeToString()
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def peer(context: grpc.aio.ServicerContext[Any, Any]) -> tuple[str, Sequence[str]]:
    """Return the user of the caller's certificate: CN is its name, each O a group."""
    pems = context.auth_context().get("x509_pem_cert", ())
    if not pems:
        raise errors.Unauthorized("a client certificate is required")
    subject = x509.load_pem_x509_certificate(next(iter(pems))).subject
    return certificates.name_and_groups(subject)


def node_of(user: str, groups: Sequence[str]) -> str:
    """Return the node whose agent a user is; errors.Forbidden for everyone else."""
    name = user.removeprefix(NODE_USER_PREFIX)
    if NODE_GROUP not in groups or name == user or not name:
        raise errors.Forbidden(f'user "{user}" is no node: only agents have sessions')
    return name


def check_hello(message: agent.AgentMessage, node: str, made: settings.Settings) -> None:
    """Refuse what does not begin with a Hello of this node, this protocol and this cluster."""
    if message.WhichOneof("message") != "hello":
        raise errors.BadRequest("the first message must be a Hello")
    hello = message.hello
    if hello.protocol_version != settings.PROTOCOL_VERSION:
        ours = settings.PROTOCOL_VERSION
        raise FailedPrecondition(f"protocol version {hello.protocol_version} is not spoken here, only {ours}")
    if hello.cluster_id not in (0, made.cluster_id):
        raise FailedPrecondition(f"the agent belongs to cluster {hello.cluster_id:x}, this is {made.cluster_id:x}")
    if hello.node.metadata.name != node:
        raise errors.Forbidden(f'node "{node}" cannot speak for node "{hello.node.metadata.name}"')


async def first(messages: AsyncIterator[M], seconds: float) -> M:
    """Return the first message; errors.BadRequest where none comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(messages)
    except (TimeoutError, StopAsyncIteration) as error:
        raise errors.BadRequest("the stream ended before its first message") from error


async def begin(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Send the answer's headers, before a write that may be cancelled.

    grpc.aio sends them with the first message, and notes that only once this has left: a call whose first write was
    cancelled meanwhile would send them again with its status, which the core refuses (TOO_MANY_OPERATIONS), and the
    other side would wait for the call's end for ever.
    """
    await context.send_initial_metadata(())


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: errors.ApiError) -> NoReturn:
    """End the call with an error's code and text."""
    code = rpcerrors.code_of(error)
    if isinstance(error, FailedPrecondition):
        code = grpc.StatusCode.FAILED_PRECONDITION
    await context.abort(code, error.message, rpcerrors.trailers_of(error))
    raise AssertionError("abort returned")
