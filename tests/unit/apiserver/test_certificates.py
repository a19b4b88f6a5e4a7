"""CertificateSigningRequests: who asks, who approves, who signs, and what each may write."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from control import pki
from control.apiserver.server import ApiServer
from control.apiserver.strategies import certificatesigningrequest
from fairlead.api import errors, names, objects
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.testing import control
from tests.unit.apiserver import judging, yamls

KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT = "kubernetes.io/kube-apiserver-client"


def request_of(name: str, *groups: str) -> bytes:
    """Return the PEM of a request for a user in groups."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(KEY, hashes.SHA256())
    return built.public_bytes(serialization.Encoding.PEM)


def manifest(pem: bytes, signer: str = CLIENT) -> str:
    """Return a request as YAML."""
    encoded = base64.b64encode(pem).decode()
    return f"{{metadata: {{name: ann}}, spec: {{request: {encoded}, signerName: {signer}, usages: [client auth]}}}}"


GOOD = manifest(request_of("ann"))
KIND = "CertificateSigningRequest"
BAD: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"spec/request": "YQ=="},
        ["spec.request: Invalid value: []byte{0x61}: PEM block type must be CERTIFICATE REQUEST"],
    ),
    ({"spec/usages": []}, ["spec.usages: Required value"]),
    ({"spec/usages": ["client auth", "client auth"]}, ['spec.usages[1]: Duplicate value: "client auth"']),
    ({"spec/signerName": ""}, ["spec.signerName: Required value"]),
    (
        {"spec/signerName": "A.B.io/C.D"},
        [
            f'spec.signerName: Invalid value: "A.B.io": validating label "A": {names.dns_label("A")[0]}',
            f'spec.signerName: Invalid value: "C.D": validating label "C": {names.dns_subdomain("C")[0]}',
        ],
    ),
    (
        {"spec/signerName": f"a.io/{'b' * 253}.{'c' * 253}.{'d' * 63}"},
        ["spec.signerName: Too long: may not be more than 571 bytes"],
    ),
    (
        {"spec/signerName": "a"},
        [
            "spec.signerName: Invalid value: \"a\": must be a fully qualified domain and path of the form 'example.com/signer-name'"
        ],
    ),
    (
        {"spec/signerName": "a/b"},
        ['spec.signerName: Invalid value: "a": should be a domain with at least two segments separated by dots'],
    ),
    (
        {"spec/signerName": "kubernetes.io/legacy-unknown"},
        [
            'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version'
        ],
    ),
    (
        {"spec/expirationSeconds": 599},
        ["spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)"],
    ),
]


POINT = KEY.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")


@pytest.mark.parametrize(
    ("part", "spoilt", "why"),
    [
        (b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x03", "PEM block type must be CERTIFICATE REQUEST"),
        (POINT, POINT[:-1] + bytes((POINT[-1] ^ 1,)), "PEM block type must be CERTIFICATE REQUEST"),
        (ECDSA_SHA256, ECDSA_SHA256[:-1] + b"\x7f", "x509: cannot verify signature: algorithm unimplemented"),
        (b"\x02\x01\x00", b"\x02\x01\x07", "PEM block type must be CERTIFICATE REQUEST"),
    ],
    ids=[
        "a name of another type",
        "a key that is not on its curve",
        "a signature of unknown form",
        "a version that does not exist",
    ],
)
def test_a_request_that_can_only_be_read_in_part_is_refused(part: bytes, spoilt: bytes, why: str) -> None:
    """Whatever reads the rest of it later finds all of it readable."""
    good = x509.load_pem_x509_csr(request_of("ann")).public_bytes(serialization.Encoding.DER)
    assert part in good
    encoded = base64.encodebytes(good.replace(part, spoilt, 1))
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n" % encoded

    (fault,) = judging.faults(KIND, manifest(pem))

    assert fault.startswith("spec.request: Invalid value: []byte{")
    assert fault.endswith(why)
    with pytest.raises(pki.PkiError, match="certificate signing request"):
        pki.create_authority("test").sign_node("node-1", pem)


@pytest.mark.parametrize(("changes", "wanted"), BAD)
def test_a_bad_request_is_refused_in_kubernetes_words(changes: dict[str, Any], wanted: list[str]) -> None:
    """Each fault with its path."""
    assert judging.faults(KIND, GOOD) == []
    assert judging.faults(KIND, GOOD, changes) == wanted


def test_an_unknown_usage_names_all_known_ones() -> None:
    """Sorted, as Kubernetes lists them."""
    (found,) = judging.faults(KIND, GOOD, {"spec/usages": ["fun"]})
    assert found.startswith(
        'spec.usages[0]: Unsupported value: "fun": supported values: "any", "cert sign", "client auth"'
    )


def test_a_status_is_signers_and_an_approval_approvers() -> None:
    """A signer cannot approve, and conditions have the times that nobody wrote."""
    approved = {"status/conditions": [{"type": "Approved", "status": "True"}]}
    failed = {"status/conditions": [{"type": "Failed", "status": "True"}, {"type": "Odd", "status": "Perhaps"}]}
    wrong = {"status/certificate": "YQ=="}

    obj, refused = judging.update(KIND, GOOD, approved, status=True)

    assert refused == ['status.conditions: Forbidden: updates may not add a condition of type "Approved"']
    assert obj.status.conditions[0].lastUpdateTime.seconds > 0
    assert judging.update(KIND, GOOD, failed, status=True)[1] == [
        'status.conditions[1].status: Unsupported value: "Perhaps": supported values: "False", "True", "Unknown"'
    ]
    both = {"status/conditions": [{"type": "Denied", "status": "True"}, {"type": "Approved", "status": "True"}]}
    assert judging.update(KIND, GOOD, both, status=True)[1][0] == (
        'status.conditions[1].type: Invalid value: "Approved": Approved and Denied conditions are mutually exclusive'
    )
    assert judging.update(KIND, GOOD, wrong, status=True)[1] == [
        'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'
    ]


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"", ""),
        (request_of("ann"), 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'),
        (b"-----BEGIN CERTIFICATE-----\na: b\n\nYQ==\n-----END CERTIFICATE-----\n", "no PEM block headers are permitted"),
        (b"-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n", "x509: malformed certificate"),
        (b"a", "must contain at least one CERTIFICATE PEM block"),
    ],
)
def test_an_issued_certificate_is_nothing_but_certificates(pem: bytes, why: str) -> None:
    """Each block is looked at, and text between them is not."""
    assert certificatesigningrequest.certificate_fault(pem) == why


