"""How long requests for certificates stay: the periods are Kubernetes'."""

from __future__ import annotations

import asyncio
import time

import pytest

from control import pki
from control.controllers import certificates, csrcleaner, manager
from fairlead.api import scheme
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.testing import control
from tests.unit.client import waiting
from tests.unit.controllers import cluster
from tests.unit.controllers.test_certificates import request_of

Request = certificatesv1.CertificateSigningRequest
HOUR, DAY = 3600.0, 86400.0
MADE = 1_000_000


def asked(*answers: str, certificate: bytes = b"") -> Request:
    """Return a request that was made, and answered ten seconds later."""
    made = Request()
    made.metadata.creationTimestamp.seconds = MADE
    for answer in answers:
        made.status.conditions.add(type=answer, status="True").lastUpdateTime.seconds = MADE + 10
    made.status.certificate = certificate
    return made


@pytest.mark.parametrize(
    ("request_", "seconds", "why"),
    [
        (asked(), DAY, "nobody has looked at it for a day"),
        (asked("Denied"), 10 + HOUR, "was denied an hour ago"),
        (asked("Approved", "Failed"), 10 + HOUR, "was failed an hour ago"),
        (asked("Approved", certificate=b"unreadable"), 10 + HOUR, "was approved an hour ago"),
    ],
)
def test_a_request_stays_for_its_time(request_: Request, seconds: float, why: str) -> None:
    """A second before, it is known when to look again."""
    assert csrcleaner.decide(request_, MADE + seconds - 1) == ("", 1.0)
    assert csrcleaner.decide(request_, MADE + seconds) == (why, None)


def test_an_approved_request_waits_for_its_signer() -> None:
    """However long that takes."""
    assert csrcleaner.decide(asked("Approved"), MADE + 1000 * DAY) == ("", None)


def test_a_request_goes_with_its_certificate() -> None:
    """Which may be over before the hour is."""
    authority = pki.create_authority("test")
    csr = request_of(certificates.KUBELET_CLIENT, ["client auth"])
    now = time.time()
    csr.status.certificate = authority.sign_request(csr.spec.request, ["client auth"], 600)
    csr.status.conditions.add(type="Approved", status="True").lastUpdateTime.seconds = int(now)
    why, again = csrcleaner.decide(csr, now)
    assert why == ""
    assert again is not None
    assert 0 < again <= 600
    assert csrcleaner.decide(csr, now + 601) == ("its certificate has expired", None)


async def test_old_requests_are_removed_and_new_ones_stay() -> None:
    """With the rights of the certificate controller."""
    made_at = time.time() - DAY - 1
    async with control.memory_api(now=lambda: made_at) as api:
        admin = api.as_user(*control.ADMIN)
        old = await admin.create(request_of(certificates.CLIENT, ["client auth"]))
        made_at = time.time()
        new = request_of(certificates.CLIENT, ["client auth"])
        new.metadata.name = "new"
        await admin.create(new)
        running = asyncio.create_task(manager.Manager(api, "manager-1").run())
        try:
            kind = scheme.DEFAULT.of(Request)
            await cluster.wait_until(lambda: "it is there" if api.cache.get(kind, "", old.metadata.name) else "")
            await waiting.settle(50)
            assert [one.metadata.name for one in (await admin.list(Request)).items] == ["new"]
        finally:
            running.cancel()
            await asyncio.wait([running])
