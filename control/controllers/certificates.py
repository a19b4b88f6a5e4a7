"""Certificates on request: nodes' own are approved, and what is approved is signed for Kubernetes' signers.

The cluster's authority signs for kube-apiserver-client, kube-apiserver-client-kubelet and kubelet-serving. The signer
is a function that the process gives, so that nothing here holds a key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from control.controllers import framework
from fairlead import certificates
from fairlead.api import conditions, errors, objects
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
SIGNERS = frozenset({CLIENT, KUBELET_CLIENT, KUBELET_SERVING})
NODE_PREFIX = "system:node:"
NODES = ["system:nodes"]
KEY_USAGES = frozenset({"digital signature", "key encipherment"})
DEFAULT_SECONDS = 365 * 86400
GROUP = "certificates.k8s.io"

# Signs a PEM request for usages and seconds; raises ValueError for one that it cannot sign.
Sign = Callable[[bytes, Sequence[str], int], bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for: subject, other names, usages."""

    name: str
    groups: list[str]
    addresses: list[str]
    others: bool
    usages: frozenset[str]


def asked(csr: certificatesv1.CertificateSigningRequest) -> Asked:
    """Return what a request asks for."""
    parsed = certificates.load_request(csr.spec.request)
    name, groups = certificates.name_and_groups(parsed.subject)
    addresses: list[str] = []
    others = False
    try:
        extension = parsed.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert isinstance(extension, x509.SubjectAlternativeName)
        addresses = [str(one.value) for one in extension if isinstance(one, x509.DNSName | x509.IPAddress)]
        others = len(addresses) != len(list(extension))
    except x509.ExtensionNotFound:
        pass
    return Asked(name, groups, addresses, others, frozenset(csr.spec.usages))


def fault(signer: str, wanted: Asked) -> str:
    """Say why a signer does not sign what is asked; "" where it does. The rules are Kubernetes'."""
    if signer == CLIENT:
        if "client auth" not in wanted.usages or wanted.usages - KEY_USAGES - {"client auth"}:
            return "usages did not match [client auth digital signature key encipherment]"
        return ""
    if wanted.groups != NODES:
        return "subject organization is not system:nodes"
    if not wanted.name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node:"
    if signer == KUBELET_CLIENT:
        if wanted.addresses or wanted.others:
            return "DNS, IP, email and URI subjectAltNames are not allowed"
        wants = "client auth"
    else:
        if wanted.others:
            return "email and URI subjectAltNames are not allowed"
        if not wanted.addresses:
            return "DNS or IP subjectAltName is required"
        wants = "server auth"
    if wants not in wanted.usages or wanted.usages - KEY_USAGES - {wants}:
        return f"usages did not match [digital signature key encipherment {wants}]"
    return ""


def _has(csr: certificatesv1.CertificateSigningRequest, kind: str) -> bool:
    return conditions.get(csr.status.conditions, kind) is not None


class CertificateController(framework.OfKind[certificatesv1.CertificateSigningRequest]):
    """Approves, where nobody needs to look, and signs."""

    name = "certificate-controller"
    workers = 1
    kind = certificatesv1.CertificateSigningRequest

    def __init__(self, context: framework.Context, sign: Sign) -> None:
        super().__init__(context)
        self._sign = sign

    async def reconcile(self, key: str) -> framework.Result:
        """Approve or sign one request."""
        csr = self.known.get(key)
        if csr is None or csr.spec.signerName not in SIGNERS:
            return framework.nothing("is not for this signer")
        if csr.status.certificate or _has(csr, "Denied") or _has(csr, "Failed"):
            return framework.nothing("is answered")
        wanted = asked(csr)
        if not _has(csr, "Approved"):
            return await self._approve(key, csr, wanted)
        fresh = objects.copy(csr)
        why = fault(csr.spec.signerName, wanted)
        if not why:
            seconds = csr.spec.expirationSeconds if csr.spec.HasField("expirationSeconds") else DEFAULT_SECONDS
            try:
                fresh.status.certificate = self._sign(csr.spec.request, list(csr.spec.usages), seconds)
            except ValueError as error:
                why = str(error)
        if why:
            fresh.status.conditions.add(type="Failed", status="True", reason="SignerValidationFailure", message=why)
        self.wrote(key, await self.client.update(fresh, subresource="status"))
        return framework.Result(f"failed: {why}" if why else f"signed for {csr.spec.signerName}")

    async def _approve(
        self, key: str, csr: certificatesv1.CertificateSigningRequest, wanted: Asked
    ) -> framework.Result:
        """Approve a node's client certificate, of whoever may ask for one."""
        if csr.spec.signerName != KUBELET_CLIENT or fault(KUBELET_CLIENT, wanted):
            return framework.nothing("waits for approval")
        own = csr.spec.username == wanted.name
        for subresource, applies, text in (
            ("selfnodeclient", own, "Auto approving self kubelet client certificate after SubjectAccessReview."),
            ("nodeclient", True, "Auto approving kubelet client certificate after SubjectAccessReview."),
        ):
            if applies and await self._may(csr, subresource):
                fresh = objects.copy(csr)
                fresh.status.conditions.add(type="Approved", status="True", reason="AutoApproved", message=text)
                self.wrote(key, await self.client.update(fresh, subresource="approval"))
                return framework.Result("approved")
        return framework.nothing("waits for approval")

    async def _may(self, csr: certificatesv1.CertificateSigningRequest, subresource: str) -> bool:
        review = authorizationv1.SubjectAccessReview()
        review.spec.user, review.spec.uid = csr.spec.username, csr.spec.uid
        review.spec.groups.extend(csr.spec.groups)
        attributes = review.spec.resourceAttributes
        attributes.group, attributes.resource, attributes.version = GROUP, "certificatesigningrequests", "*"
        attributes.verb, attributes.subresource = "create", subresource
        try:
            return bool((await self.client.create(review)).status.allowed)
        except errors.NotFound:
            return False
