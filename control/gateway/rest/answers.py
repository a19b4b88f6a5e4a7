"""Answers on the wire: headers, Status bodies, warnings, and long ones in pieces and packed.

Long answers are neither encoded nor encrypted at a stretch: other requests come in between.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

import orjson
from aiohttp import web
from google.protobuf.message import Message

from control.apiserver import warnings
from control.gateway.rest import media, views
from fairlead.api import codec, errors

GZIP_BYTES = 128 * 1024  # as Kubernetes: less is not worth the time
GZIP_LEVEL = 1
GZIP_WINDOW = zlib.MAX_WBITS | 16  # zlib's number for gzip's own header
FLOW = web.RequestKey("flow", dict[str, str])  # what a request's answer says of its flow
BROWSERS = ("curl", "Wget", "Mozilla/5.0")  # whose users read JSON with their own eyes


def headers(audit_id: str) -> dict[str, str]:
    """Return the headers of every answer."""
    return {"Audit-Id": audit_id, "Cache-Control": "no-cache, private"}


def add_warnings(response: web.StreamResponse, texts: Sequence[str]) -> None:
    """Add a `Warning` header for each text that fits (RFC 7234, code 299: it persists)."""
    for text in warnings.fitting(texts):
        quoted = header_text(text).replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')


def header_text(text: str) -> str:
    """Return a text as a header can hold it: on one line, without control characters and what is no character."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(plain.split())


class Answer:
    """How one request is answered: in a form, with headers that every answer has."""

    def __init__(self, request: web.BaseRequest, form: media.Form, audit_id: str) -> None:
        self.request = request
        self.form = form
        self.headers = headers(audit_id)
        self.warnings: Sequence[str] = ()

    @property
    def pretty(self) -> bool:
        """Whether JSON is to be written for human eyes: as `pretty` says, else for browsers and curl."""
        wanted = self.request.query.get("pretty")
        if wanted is not None:
            return wanted.lower() not in ("false", "0")
        return self.request.headers.get("User-Agent", "").startswith(BROWSERS)

    async def message(self, message: Message, status: int = 200) -> web.StreamResponse:
        """Send a message that is no object."""
        return await self.whole(views.plain(message, self.form), status)

    async def whole(self, data: bytes, status: int = 200) -> web.StreamResponse:
        """Send an answer that is at hand, in the form's format; JSON becomes YAML, or is indented, here."""
        if self.form.format == "yaml":
            data = await asyncio.to_thread(lambda: codec.dump_yaml(orjson.loads(data)).encode())
        elif self.form.format == "json" and self.pretty:
            data = await asyncio.to_thread(lambda: orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2))
        return await self.pieces(_once(data), status)

    async def stream(self, chunks: views.Chunks) -> web.StreamResponse:
        """Send a list as it is made, unless its text has to be changed as a whole."""
        if self.form.format == "yaml" or (self.form.format == "json" and self.pretty):
            return await self.whole(b"".join([chunk async for chunk in chunks]))
        return await self.pieces(chunks)

    async def pieces(self, chunks: views.Chunks, status: int = 200) -> web.StreamResponse:
        """Send bytes: little at once, much in pieces, packed if the caller takes that."""
        kept, size, ended = [], 0, True
        async for chunk in chunks:
            kept.append(chunk)
            size += len(chunk)
            if size > GZIP_BYTES:
                ended = False
                break
        if ended:
            return self._finished(web.Response(body=b"".join(kept), status=status))
        response = self._finished(web.StreamResponse(status=status))
        packed = "gzip" in self.request.headers.get("Accept-Encoding", "")
        if packed:
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"
        await response.prepare(self.request)
        packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW) if packed else None
        for chunk in kept:
            await _write(response, chunk, packer)
        async for chunk in chunks:
            await _write(response, chunk, packer)
        if packer is not None:
            await response.write(packer.flush())
        await response.write_eof()
        return response

    def opened(self) -> web.StreamResponse:
        """Return the answer of a watch, to be written as events come."""
        response = self._finished(web.StreamResponse())
        if self.form.format == "protobuf":
            response.headers["Content-Type"] = f"{self.form.content_type};stream=watch"
        return response

    def _finished(self, response: web.StreamResponse) -> web.StreamResponse:
        response.headers.update(self.headers)
        response.headers.update(self.request.get(FLOW, {}))
        response.content_type = self.form.content_type
        add_warnings(response, self.warnings)
        return response


async def _write(response: web.StreamResponse, chunk: bytes, packer: zlib._Compress | None) -> None:
    for start in range(0, len(chunk), views.CHUNK_BYTES):
        piece = chunk[start : start + views.CHUNK_BYTES] if len(chunk) > views.CHUNK_BYTES else chunk
        if packer is not None:
            piece = packer.compress(piece)
        if piece:
            await response.write(piece)
        await asyncio.sleep(0)


async def _once(data: bytes) -> views.Chunks:
    yield data


def failure(error: errors.ApiError, form: media.Form, audit_id: str, warned: Sequence[str] = ()) -> web.Response:
    """Return an error as Kubernetes answers it: its Status, and Retry-After where it says when to come again."""
    response = web.Response(body=views.plain(error.status(), form), status=error.code)
    response.headers.update(headers(audit_id))
    response.content_type = form.content_type
    if error.retry_after_seconds:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    add_warnings(response, warned)
    return response


def text(body: str, status: int = 200, content_type: str = "text/plain") -> web.Response:
    """Return a plain text, as health checks and unknown paths are answered."""
    response = web.Response(text=body, status=status, content_type=content_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def no_page() -> web.Response:
    """Return what Kubernetes answers to a path that means nothing."""
    return text("404 page not found\n", 404)
