"""CertificateSigningRequests: asked for once, approved through one subresource, signed through another."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from cryptography import exceptions, x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import names
from fairlead import certificates
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1

APPROVAL = "approval"
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
LEAST_SECONDS = 600
MAX_NAME = 253
MAX_SIGNER = 571  # the longest domain, a namespace, a name, and what separates them
_PEM_BLOCK = re.compile(rb"-----BEGIN ([^\r\n]*?)-----[ \t]*\r?\n(.*?)-----END \1-----", re.DOTALL)
APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
FINAL = (APPROVED, DENIED, FAILED)
STATUSES = ("False", "True", "Unknown")
USAGES = frozenset(
    {
        "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
        "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system",
        "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc",
        "ocsp signing", "s/mime", "server auth", "signing", "timestamping",
    }
)  # fmt: skip
_Request = certificatesv1.CertificateSigningRequest


class CertificateSigningRequestStrategy(strategy.Strategy[_Request]):
    """The rules of CertificateSigningRequests; `now` stamps their conditions."""

    message = _Request
    parts = frozenset({APPROVAL})
    selectable: ClassVar = {"spec.signerName": lambda obj: obj.spec.signerName}

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._now = now

    def name_rule(self, name: str) -> names.Found:
        """Let a request be called anything."""
        return ()

    def prepare_for_create(self, obj: _Request) -> None:
        """Start without status."""
        strategy.drop_status(obj)

    def prepare_for_update(self, obj: _Request, old: _Request) -> None:
        """Keep what was asked and what was answered."""
        obj.spec.CopyFrom(old.spec)
        strategy.keep_status(obj, old)

    def prepare_for_status_update(self, obj: _Request, old: _Request) -> None:
        """Keep what was asked and what was decided; stamp new conditions."""
        strategy.keep_all_but_status(obj, old)
        for kind in (APPROVED, DENIED):
            before, after = _of(old, kind), _of(obj, kind)
            for mine, theirs in zip(after, before, strict=True) if len(after) == len(before) else ():
                mine.CopyFrom(theirs)
        self._stamp(obj, old)

    def prepare_for_part(self, part: str, obj: _Request, old: _Request) -> None:
        """Take nothing from an approval but its conditions."""
        wanted = list(obj.status.conditions)
        obj.spec.CopyFrom(old.spec)
        strategy.keep_status(obj, old)
        obj.status.ClearField("conditions")
        obj.status.conditions.extend(wanted)
        self._stamp(obj, old)

    def validate(self, obj: _Request) -> field.Faults:
        """Judge a request."""
        spec = obj.spec
        faults = _csr(spec.request)
        if not spec.usages:
            faults.append(field.required("spec.usages"))
        for index, usage in enumerate(spec.usages):
            if usage not in USAGES:
                faults.append(field.unsupported(f"spec.usages[{index}]", usage, USAGES))
        for index in sorted(field.repeats(spec.usages)):
            faults.append(field.duplicate(f"spec.usages[{index}]", spec.usages[index]))
        if spec.signerName == LEGACY_SIGNER:
            text = "the legacy signerName is not allowed via this API version"
            faults.append(field.invalid("spec.signerName", spec.signerName, text))
        else:
            faults += signer_name("spec.signerName", spec.signerName)
        if spec.HasField("expirationSeconds") and spec.expirationSeconds < LEAST_SECONDS:
            text = "may not specify a duration less than 600 seconds (10 minutes)"
            faults.append(field.invalid("spec.expirationSeconds", spec.expirationSeconds, text))
        return faults

    def validate_update(self, obj: _Request, old: _Request) -> field.Faults:
        """Judge a changed request, of which only the metadata can have changed."""
        return []

    def validate_status_update(self, obj: _Request, old: _Request) -> field.Faults:
        """Judge what a signer says: a certificate comes once, approvals are not the signer's."""
        faults = _conditions(obj)
        changed = obj.status.certificate != old.status.certificate
        if changed and (why := certificate_fault(obj.status.certificate)):
            faults.append(field.invalid("status.certificate", "<certificate data>", why))
        faults += _kept(obj, old)
        for kind in (APPROVED, DENIED):
            if len(_of(obj, kind)) > len(_of(old, kind)):
                text = f'updates may not add a condition of type "{kind}"'
                faults.append(field.forbidden("status.conditions", text))
        if changed and old.status.certificate:
            text = "updates may not modify existing certificate content"
            faults.append(field.forbidden("status.certificate", text))
        return faults

    def validate_part(self, part: str, obj: _Request, old: _Request) -> field.Faults:
        """Judge an approval: what was decided stays decided."""
        return _conditions(obj) + _kept(obj, old)

    def _stamp(self, obj: _Request, old: _Request) -> None:
        """Give conditions the times that their writer left out."""
        now = int(self._now())
        for condition in obj.status.conditions:
            if not condition.lastUpdateTime.seconds:
                condition.lastUpdateTime.seconds = now
            if not condition.lastTransitionTime.seconds:
                known = next((one for one in _of(old, condition.type) if one.status == condition.status), None)
                condition.lastTransitionTime.seconds = known.lastTransitionTime.seconds if known else now


