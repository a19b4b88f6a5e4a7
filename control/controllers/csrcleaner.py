"""The cleaner of certificate requests: what has been answered an hour ago, or nobody has looked at for a day.

Whoever asked has taken its certificate by then. The periods are Kubernetes', which looks once an hour; this one looks
when the time has come.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cryptography import x509

from control.controllers import framework
from fairlead.api import errors, times
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import meta_v1_pb2 as metav1

ANSWERED_SECONDS = 3600.0
PENDING_SECONDS = 86400.0


def decide(csr: certificatesv1.CertificateSigningRequest, now: float) -> tuple[str, float | None]:
    """Return why a request is to be removed (empty to keep it) and in how many seconds to look again.

    None where only a change counts. An approved request that nobody has signed stays, as in Kubernetes.
    """
    ends = sorted(_ends(csr))
    if not ends:
        return "", None
    at, why = ends[0]
    return (why, None) if now >= at else ("", at - now)


def _ends(csr: certificatesv1.CertificateSigningRequest) -> Iterator[tuple[float, str]]:
    """Iterate over when a request's time ends, and why."""
    if not csr.status.conditions:
        yield times.to_seconds(csr.metadata.creationTimestamp) + PENDING_SECONDS, "nobody has looked at it for a day"
    for condition in csr.status.conditions:
        since = times.to_seconds(condition.lastUpdateTime)
        issued = condition.type == "Approved" and bool(csr.status.certificate)
        if since and (issued or condition.type in ("Denied", "Failed")):
            yield since + ANSWERED_SECONDS, f"was {condition.type.lower()} an hour ago"
        if issued and (expires := _expiry(csr.status.certificate)) is not None:
            yield expires, "its certificate has expired"


def _expiry(pem: bytes) -> float | None:
    """Return when a certificate ends; None for what cannot be read as one."""
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
    except ValueError:
        return None


class CertificateRequestCleaner(framework.OfKind[certificatesv1.CertificateSigningRequest]):
    """Removes requests whose time is over."""

    name = "certificatesigningrequest-cleaner-controller"
    workers = 1
    kind = certificatesv1.CertificateSigningRequest

    async def reconcile(self, key: str) -> framework.Result:
        """Remove one request, or come back when its time is over."""
        csr = self.known.get(key)
        if csr is None:
            return framework.nothing("is gone")
        why, again = decide(csr, self.clock.now())
        if not why:
            return framework.nothing("is kept", again)
        options = metav1.DeleteOptions(preconditions=metav1.Preconditions(uid=csr.metadata.uid))
        with contextlib.suppress(errors.NotFound):
            await self.client.delete(self.kind, key, options=options)
        return framework.Result(f"removed: {why}")
