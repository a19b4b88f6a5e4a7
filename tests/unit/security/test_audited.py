"""The audit log: whoever tries something stands in it, however the attempt ends."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import pytest

from control.apiserver.audit import policy, recording
from tests.support.extension import FLUNDERS, Backend, aggregate
from tests.unit.security.conftest import Attack

EVERYTHING = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]}
MAPS = "/api/v1/namespaces/mine/configmaps"
PODS = "/api/v1/namespaces/mine/pods"
SECRET = b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"a":["very-secret"]}}'


@dataclasses.dataclass
class Log:
    """The audit log of an API server under attack."""

    lines: list[bytes]

    def ends(self) -> list[tuple[str, str, int, str]]:
        """Return who did what to which resource's name with which code, as the last stages tell it."""
        events = [orjson.loads(line) for line in self.lines]
        return [
            (
                event["user"]["username"],
                f"{event['verb']} {event.get('objectRef', {}).get('resource', '')}",
                event["responseStatus"]["code"],
                event.get("annotations", {}).get("authorization.k8s.io/decision", ""),
            )
            for event in events
            if event["stage"] == "ResponseComplete"
        ]


def watched(attack: Attack) -> Log:
    """Keep an audit log of everything from here on."""
    log = Log([])
    attack.api.auditor = recording.Recorder(policy.parse(orjson.dumps(EVERYTHING).decode()), log.lines.append)
    return log


@pytest.mark.parametrize(
    ("method", "path", "body", "end"),
    [
        ("POST", PODS, b"{", ("create pods", 400, "")),
        ("POST", PODS, b'{"kind":"Pod","apiVersion":"v1","spec":[]}', ("create pods", 400, "")),
        ("PUT", f"{PODS}/web", b"\xff", ("update pods", 400, "")),
        ("PATCH", f"{PODS}/web", b"{}", ("patch pods", 415, "")),
        ("POST", "/api/v1/namespaces/victim/pods", b"{", ("create pods", 403, "forbid")),
        ("DELETE", "/api/v1/namespaces/victim/pods/db", b"{", ("delete pods", 403, "forbid")),
        ("DELETE", "/api/v1/namespaces/victim/pods", b"{", ("deletecollection pods", 403, "forbid")),
        ("POST", f"{PODS}/web", b"", ("post ", 405, "")),
        ("GET", f"{PODS}/web/nothing", None, ("get pods", 403, "forbid")),
    ],
)
async def test_what_fails_before_it_begins_is_noted(
    attack: Attack, method: str, path: str, body: bytes | None, end: tuple[str, int, str]
) -> None:
    """Once, with its code, and why it was refused."""
    await attack.administer("eve")
    eve, log = await attack.as_user("eve"), watched(attack)

    answer = await eve(method, path, body, Content_Type="text/plain" if method == "PATCH" else "application/json")

    assert log.ends() == [("eve", *end)], answer.body
    assert answer.status == end[1]


async def test_who_may_not_act_as_another_is_noted(attack: Attack) -> None:
    """By its own name: as in Kubernetes the log does not say that it was the other."""
    eve, log = await attack.as_user("eve"), watched(attack)

    answer = await eve("GET", PODS, Impersonate_User="admin", Impersonate_Group="system:masters")

    assert (answer.status, log.ends()) == (403, [("eve", "list pods", 403, "")])
    assert b"impersonatedUser" not in b"".join(log.lines)


async def test_requests_to_aggregated_apis_are_noted(attack: Attack, backend: Backend) -> None:
    """With the resource that they are for, whether they go on or not."""
    await aggregate(attack.api, backend)
    admin, eve = await attack.as_user("admin", "system:masters"), await attack.as_user("eve")
    log = watched(attack)

    for caller in (admin, eve):
        await caller("POST", FLUNDERS, {"a": 1})

    assert log.ends() == [("admin", "create flunders", 201, "allow"), ("eve", "create flunders", 403, "forbid")]


async def test_a_secret_that_cannot_be_read_is_not_repeated(attack: Attack) -> None:
    """Neither its text nor the fault, which may quote it."""
    await attack.administer("eve")
    eve, log = await attack.as_user("eve"), watched(attack)

    answer = await eve("POST", "/api/v1/namespaces/mine/secrets", SECRET, Content_Type="application/json")

    assert (answer.status, log.ends()) == (400, [("eve", "create secrets", 400, "")])
    assert b"very-secret" not in b"".join(log.lines)


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_body_is_read_of_who_may_not(attack: Attack, verb: str) -> None:
    """403 comes before 400, 413 and 415: reading three megabytes is for those who may send them."""
    eve = await attack.as_user("eve")
    path = MAPS if verb == "POST" else f"{MAPS}/x"

    answers: list[Any] = [
        await eve(verb, path, body, Content_Type=kind)
        for body, kind in ((b"{", "application/json"), (b"x" * (4 << 20), "application/json"), (b"", "text/odd"))
    ]

    assert [answer.status for answer in answers] == [403, 403, 403]
