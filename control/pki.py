"""The cluster's certificates: two authorities, the leaves of one control host, and the signing of nodes.

`fairlead-control init` calls this; the gateway signs joining nodes with `Authority`. Authorities and the
service-account key are made once and are the same on every control host; leaves are each host's own.
Nothing that exists and is still good is made again.
"""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fairlead import certificates

AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 90  # a leaf that has less left is made anew by the next init
CLOCK_SKEW = datetime.timedelta(hours=1)  # hosts whose clocks lag must not find a certificate "not yet valid"
BACKDATE = datetime.timedelta(minutes=5)  # as Kubernetes' signers
EXTENDED_USAGES = {"client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH}
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class PkiError(Exception):
    """Files that contradict each other or a request that will not be signed; the text names them."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate is for: user name, groups, and the names and addresses that it may serve."""

    user: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    server: bool = False
    client: bool = False


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that can sign."""

    certificate: x509.Certificate
    key: certificates.PrivateKey

    @property
    def pem(self) -> bytes:
        """Return the authority's certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, subject: Subject) -> tuple[bytes, bytes]:
        """Make a key and a certificate for a subject; returns (certificate, key) as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(subject, key.public_key()), certificates.key_pem(key)

    def sign_node(self, node_name: str, csr: bytes) -> bytes:
        """Sign a node's request: subject exactly O=system:nodes, CN=system:node:<name>; returns PEM.

        PkiError where the request is no CSR, is not signed by its key or asks for anyone else.
        """
        if len(node_name) > 253 or not NODE_NAME.fullmatch(node_name):
            raise PkiError(f'node name "{node_name}" is not a lowercase RFC 1123 subdomain')
        try:
            request = certificates.load_request(csr)
        except ValueError as error:
            raise PkiError("the certificate signing request is not PEM") from error
        if not certificates.is_signed(request):
            raise PkiError("the certificate signing request is not signed by its own key")
        user, group = certificates.NODE_USER_PREFIX + node_name, certificates.NODE_GROUP
        wanted = {(NameOID.ORGANIZATION_NAME, group), (NameOID.COMMON_NAME, user)}
        if len(list(request.subject)) != len(wanted) or {(a.oid, a.value) for a in request.subject} != wanted:
            asked = request.subject.rfc4514_string()
            raise PkiError(f"the certificate signing request must be for O={group}, CN={user}, not {asked}")
        public = request.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise PkiError("the certificate signing request must carry an EC or RSA key")
        return self._sign(Subject(user, (group,), client=True), public)

    def sign_request(self, csr: bytes, usages: Sequence[str], seconds: int) -> bytes:
        """Sign a request as it asks, for usages named as in Kubernetes, until at most the authority itself expires.

        Returns PEM; ValueError where the request is no CSR, is not signed by its key or has a key of another type.
        """
        request = certificates.load_request(csr)
        public = request.public_key()
        if not certificates.is_signed(request):
            raise ValueError("the certificate signing request is not signed by its own key")
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise ValueError("the certificate signing request must carry an EC or RSA key")
        now = datetime.datetime.now(datetime.UTC)
        until = min(now + datetime.timedelta(seconds=seconds), self.certificate.not_valid_after_utc)
        builder = x509.CertificateBuilder(self.certificate.subject, request.subject, public)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - BACKDATE).not_valid_after(until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        enciphers = "key encipherment" in usages
        signs = "digital signature" in usages
        if signs or enciphers:  # one that allows nothing makes the certificate invalid: a request for [client auth]
            key_usage = x509.KeyUsage(signs, False, enciphers, False, False, False, False, False, False)
            builder = builder.add_extension(key_usage, critical=True)
        extended = [found for usage, found in EXTENDED_USAGES.items() if usage in usages]
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            builder = builder.add_extension(names.value, critical=names.critical)
        except x509.ExtensionNotFound:
            pass
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _sign(self, subject: Subject, public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] if subject.server else []
        usages += [ExtendedKeyUsageOID.CLIENT_AUTH] if subject.client else []
        builder = _builder(_name(subject), self.certificate.subject, LEAF_DAYS).public_key(public)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.certificate.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        if subject.hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in subject.hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def create_authority(common_name: str) -> Authority:
    """Make a self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = _builder(name, name, AUTHORITY_DAYS).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    usage = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
    builder = builder.add_extension(usage, critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def load_authority(certificate: pathlib.Path, key: pathlib.Path) -> Authority:
    """Read an authority; PkiError where one of its two files is missing or they do not belong together."""
    cert, private = x509.load_pem_x509_certificate(_read(certificate)), load_key(key)
    if cert.public_key() != private.public_key():
        raise PkiError(f"{key} is not the key of {certificate}")
    return Authority(cert, private)


def ensure_authority(certificate: pathlib.Path, key: pathlib.Path, common_name: str) -> tuple[Authority, bool]:
    """Return the authority in these files, made if neither exists; the flag tells whether it was made."""
    if certificate.exists() or key.exists():
        return load_authority(certificate, key), False
    authority = create_authority(common_name)
    certificates.write_file(key, certificates.key_pem(authority.key), secret=True)
    certificates.write_file(certificate, authority.pem)
    return authority, True


def ensure_leaf(authority: Authority, path: pathlib.Path, subject: Subject) -> bool:
    """Make <path>.crt and <path>.key for a subject unless good ones are there; returns whether they were made."""
    certificate, key = path.with_suffix(".crt"), path.with_suffix(".key")
    if certificate.exists() and key.exists() and _good(authority, certificate.read_bytes(), subject):
        return False
    cert_pem, secret_pem = authority.issue(subject)
    certificates.write_file(key, secret_pem, secret=True)
    certificates.write_file(certificate, cert_pem)
    return True


def ensure_service_account_key(directory: pathlib.Path) -> bool:
    """Make sa.key and sa.pub, with which service-account tokens are signed and checked, if they are missing."""
    path = directory / "sa.key"
    made = not path.exists()
    if made:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificates.write_file(path, certificates.key_pem(key), secret=True)
    public = load_key(path).public_key()
    certificates.write_file(
        directory / "sa.pub",
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    return made


def load_key(path: pathlib.Path) -> certificates.PrivateKey:
    """Read a private key; PkiError where the file is missing or holds none that is supported."""
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except ValueError as error:
        raise PkiError(f"{path}: not a private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise PkiError(f"{path}: not an EC or RSA key")
    return key


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PkiError(f"{path} is missing, although its counterpart is there") from error


def _good(authority: Authority, certificate_pem: bytes, subject: Subject) -> bool:
    """Tell whether a leaf is of this authority and subject and lasts long enough."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):  # unreadable or foreign: make it anew
        return False
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(days=RENEW_DAYS) or certificate.subject != _name(subject):
        return False
    return _hosts_of(certificate) == {str(_general_name(host).value) for host in subject.hosts}


def _hosts_of(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _name(subject: Subject) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, subject.user)])


def _general_name(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(subject: x509.Name, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def unique(hosts: Sequence[str]) -> tuple[str, ...]:
    """Return hosts in their order without repeats or empty ones."""
    return tuple(dict.fromkeys(host for host in hosts if host))
