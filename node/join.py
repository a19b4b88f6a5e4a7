"""`fairlead-node join`: from a bootstrap token to a node's certificate and configuration.

The joiner trusts nothing but the hash it was given: it takes the certificate chain that the server shows, looks
in it for the authority with that hash, and speaks gRPC only under that authority. Where the node has joined
before, nothing is changed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import pathlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from fairlead import certificates
from fairlead.api.pb import cluster_pb2, cluster_pb2_grpc

CONNECT_SECONDS = 5.0
JOIN_SECONDS = 15.0
DEFAULT_CONFIG = pathlib.Path("/etc/fairlead/node.yaml")
DEFAULT_PKI = pathlib.Path("/etc/fairlead/pki")


class JoinError(Exception):
    """A join that did not succeed; the text says which server and why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `fairlead-node join` is told. `servers` are host:port of port 7444."""

    servers: Sequence[str]
    token: str
    ca_hash: str
    node_name: str
    address: str
    config: pathlib.Path = DEFAULT_CONFIG
    pki: pathlib.Path = DEFAULT_PKI


def join(request: Request) -> str:
    """Join the node to its cluster; returns one sentence. JoinError names each server that failed and why."""
    _check(request)
    if _joined(request):
        return f"node {request.node_name} has joined this cluster already"
    failures = []
    for server in request.servers:
        try:
            authority = fetch_authority(server, request.ca_hash)
            csr, key = certificates.node_request(request.node_name)
            answer = _call(server, authority, request, csr)
        except JoinError as error:
            failures.append(f"{server}: {error}")
            continue
        _write(request, answer, key)
        return f"node {request.node_name} joined through {server}"
    raise JoinError("; ".join(failures))


def fetch_authority(server: str, ca_hash: str) -> bytes:
    """Return, as PEM, the authority with this hash among the certificates that a server shows."""
    host, _, port = server.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # nothing received here is believed but by its hash
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            chain = _unverified_chain(secured)
    except (OSError, ValueError) as error:
        raise JoinError(f"cannot connect: {error}") from error
    for der in chain:
        pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
        if certificates.authority_hash(pem) == ca_hash:
            return pem
    raise JoinError(f"the server's certificates do not include an authority with hash {ca_hash}")


def _unverified_chain(secured: ssl.SSLSocket) -> list[bytes]:
    """Return the chain as DER; Python has it since 3.10 but makes it public only in 3.13."""
    if hasattr(secured, "get_unverified_chain"):
        return list(secured.get_unverified_chain())
    chain = secured._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain]


def _call(server: str, authority: bytes, request: Request, csr: bytes) -> cluster_pb2.JoinResponse:
    with grpc.secure_channel(server, grpc.ssl_channel_credentials(authority)) as channel:
        stub = cluster_pb2_grpc.BootstrapStub(channel)
        message = cluster_pb2.JoinRequest(token=request.token, node_name=request.node_name, csr=csr)
        try:
            answer: cluster_pb2.JoinResponse = stub.Join(message, timeout=JOIN_SECONDS)
        except grpc.RpcError as error:
            raise JoinError(f"{error.details()} ({error.code().name})") from error
        return answer


def _check(request: Request) -> None:
    token_id, _, secret = request.token.partition(".")
    if len(token_id) != 6 or len(secret) != 16 or not (token_id + secret).isalnum():
        raise JoinError("--token: must look like abcdef.0123456789abcdef")
    kind, _, digest = request.ca_hash.partition(":")
    if kind != "sha256" or len(digest) != 64:
        raise JoinError("--ca-hash: must look like sha256:<64 hexadecimal digits>")
    try:
        ipaddress.ip_address(request.address)
    except ValueError as error:
        raise JoinError(f"--address: {error}") from error
    for server in request.servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit():
            raise JoinError(f'--server: "{server}" must be HOST:PORT')


def _joined(request: Request) -> bool:
    """Tell whether this node already holds a certificate of its name under the authority with the given hash."""
    files = [request.pki / name for name in ("ca.crt", "node.crt", "node.key")]
    if not request.config.exists() or not all(path.exists() for path in files):
        return False
    with contextlib.suppress(ValueError, TypeError, InvalidSignature):
        authority, leaf = (x509.load_pem_x509_certificate(path.read_bytes()) for path in files[:2])
        leaf.verify_directly_issued_by(authority)
        same = certificates.authority_hash(files[0].read_bytes()) == request.ca_hash
        named = f"CN={certificates.NODE_USER_PREFIX}{request.node_name}" in leaf.subject.rfc4514_string().split(",")
        settings = yaml.safe_load(request.config.read_text())
        return same and named and settings.get("address") == request.address
    return False


def _write(request: Request, answer: cluster_pb2.JoinResponse, key: bytes) -> None:
    """Write key, certificates and configuration; the configuration last, because the service waits for it."""
    certificates.write_file(request.pki / "ca.crt", answer.ca)
    certificates.write_file(request.pki / "node.key", key, secret=True)
    certificates.write_file(request.pki / "node.crt", answer.certificate)
    settings = {
        "nodeName": request.node_name,
        "address": request.address,
        "endpoints": list(answer.endpoints),
        "pkiDir": str(request.pki),
    }
    text = "# Written by `fairlead-node join`.\n" + yaml.safe_dump(settings, sort_keys=False)
    certificates.write_file(request.config, text.encode())
