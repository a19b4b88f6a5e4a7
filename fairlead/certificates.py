"""Keys, certificate requests and their files, as control hosts, joining nodes and the command line handle them."""

from __future__ import annotations

import hashlib
import os
import pathlib
import tempfile

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NODE_GROUP = "system:nodes"
NODE_USER_PREFIX = "system:node:"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def node_request(node_name: str) -> tuple[bytes, bytes]:
    """Make a node's key and its request for a certificate; returns (request, key) as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODE_GROUP),
            x509.NameAttribute(NameOID.COMMON_NAME, NODE_USER_PREFIX + node_name),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM), key_pem(key)


# What comes of parts of a request that are read when they are first asked for.
_UNREADABLE = (
    ValueError,
    TypeError,
    exceptions.UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def load_request(pem: bytes) -> x509.CertificateSigningRequest:
    """Return a request whose subject, key and extensions can be read; ValueError for other bytes."""
    try:
        request = x509.load_pem_x509_csr(pem)
        request.public_key()
        _ = request.subject, request.extensions
    except _UNREADABLE as error:
        raise ValueError(str(error)) from None
    return request


def name_and_groups(subject: x509.Name) -> tuple[str, list[str]]:
    """Return the user that a subject stands for: its CN, of several the last as Go reads them, and each O a group."""
    names = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return names[-1] if names else "", groups


def is_signed(request: x509.CertificateSigningRequest) -> bool:
    """Say whether a request is signed by its own key."""
    try:
        return request.is_signature_valid
    except _UNREADABLE:
        return False


def authority_hash(certificate_pem: bytes) -> str:
    """Return `sha256:<hex>` of the authority's public key, as kubeadm's discovery hash is formed."""
    public = x509.load_pem_x509_certificate(certificate_pem).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + hashlib.sha256(der).hexdigest()


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_file(path: pathlib.Path, content: bytes, *, secret: bool = False) -> None:
    """Write a file whole or not at all; a secret one is readable by its owner alone, at every moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o600 if secret else 0o644)
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
