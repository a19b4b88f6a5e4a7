"""Which protocol a caller and this server speak after an upgrade. Pure, but for `open_socket`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import multidict
from aiohttp import web

from fairlead.api import errors

SPDY = "SPDY/3.1"
SPDY_HEADER = "X-Stream-Protocol-Version"
ACCEPTED_HEADER = "X-Accepted-Stream-Protocol-Versions"
TUNNEL_PREFIX = f"{SPDY}+"
SOCKET_HEADER = "Sec-WebSocket-Protocol"
MESSAGE_BYTES = 4 << 20
CLOSE_SECONDS = 30.0  # as session.LINGER_SECONDS


@dataclass(frozen=True, slots=True)
class Offer:
    """What was agreed on: over which upgrade, and the subprotocol."""

    socket: bool
    protocol: str

    @property
    def tunnel(self) -> bool:
        """Return whether SPDY runs inside a WebSocket."""
        return self.protocol.startswith(TUNNEL_PREFIX)

    @property
    def encoded(self) -> bool:
        """Return whether channels travel as base64 text."""
        return "base64" in self.protocol

    @property
    def most_channels(self) -> int:
        """Return how many channels a WebSocket has: a channel is a byte, or a character from `0` on."""
        return 0x80 - ord("0") if self.encoded else 0x100

    def spdy_headers(self) -> dict[str, str]:
        """Return the headers of the answer 101 to a SPDY upgrade."""
        return {"Upgrade": SPDY, **({SPDY_HEADER: self.protocol} if self.protocol else {})}


class NotNegotiated(Exception):
    """A SPDY client that speaks none of our protocols: it reads from `ACCEPTED_HEADER` what there is."""

    def __init__(self, wanted: Sequence[str], served: Sequence[str]) -> None:
        listed = f"client supports [{' '.join(wanted)}], server accepts [{' '.join(served)}]"
        super().__init__(f"unable to upgrade: unable to negotiate protocol: {listed}")
        self._served = served

    def response(self) -> web.Response:
        """Return the answer."""
        accepted = multidict.CIMultiDict((ACCEPTED_HEADER, one) for one in self._served)
        return web.Response(status=403, text=str(self), headers=accepted)


def is_socket(headers: multidict.MultiMapping[str]) -> bool:
    """Say whether a request asks for a WebSocket."""
    asked = "upgrade" in headers.get("Connection", "").lower()
    return asked and headers.get("Upgrade", "").strip().lower() == "websocket"


def negotiate(headers: multidict.MultiMapping[str], sockets: Sequence[str], spdy: Sequence[str]) -> Offer:
    """Choose the first protocol of the caller's that is served; a caller that names none speaks the oldest.

    Raises errors.BadRequest for a request that is no upgrade or (over a WebSocket) names only what is not served, and
    NotNegotiated for SPDY.
    """
    upgrade = headers.get("Upgrade", "").strip().lower()
    if "upgrade" not in headers.get("Connection", "").lower() or upgrade not in ("websocket", SPDY.lower()):
        raise errors.BadRequest("Upgrade request required")
    if upgrade == "websocket":
        wanted = _listed(headers, SOCKET_HEADER)
        found = _first(wanted, sockets)
        if found is None:
            text = f"requested protocol(s) are not supported: [{' '.join(wanted)}]; supports [{' '.join(sockets)}]"
            raise errors.BadRequest(text)
        return Offer(True, found)
    wanted = _listed(headers, SPDY_HEADER)
    found = _first(wanted, spdy)
    if found is None:
        raise NotNegotiated(wanted, spdy)
    return Offer(False, found)


def _listed(headers: multidict.MultiMapping[str], name: str) -> list[str]:
    return [one.strip() for value in headers.getall(name, ()) for one in value.split(",") if one.strip()]


def _first(wanted: Sequence[str], served: Sequence[str]) -> str | None:
    return next((one for one in wanted if one in served), None) if wanted else ""


async def open_socket(request: web.BaseRequest, offer: Offer) -> web.WebSocketResponse:
    """Answer a WebSocket upgrade; messages over 4 MiB end it."""
    protocols = [offer.protocol] if offer.protocol else []
    socket = web.WebSocketResponse(
        protocols=protocols, compress=False, max_msg_size=MESSAGE_BYTES, timeout=CLOSE_SECONDS
    )
    with unless_gone():
        try:
            await socket.prepare(request)
        except web.HTTPBadRequest as error:
            raise errors.BadRequest(error.text or "the WebSocket handshake is not valid") from None
    return socket


@contextlib.contextmanager
def unless_gone() -> Iterator[None]:
    """Say errors.BadRequest where the caller leaves meanwhile: nobody hears it, and nothing here has failed."""
    try:
        yield
    except ConnectionError:
        raise errors.BadRequest("the caller has gone before its connection was upgraded") from None
