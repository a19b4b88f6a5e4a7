"""kubectl certificate: a request is approved and signed, or denied."""

from __future__ import annotations

import base64
import pathlib

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.testing import cluster as testing
from tests.clients.whole.conftest import Kubectl

REQUEST = """
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: ada}}
spec:
  request: {request}
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
"""


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    """Ada's key."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def manifest(key: ec.EllipticCurvePrivateKey) -> str:
    """Ada's request."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ada")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    return REQUEST.format(request=base64.b64encode(pem).decode())


def test_an_approved_request_is_signed_and_its_certificate_is_believed(
    kubectl: Kubectl,
    cluster: testing.Threaded,
    manifest: str,
    key: ec.EllipticCurvePrivateKey,
    tmp_path: pathlib.Path,
) -> None:
    """From the request to the first call of its user, who may nothing yet."""
    kubectl("create", "-f", "-", stdin=manifest)
    pending = kubectl.rows("get", "csr", "ada", "--no-headers")[0]
    approved = kubectl("certificate", "approve", "ada")
    kubectl.until("get", "csr", "ada", "-o", "jsonpath={.status.conditions[*].type}", says="Approved")
    issued = "go-template={{if .status.certificate}}issued{{end}}"
    kubectl.until("get", "csr", "ada", "-o", issued, says="issued")
    shown = kubectl.rows("get", "csr", "ada", "--no-headers")[0]
    pem = base64.b64decode(kubectl("get", "csr", "ada", "-o", "jsonpath={.status.certificate}"))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    data = {"client-certificate-data": pem, "client-key-data": private}
    config["users"][0]["user"] = {name: base64.b64encode(value).decode() for name, value in data.items()}
    (tmp_path / "ada.conf").write_text(yaml.safe_dump(config))
    ada = Kubectl(kubectl.program, tmp_path / "ada.conf", tmp_path)

    assert (pending[0], pending[-1], shown[-1]) == ("ada", "Pending", "Approved,Issued")
    assert pending[2] == "kubernetes.io/kube-apiserver-client"
    assert approved == "certificatesigningrequest.certificates.k8s.io/ada approved\n"
    assert x509.load_pem_x509_certificate(pem).subject.rfc4514_string() == "CN=ada"
    assert ada.fails("get", "pods") == (
        'Error from server (Forbidden): pods is forbidden: User "ada" cannot list resource "pods" in API group "" '
        'in the namespace "default"\n'
    )
    assert ada("auth", "can-i", "create", "selfsubjectaccessreviews.authorization.k8s.io").endswith("yes\n")


def test_a_denied_request_stays_denied(kubectl: Kubectl, manifest: str) -> None:
    """It cannot be approved afterwards, and nothing is signed."""
    kubectl("create", "-f", "-", stdin=manifest)

    denied = kubectl("certificate", "deny", "ada")
    approved = kubectl.fails("certificate", "approve", "ada")

    assert denied == "certificatesigningrequest.certificates.k8s.io/ada denied\n"
    assert approved == 'error: certificate signing request "ada" is already Denied\n'
    status = kubectl.json("get", "csr", "ada")["status"]
    assert [condition["type"] for condition in status["conditions"]] == ["Denied"]
    assert "certificate" not in status