def signer_name(path: str, name: str) -> field.Faults:
    """Judge a signer's name: a domain and a path, `example.com/signer`."""
    if not name:
        return [field.required(path)]
    parts = name.split("/")
    if len(parts) != 2:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [field.invalid(path, name, text)]
    domain, rest = parts
    faults = [field.too_long(path, MAX_NAME)] if len(domain) > MAX_NAME else []
    faults += _first(path, domain, names.label)
    if "." not in domain:
        text = "should be a domain with at least two segments separated by dots"
        faults.append(field.invalid(path, domain, text))
    faults += _first(path, rest, names.subdomain)
    if len(name) > MAX_SIGNER:
        faults.append(field.too_long(path, MAX_SIGNER))
    return faults


def _first(path: str, part: str, rule: Callable[[str], names.Found]) -> field.Faults:
    """Judge the labels of a signer's domain or path up to the first that is bad: more would tell no more."""
    for label in part.split("."):
        if found := rule(label):
            return field.invalids(path, part, [f"validating label {field.shown(label)}: {one}" for one in found])
    return []


def _csr(request: bytes) -> field.Faults:
    """Judge the PEM of a request: of the right type, and signed by its own key."""
    shown = field.Raw(f"[]byte{{{', '.join(f'0x{byte:x}' for byte in request)}}}" if request else "[]byte(nil)")
    try:
        parsed = certificates.load_request(request)
    except ValueError:
        return [field.invalid("spec.request", shown, "PEM block type must be CERTIFICATE REQUEST")]
    if not certificates.is_signed(parsed):
        return [field.invalid("spec.request", shown, _unverified(parsed))]
    return []


def _unverified(parsed: x509.CertificateSigningRequest) -> str:
    """Return what Go says of a signature that is not that of the request's key."""
    try:
        _ = parsed.signature_hash_algorithm
    except exceptions.UnsupportedAlgorithm:
        return "x509: cannot verify signature: algorithm unimplemented"
    key = parsed.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "crypto/rsa: verification error"
    return f"x509: {'ECDSA' if isinstance(key, ec.EllipticCurvePublicKey) else 'Ed25519'} verification failure"


def certificate_fault(pem: bytes) -> str:
    """Return what is wrong with an issued certificate; "" if nothing, or where there is none."""
    found = 0
    for block in _PEM_BLOCK.finditer(pem):
        kind, inside = block.group(1).decode("utf-8", "replace"), block.group(2)
        if kind != "CERTIFICATE":
            return f"only CERTIFICATE PEM blocks are allowed, found {field.shown(kind)}"
        if b":" in inside:
            return "no PEM block headers are permitted"
        found += 1
        try:
            x509.load_pem_x509_certificate(block.group(0))
        except (ValueError, x509.InvalidVersion):
            return "x509: malformed certificate"
    return "" if found or not pem else "must contain at least one CERTIFICATE PEM block"


def _of(obj: _Request, kind: str) -> list[certificatesv1.CertificateSigningRequestCondition]:
    return [one for one in obj.status.conditions if one.type == kind]


def _conditions(obj: _Request) -> field.Faults:
    faults: field.Faults = []
    seen: set[str] = set()
    for index, one in enumerate(obj.status.conditions):
        path = f"status.conditions[{index}]"
        supported = ("True",) if one.type in FINAL else STATUSES
        if not one.type:
            faults.append(field.required(f"{path}.type"))
        if not one.status:
            faults.append(field.required(f"{path}.status"))
        elif one.status not in supported:
            faults.append(field.unsupported(f"{path}.status", one.status, supported))
        if one.type in (APPROVED, DENIED) and {APPROVED, DENIED} <= seen | {one.type}:
            text = "Approved and Denied conditions are mutually exclusive"
            faults.append(field.invalid(f"{path}.type", one.type, text))
        if one.type in seen:
            faults.append(field.duplicate(f"{path}.type", one.type))
        seen.add(one.type)
    return faults


def _kept(obj: _Request, old: _Request, kinds: Iterable[str] = FINAL) -> field.Faults:
    """Return the faults of conditions that were taken away."""
    return [
        field.forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        for kind in kinds
        if len(_of(obj, kind)) < len(_of(old, kind))
    ]
