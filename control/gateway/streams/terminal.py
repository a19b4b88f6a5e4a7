"""What exec and attach say in JSON: terminal sizes from the caller, the final status to it. Pure."""

from __future__ import annotations

import orjson

from fairlead.api import codec
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import meta_v1_pb2 as metav1

SIZE_BYTES = 4096  # more without an end is no size
_MOST = 0xFFFF


def sizes(buffer: bytearray) -> list[cluster.ClientFrame]:
    """Take the complete `{"Width": …, "Height": …}` off a buffer; what is no size is passed over."""
    found = []
    while (end := buffer.find(b"}")) >= 0:
        text = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        try:
            read = orjson.loads(text)
            width, height = read["Width"], read["Height"]
        except (orjson.JSONDecodeError, KeyError):
            continue
        if all(isinstance(one, int) and 0 < one <= _MOST for one in (width, height)):
            size = cluster.TerminalSize(width=width, height=height)
            found.append(cluster.ClientFrame(resize=size))
    if len(buffer) > SIZE_BYTES:
        buffer.clear()
    return found


def result(status: metav1.Status, protocol: str) -> bytes:
    """Return what the error channel says at the end: from v4 on a Status, before it the text of a failure."""
    if protocol.startswith(("v4.", "v5.")):
        said = codec.to_json(status)
        return orjson.dumps({name: said[name] for name in said if name not in ("apiVersion", "kind")})
    return b"" if status.status == "Success" else status.message.encode()
