"""The same requests as `rawrest` makes, in protobuf wherever Go's typed clients would: bodies, answers, watch events.

A test says what it says in JSON; patches, tables and custom resources stay JSON, as they do for those clients.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator
from typing import Any

import orjson
import urllib3

from fairlead.api import codec, scheme, subresources, table
from fairlead.api.pb import meta_v1_pb2 as metav1
from tests.support import rawrest

PROTOBUF = "application/vnd.kubernetes.protobuf"
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)/(?:namespaces/[^/]+/(?!status$|finalize$))?(?P<rest>.+)"
)


class Rest(rawrest.Rest):
    """A connection that speaks protobuf about built-in kinds."""

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        sent: str = rawrest.JSON,
        accept: str = rawrest.JSON,
        **query: Any,
    ) -> rawrest.Answer:
        """Carry out a request, the body and the answer as protobuf if the path is of a built-in kind."""
        where = _carried(path)
        if where is None or accept != rawrest.JSON:
            return super().ask(method, path, body, sent=sent, accept=accept, **query)
        if isinstance(body, dict) and sent == rawrest.JSON:
            body, sent = _written(body, ("v1", "DeleteOptions") if method == "DELETE" else where), PROTOBUF
        accept = f"{PROTOBUF}, {rawrest.JSON}"
        answer = super().ask(method, path, body, sent=sent, accept=accept, **query)
        if answer.headers.get("Content-Type") == PROTOBUF:
            return rawrest.Answer(answer.status, answer.headers, _read(answer.body))
        return answer

    @contextlib.contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[rawrest.Events]:
        """Watch a collection for the time of the block, in frames of protobuf if it is of a built-in kind."""
        if _carried(path) is None:
            with super().watch(path, **query) as events:
                yield events
            return
        with self._streamed(path, {**query, "watch": "true"}, f"{PROTOBUF};stream=watch") as response:
            yield _Events(response)


class _Events(rawrest.Events):
    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._lines = _frames(response)


def _frames(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield events as lines of JSON would have them; each frame has its length before it."""
    rest = b""
    for piece in response.stream(amt=None, decode_content=False):
        rest += piece
        while len(rest) >= 4 and len(rest) >= 4 + (length := struct.unpack(">I", rest[:4])[0]):
            event = metav1.WatchEvent.FromString(rest[4 : 4 + length])
            rest = rest[4 + length :]
            yield orjson.dumps({"type": event.type, "object": _read(event.object.raw)})


def _carried(path: str) -> tuple[str, str] | None:
    """Return apiVersion and kind of what a path carries; None for what is no built-in kind."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    resource, _, name = found["rest"].partition("/")
    try:
        kind = scheme.DEFAULT.by_resource(found["group"] or "", found["version"], resource)
    except scheme.UnknownKind:
        return None
    return subresources.carried(kind, name.partition("/")[2])


def _written(body: dict[str, Any], of: tuple[str, str]) -> bytes:
    content = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    message = codec.from_json(content, table.message_type(table.by_kind(*of)))
    return codec.enveloped(*of, message.SerializeToString())


def _read(data: bytes) -> dict[str, Any]:
    found = codec.opened(data)
    api_version, kind = found.typeMeta.apiVersion, found.typeMeta.kind
    message = table.message_type(table.by_kind(api_version, kind)).FromString(found.raw)
    return {"apiVersion": api_version, "kind": kind, **codec.to_json(message)}