def test_a_request_whose_signature_is_anothers_is_refused_as_go_says_it() -> None:
    """By the kind of the key."""
    der = x509.load_pem_x509_csr(request_of("ann")).public_bytes(serialization.Encoding.DER)
    encoded = base64.encodebytes(der.replace(b"ann", b"bob", 1))
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n" % encoded

    (found,) = judging.faults(KIND, manifest(pem))

    assert found.endswith("}: x509: ECDSA verification failure")


def test_a_signer_keeps_what_was_decided() -> None:
    """An approval that it would reword stays as it is, as in Kubernetes."""
    strategy = judging.STRATEGIES[KIND]
    old = judging.prepared(KIND, GOOD)
    old.status.conditions.add(type="Approved", status="True", message="fine")
    new = objects.copy(old)
    new.status.conditions[0].message = "odd"

    strategy.prepare_for_status_update(new, old)

    assert new.status.conditions[0].message == "fine"
    assert strategy.validate_status_update(new, old) == []


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with control.memory_api(now=lambda: 1000.0) as made:
        yield made


async def test_the_server_writes_who_asks(api: ApiServer) -> None:
    """Whatever the request says of it."""
    wanted = yamls.read(GOOD, certificatesv1.CertificateSigningRequest)
    wanted.spec.username = "somebody"

    made = await api.as_user("ann", ["system:masters"]).create(wanted)

    assert (made.spec.username, list(made.spec.groups)) == ("ann", ["system:masters", "system:authenticated"])


async def test_nobody_asks_to_be_everybodys_master(api: ApiServer) -> None:
    """CertificateSubjectRestriction."""
    with pytest.raises(errors.Forbidden, match="signer with system:masters group is not allowed"):
        await api.as_user(*control.ADMIN).create(
            yamls.read(manifest(request_of("ann", "system:masters")), certificatesv1.CertificateSigningRequest)
        )


async def test_an_approved_request_is_signed_once(api: ApiServer) -> None:
    """approval, then status; neither takes back what was decided."""
    admin = api.as_user(*control.ADMIN)
    fresh = objects.copy(await admin.create(yamls.read(GOOD, certificatesv1.CertificateSigningRequest)))
    fresh.status.conditions.add(type="Approved", status="True", reason="Looked", message="fine")
    approved = await admin.update(fresh, subresource="approval")
    signed = objects.copy(approved)
    signed.status.certificate = pki.create_authority("test").sign_request(fresh.spec.request, ["client auth"], 3600)
    signed = objects.copy(await admin.update(signed, subresource="status"))
    denied = objects.copy(signed)
    denied.status.conditions[0].type = "Denied"

    with pytest.raises(errors.Invalid) as refused:
        await admin.update(denied, subresource="approval")

    assert approved.status.conditions[0].lastTransitionTime.seconds == 1000
    certificate = x509.load_pem_x509_certificate(signed.status.certificate)
    assert certificate.subject.rfc4514_string() == "CN=ann"
    with pytest.raises(x509.ExtensionNotFound):  # a key usage of nothing makes a certificate invalid
        certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert [one.message for one in refused.value.causes] == [
        'Forbidden: updates may not remove a condition of type "Approved"'
    ]


@pytest.mark.parametrize(
    ("subresource", "condition", "verb"),
    [
        ("approval", "Approved", "approve"),
        ("status", "Seen", "sign"),  # a condition that Kubernetes does not know, too
    ],
)
async def test_a_condition_needs_the_verb_for_the_signer(
    subresource: str, condition: str, verb: str, api: ApiServer
) -> None:
    """The controller manager's account may update requests, and neither approves nor signs for strangers."""
    admin = api.as_user(*control.ADMIN)
    made = await admin.create(
        yamls.read(manifest(request_of("ann"), "example.com/other"), certificatesv1.CertificateSigningRequest)
    )
    fresh = objects.copy(made)
    fresh.status.conditions.add(type=condition, status="True")
    stranger = api.as_user("system:serviceaccount:kube-system:certificate-controller")

    with pytest.raises(errors.Forbidden) as refused:
        await stranger.update(fresh, subresource=subresource)

    assert refused.value.message == (
        f'certificatesigningrequests.certificates.k8s.io "ann" is forbidden: user not permitted to {verb} requests'
        ' with signerName "example.com/other"'
    )


def test_a_request_is_stored_where_kubernetes_puts_it() -> None:
    """By its name alone."""
    assert judging.STRATEGIES[KIND].kind.key("", "ann") == "/registry/certificatesigningrequests/ann"
