"""Header blocks of SPDY: pairs of names and values, compressed over a whole connection."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

BLOCK_BYTES = 8 << 10  # what a block may hold unpacked: some names and numbers in practice

_SIZE = struct.Struct(">I")
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age "
    "allow authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_COUNTED = [*_WORDS.split(), "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"]
_PLAIN = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
# The draft's dictionary (section 2.6.10.1): both sides begin as if they had sent it.
DICTIONARY = b"".join(_SIZE.pack(len(word)) + word.encode() for word in _COUNTED) + _PLAIN.encode()


class ProtocolError(Exception):
    """Bytes that are not SPDY; the connection cannot go on."""


class Packer:
    """Compresses the blocks that one side sends."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def pack(self, headers: Mapping[str, str]) -> bytes:
        """Return a block; names are made lower case."""
        parts = [_SIZE.pack(len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                parts += [_SIZE.pack(len(text)), text]
        return self._zlib.compress(b"".join(parts)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Unpacker:
    """Decompresses the blocks that the other side sends: all of them, in their order."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def unpack(self, block: bytes) -> dict[str, str]:
        """Return a block's headers, several values of a name separated by NUL; ProtocolError where it has none."""
        try:
            plain = self._zlib.decompress(block, BLOCK_BYTES)
        except zlib.error as error:
            raise ProtocolError(f"header block: {error}") from None
        if self._zlib.unconsumed_tail:
            raise ProtocolError(f"header block of more than {BLOCK_BYTES} bytes")
        return _pairs(plain)


def _pairs(plain: bytes) -> dict[str, str]:
    reader = _Reader(plain)
    found: dict[str, str] = {}
    for _ in range(reader.size()):
        name, value = reader.text(), reader.text()
        if not name or name != name.lower() or name in found:
            raise ProtocolError(f"header block: bad name {name!r}")
        found[name] = value
    if reader.left:
        raise ProtocolError("header block: bytes after its last value")
    return found


class _Reader:
    def __init__(self, plain: bytes) -> None:
        self._plain = plain
        self._at = 0

    @property
    def left(self) -> int:
        """Return how many bytes are not read yet."""
        return len(self._plain) - self._at

    def size(self) -> int:
        """Read a number."""
        if self.left < _SIZE.size:
            raise ProtocolError("header block: cut off")
        (found,) = _SIZE.unpack_from(self._plain, self._at)
        self._at += _SIZE.size
        return int(found)

    def text(self) -> str:
        """Read a counted string."""
        length = self.size()
        if self.left < length:
            raise ProtocolError("header block: cut off")
        found = self._plain[self._at : self._at + length]
        self._at += length
        return found.decode("utf-8", "replace")
