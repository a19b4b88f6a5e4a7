"""Which certificates are believed: the authority's own, in time, for clients; on REST and on the gRPC port."""

from __future__ import annotations

import datetime
import pathlib
import ssl
from collections.abc import Sequence

import aiohttp
import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control import pki
from control.apiserver import relay
from control.gateway import cluster, identity, listening
from fairlead import certificates
from fairlead.api.pb import cluster_pb2, cluster_pb2_grpc
from fairlead.client import channel
from tests.unit.gateway.rest.conftest import Caller
from tests.unit.security.conftest import Attack

DAY = datetime.timedelta(days=1)
Pair = tuple[bytes, bytes]


def issued(authority: pki.Authority, start: int, end: int, usages: Sequence[x509.ObjectIdentifier]) -> Pair:
    """A certificate for an administrator, from and to so many days from now."""
    now, key = datetime.datetime.now(datetime.UTC), ec.generate_private_key(ec.SECP256R1())
    names = ((NameOID.ORGANIZATION_NAME, "system:masters"), (NameOID.COMMON_NAME, "mallory"))
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    builder = x509.CertificateBuilder(authority.certificate.subject, subject, key.public_key(), 7)
    builder = builder.not_valid_before(now + start * DAY).not_valid_after(now + end * DAY)
    builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    made = builder.sign(authority.key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM), certificates.key_pem(key)


CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
CASES = {
    "good": (True, -1, 1, [CLIENT]),
    "expired": (False, -2, -1, [CLIENT]),
    "not valid yet": (False, 1, 2, [CLIENT]),
    "for servers": (False, -1, 1, [SERVER]),
}


@pytest.mark.parametrize("case", CASES)
async def test_rest_believes_certificates_in_time_for_clients(
    attack: Attack, tmp_path: pathlib.Path, case: str
) -> None:
    """Anything else ends the connection, although the authority has signed it."""
    good, *wanted = CASES[case]
    tls = attack.server.tls()
    _load(tls, tmp_path, issued(attack.server.authority, *wanted))  # type: ignore[arg-type]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        call = Caller(session, attack.server.url)
        if good:
            assert (await call("GET", "/api/v1/secrets")).status == 200
        else:
            with pytest.raises(aiohttp.ClientError):
                await call("GET", "/version")


async def test_rest_does_not_believe_another_authority_of_the_same_name(
    attack: Attack, tmp_path: pathlib.Path
) -> None:
    """Such as etcd's, whose clients are not the API's: names are nothing, keys are."""
    namesake = pki.create_authority("test")
    tls = attack.server.tls()
    _load(tls, tmp_path, issued(namesake, -1, 1, [CLIENT]))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        with pytest.raises(aiohttp.ClientError):
            await Caller(session, attack.server.url)("GET", "/version")


@pytest.mark.parametrize("case", CASES)
async def test_the_grpc_port_believes_the_same(attack: Attack, case: str) -> None:
    """A call over a connection that is refused fails, and nobody is told who mallory is."""
    good, *wanted = CASES[case]
    authority = attack.server.authority
    certificate, key = authority.issue(pki.Subject("control", hosts=("127.0.0.1", "kubernetes"), server=True))
    service = cluster.ClusterService(attack.api, relay.NoRelay(), identity.Identifier())
    tls = listening.credentials(certificate, key, authority.pem, require_client=True)
    listener = await listening.serve("127.0.0.1:0", [listening.cluster(service)], tls)
    pair = issued(authority, *wanted)  # type: ignore[arg-type]
    opened: grpc.aio.Channel = channel.connect([f"127.0.0.1:{listener.port}"], authority.pem, *pair)
    try:
        stub = cluster_pb2_grpc.ClusterStub(opened)
        request = cluster_pb2.ListRequest(resource=cluster_pb2.Resource(version="v1", resource="secrets"))
        if good:
            assert (await stub.List(request, timeout=20)).items
        else:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.List(request, timeout=20)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    finally:
        await opened.close(None)
        await listener.stop(0)


def _load(tls: ssl.SSLContext, folder: pathlib.Path, pair: Pair) -> None:
    (folder / "pair.pem").write_bytes(pair[0] + pair[1])
    tls.load_cert_chain(folder / "pair.pem")
