"""Fuzz targets of what callers bring beside objects: streams, certificates' requests, tokens."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import ipaddress
from collections.abc import Coroutine
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from control import pki
from control.apiserver import authn, idtokens, tokens
from control.controllers import certificates as signing
from control.gateway.streams import channels, terminal, upgrade, websocket
from control.gateway.streams.spdy import connection, headers
from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import cluster_pb2 as cluster
from tests.fuzz import objects, targets
from tests.fuzz.targets import target

MOST_OUTGOING_BYTES = 1 << 20
NOW = 1000.0


def _spdy() -> list[bytes]:
    client = connection.Connection(server=False)
    for kind in ("error", "stdin", "stdout", "resize"):
        stream = client.open({"streamtype": kind})
        client.send(stream, b"hello", fin=kind == "stdin")
    client.ping()
    client.go_away()
    wire = client.outgoing()
    return [wire, wire[:-3], wire[18:], bytes.fromhex("800300060000000400000001")]


@target(more=_spdy)
def spdy(data: bytes) -> None:
    """SPDY from a client, in two pieces: it ends in a ProtocolError or in bounded answers."""
    for flow_control in (False, True):
        server = connection.Connection(server=True, flow_control=flow_control)
        try:
            for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
                for event in server.receive(piece):
                    if isinstance(event, connection.Received):
                        server.consumed(event.stream, len(event.data))
                    elif isinstance(event, connection.Opened):
                        server.reply(event.stream)
        except headers.ProtocolError:
            pass
        assert len(server.outgoing()) < MOST_OUTGOING_BYTES


@target('{"Width":80,"Height":24}{"Width":', "}{}")
def terminal_size(data: bytes) -> None:
    """Sizes of terminals."""
    buffer = bytearray()
    for piece in data.split(b"\0"):
        buffer += piece
        terminal.sizes(buffer)
    assert len(buffer) <= terminal.SIZE_BYTES


class Socket:
    """A WebSocket of aiohttp's whose messages are at hand, and that closes after them."""

    def __init__(self, messages: list[bytes], encoded: bool) -> None:
        kind = aiohttp.WSMsgType.TEXT if encoded else aiohttp.WSMsgType.BINARY
        self._messages = [(kind, targets.text(one) if encoded else one) for one in messages]

    async def receive(self) -> aiohttp.WSMessage:
        """Return the next message."""
        kind, data = self._messages.pop(0) if self._messages else (aiohttp.WSMsgType.CLOSED, None)
        return aiohttp.WSMessage(kind, data, None)

    async def ping(self) -> None:
        """Nobody answers."""

    async def send_bytes(self, data: bytes) -> None:
        """Nobody reads."""


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return _loop().run_until_complete(coroutine)


PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "base64.channel.k8s.io")


@target(b'0|\x00hello|\x04{"Width":80,"Height":24}|\xff\x00', b"2|0aGVsbG8=|4e30=|9", b"1|")
def websocket_channels(data: bytes) -> None:
    """Messages of exec and of port-forward over a WebSocket, in each form; `|` separates them."""
    protocol = PROTOCOLS[data[0] % len(PROTOCOLS)] if data else PROTOCOLS[0]
    offer = upgrade.Offer(socket=True, protocol=protocol)
    pieces = data[1:].split(b"|")

    async def all_of(frames: Any) -> None:
        async for frame in frames:
            assert len(frame.data) <= channels.CHUNK_BYTES

    async def talk() -> None:
        start = cluster.StreamStart(stdin=True, stdout=True, tty=True)
        command = websocket.RemoteCommand(websocket.Messages(Socket(pieces, offer.encoded), offer), protocol, start)
        ports = websocket.Ports(websocket.Messages(Socket(pieces, offer.encoded), offer), [80, 443])
        readers = [asyncio.ensure_future(all_of(one.frames())) for one in (command, *ports.ports)]
        try:
            await command.gone()
            await ports.run()
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    _run(talk())


@functools.cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _requests() -> list[bytes]:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ann")])
    names = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, critical=False)
    made = [builder.sign(key, hashes.SHA256()) for key in (_key(), _rsa_key())]
    pems = [one.public_bytes(serialization.Encoding.PEM) for one in made]
    return [*pems, *(one.public_bytes(serialization.Encoding.DER) for one in made), made[0].tbs_certrequest_bytes]


