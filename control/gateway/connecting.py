"""What a stream asks for: as Kubernetes' options (PodExecOptions), which admission judges, and as its first frame.

Both edges ask the API server with `options`, then `settle` what it left of them. Pure.
"""

from __future__ import annotations

from google.protobuf.message import Message

from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1

Command = corev1.PodExecOptions | corev1.PodAttachOptions
_FLAGS = ("stdin", "stdout", "stderr", "tty")


def options(start: cluster.StreamStart, subresource: str) -> Message:
    """Return the options of a first frame."""
    if subresource == "portforward":
        return corev1.PodPortForwardOptions(ports=[start.port])
    found: Command = corev1.PodAttachOptions() if subresource == "attach" else corev1.PodExecOptions()
    for name in (*_FLAGS, "container"):
        setattr(found, name, getattr(start, name))
    if isinstance(found, corev1.PodExecOptions):
        found.command.extend(start.command)
    return found


def settle(start: cluster.StreamStart, asked: Message) -> None:
    """Let a first frame ask for what its options say."""
    if isinstance(asked, corev1.PodPortForwardOptions):
        start.port = asked.ports[0] if asked.ports else 0
        return
    assert isinstance(asked, corev1.PodExecOptions | corev1.PodAttachOptions)
    for name in (*_FLAGS, "container"):
        setattr(start, name, getattr(asked, name))
    del start.command[:]
    if isinstance(asked, corev1.PodExecOptions):
        start.command.extend(asked.command)
