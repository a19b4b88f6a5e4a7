"""Who asks for certificates, and who may approve and sign them.

Source: Kubernetes' documentation, "Certificates and Certificate Signing Requests", and the admission plugins
CertificateApproval, CertificateSigning and CertificateSubjectRestriction.
"""

from __future__ import annotations

from cryptography.x509.oid import NameOID

from control.apiserver import authn, authz
from control.apiserver.admission import plugin
from control.apiserver.strategies import certificatesigningrequest as rules
from fairlead import certificates
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateSubjectRestriction(plugin.Plugin):
    """Writes into a request who asks, and lets nobody ask for group system:masters."""

    async def admit(self, request: plugin.Request) -> None:
        """Fill in the requester, whatever the request says."""
        obj = plugin.created(request, certificatesv1.CertificateSigningRequest)
        if obj is None:
            return
        spec, user = obj.spec, request.user
        spec.username, spec.uid = user.name, user.uid
        spec.ClearField("groups")
        spec.groups.extend(user.groups)
        spec.extra.clear()
        for key, values in user.extra:
            spec.extra[key].items.extend(values)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse a client's certificate for the group that may do everything."""
        obj = plugin.created(request, certificatesv1.CertificateSigningRequest)
        if obj is None or obj.spec.signerName != CLIENT_SIGNER:
            return
        subject = certificates.load_request(obj.spec.request).subject
        groups = [part.value for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        if authn.MASTERS in groups:
            raise request.forbidden(f"use of {CLIENT_SIGNER} signer with {authn.MASTERS} group is not allowed")


class _Permitted(plugin.Plugin):
    """Asks whether the writer may act for the request's signer."""

    def __init__(self, judge: authz.Authorizer) -> None:
        self._judge = judge

    def _ask(self, request: plugin.Request, verb: str, what: str) -> None:
        signer = request.old.spec.signerName
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            asked = authz.Attributes(request.user, verb, "certificates.k8s.io", "signers", "", "", name)
            if self._judge.authorize(asked).allowed:
                return
        raise request.forbidden(f'user not permitted to {what} requests with signerName "{signer}"')


class CertificateApproval(_Permitted):
    """Lets those approve who may `approve` for the signer."""

    async def validate(self, request: plugin.Request) -> None:
        """Refuse an approval by anybody else."""
        is_request = isinstance(request.obj, certificatesv1.CertificateSigningRequest)
        if is_request and request.subresource == rules.APPROVAL:
            self._ask(request, "approve", "approve")


class CertificateSigning(_Permitted):
    """Lets those sign who may `sign` for the signer."""

    async def validate(self, request: plugin.Request) -> None:
        """Refuse a certificate, or a condition, from anybody else."""
        obj, old = request.obj, request.old
        if not isinstance(obj, certificatesv1.CertificateSigningRequest) or request.subresource != "status":
            return
        conditions = [list(each.status.conditions) for each in (obj, old)]
        if obj.status.certificate != old.status.certificate or conditions[0] != conditions[1]:
            self._ask(request, "sign", "sign")
