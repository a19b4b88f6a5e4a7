"""The signer: what it approves by itself, what it signs, and what it says of the rest."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control import pki
from control.controllers import certificates
from fairlead.api import conditions
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from tests.unit.apiserver import yamls
from tests.unit.controllers import cluster

KEY = ec.generate_private_key(ec.SECP256R1())


def request_of(signer: str, usages: list[str], *, address: str = "") -> certificatesv1.CertificateSigningRequest:
    """Return a node's request."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    made = certificatesv1.CertificateSigningRequest()
    made.metadata.name = "n1"
    made.spec.request, made.spec.signerName = pem, signer
    made.spec.usages.extend(usages)
    return made


@pytest.mark.parametrize(
    ("signer", "usages", "address", "why"),
    [
        (certificates.KUBELET_CLIENT, ["client auth"], "", ""),
        (certificates.KUBELET_CLIENT, ["digital signature", "key encipherment", "client auth"], "", ""),
        (
            certificates.KUBELET_CLIENT,
            ["server auth"],
            "",
            "usages did not match [digital signature key encipherment client auth]",
        ),
        (
            certificates.KUBELET_CLIENT,
            ["client auth"],
            "10.0.0.1",
            "DNS, IP, email and URI subjectAltNames are not allowed",
        ),
        (certificates.KUBELET_SERVING, ["server auth"], "10.0.0.1", ""),
        (certificates.KUBELET_SERVING, ["server auth"], "", "DNS or IP subjectAltName is required"),
        (
            certificates.CLIENT,
            ["cert sign"],
            "",
            "usages did not match [client auth digital signature key encipherment]",
        ),
    ],
)
def test_a_signer_signs_what_it_is_for(signer: str, usages: list[str], address: str, why: str) -> None:
    """Kubernetes' rules for each signer."""
    request = request_of(signer, usages, address=address)
    assert certificates.fault(signer, certificates.asked(request)) == why


async def test_a_node_that_renews_gets_its_certificate() -> None:
    """Approved after a review, signed by the cluster's authority, for the usages that were asked for."""
    authority = pki.create_authority("test")
    async with cluster.cluster(
        nodes=0, sign=authority.sign_request, watched=[certificatesv1.CertificateSigningRequest]
    ) as world:
        await world.client.create(
            yamls.read(
                """
                metadata: {name: nodes-renew}
                roleRef:
                  apiGroup: rbac.authorization.k8s.io
                  kind: ClusterRole
                  name: system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
                subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:nodes"}]
                """,
                rbacv1.ClusterRoleBinding,
            )
        )
        node = world.api.as_user("system:node:n1", ["system:nodes"])
        await node.create(request_of(certificates.KUBELET_CLIENT, ["client auth"]))
        requests = world.informers.of(certificatesv1.CertificateSigningRequest)

        def probe() -> str:
            found = requests.get("n1")
            return "" if found is not None and found.status.certificate else f"not issued: {found}"

        await cluster.wait_until(probe)
        found = requests.get("n1")
        assert found is not None

        certificate = x509.load_pem_x509_certificate(found.status.certificate)
        certificate.verify_directly_issued_by(authority.certificate)
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        approved = conditions.get(found.status.conditions, "Approved")
        assert list(extended) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        assert approved is not None
        assert approved.message == "Auto approving self kubelet client certificate after SubjectAccessReview."
