"""One good object of every kind, from every_kind.yaml beside this."""

from __future__ import annotations

import base64
import pathlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.api import codec

SAMPLES = pathlib.Path(__file__).with_suffix(".yaml")


def documents() -> list[dict[str, Any]]:
    """Return the samples, in an order in which they can be created."""
    text = SAMPLES.read_text().replace("request: CSR", f"request: {_signing_request()}")
    return codec.load_yaml_documents(text)


def _signing_request() -> str:
    """Return a certificate request in PEM, in base64 as YAML carries bytes."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sample")])
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()