def _sequence(tag: int, content: bytes) -> bytes:
    """Return a value of ASN.1 in DER."""
    size = len(content)
    length = bytes((size,)) if size < 0x80 else bytes((0x81, size)) if size < 0x100 else b"\x82" + size.to_bytes(2)
    return bytes((tag,)) + length + content


ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def _signed(content: bytes) -> bytes:
    """Return a request of any content with a signature that is good, if the content has our key."""
    signature = _key().sign(content, ec.ECDSA(hashes.SHA256()))
    return _sequence(0x30, content + ECDSA_WITH_SHA256 + _sequence(3, b"\0" + signature))


@target(more=_requests)
def certificate_request(data: bytes) -> None:
    """CertificateSigningRequests in PEM, as what PEM wraps, and as what is signed: what is taken can be signed."""
    _request(data)
    for der in (data, _signed(data)):
        wrapped = base64.encodebytes(der)
        _request(b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n" % wrapped)


def _request(pem: bytes) -> None:
    csr = certificatesv1.CertificateSigningRequest()
    csr.spec.request, csr.spec.signerName = pem, signing.KUBELET_SERVING
    csr.spec.usages.append("server auth")
    faults = objects.STRATEGIES["CertificateSigningRequest"].validate(csr)
    if faults:
        targets.refused(errors.invalid("certificates.k8s.io", "CertificateSigningRequest", "x", faults))
        return
    for signer in signing.SIGNERS:
        signing.fault(signer, signing.asked(csr))
    with contextlib.suppress(ValueError):
        _authority().sign_request(pem, ["server auth"], 3600)


@functools.cache
def _authority() -> pki.Authority:
    return pki.create_authority("fuzz")


def _token(header: bytes, claims: bytes) -> str:
    """Return a token of the foreign issuer, signed."""
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims))
    r, s = decode_dss_signature(_key().sign(signed, ec.ECDSA(hashes.SHA256())))
    return (signed + b"." + base64.urlsafe_b64encode(r.to_bytes(32) + s.to_bytes(32)).rstrip(b"=")).decode()


@functools.cache
def _authenticators() -> tuple[tokens.Issuer, idtokens.IdTokens]:
    trust = idtokens.Trust("https://login.example.com", "fairlead", groups_claim="groups")
    issuer = tokens.Issuer(certificates.key_pem(_rsa_key()), lambda: NOW)
    return issuer, idtokens.IdTokens(trust, {"": _key().public_key()}, ("here",), lambda: NOW)


HEADER = b'{"alg":"ES256"}'
CLAIMS = b'{"iss":"https://login.example.com","aud":["fairlead"],"sub":"jane","exp":2000,"nbf":1,"groups":["a"]}'


@target(HEADER + b"\0" + CLAIMS, HEADER + b'\0{"iss":"https://kubernetes.default.svc.cluster.local"}', "a.b.c")
def bearer_token(data: bytes) -> None:
    """Bearer tokens: any text, and any header and claims that the issuer has signed."""
    issuer, foreign = _authenticators()
    header, claims = targets.parts(data, 2)
    for token in (data.decode("utf-8", "surrogateescape"), _token(header, claims)):
        issuer.issued(token)
        with contextlib.suppress(authn.BadToken):
            issuer.verify(token)
        with contextlib.suppress(authn.BadToken):
            _run(foreign.authenticate(token, ("here",)))


CLAIMS_OF_OURS = b"""{"iss":"https://kubernetes.default.svc.cluster.local","aud":["x"],"exp":2000,"nbf":1,"kubernetes.io":
{"namespace":"a","serviceaccount":{"name":"b","uid":"c"},"pod":{"name":"d","uid":"e"}}}"""


@target(CLAIMS_OF_OURS)
def account_claims(data: bytes) -> None:
    """Claims that the cluster's own key has signed, however that came about."""
    issuer, _ = _authenticators()
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"RS256"}', data))
    signature = _rsa_key().sign(signed, padding.PKCS1v15(), hashes.SHA256())
    with contextlib.suppress(authn.BadToken):
        issuer.verify((signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode())
