"""What stands in log lines and errors: never a Secret's content or a token (test_audit.py has the audit log)."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.security.conftest import Attack

CONTENT = "hunter2-swordfish"
ENCODED = base64.b64encode(CONTENT.encode()).decode()
SECRETS = "/api/v1/namespaces/mine/secrets"
MERGE = "application/merge-patch+json"


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hold every line of every logger to it, whatever a test does."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.records:
        line = f"{record.getMessage()} {vars(record)}"
        assert CONTENT not in line
        assert ENCODED not in line


def secret(name: str = "s", **more: Any) -> dict[str, Any]:
    """A Secret with the content."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": CONTENT}, **more}


FAULTY: list[tuple[str, str, Any]] = [
    ("POST", SECRETS, secret("Bad_Name")),
    ("POST", SECRETS, secret(stringData={"bad key": CONTENT})),
    ("POST", SECRETS, secret(data={"a": [CONTENT]})),
    ("POST", SECRETS, secret(type=3)),
    ("POST", SECRETS, secret(type="kubernetes.io/tls")),
    ("POST", SECRETS, secret(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": CONTENT})),
    ("POST", SECRETS, secret(type="kubernetes.io/service-account-token")),
    ("POST", "/api/v1/namespaces/nowhere/secrets", secret()),
    ("POST", SECRETS, secret(metadata={"name": "s", "namespace": "victim"})),
    ("PUT", f"{SECRETS}/absent", secret("absent")),
    ("PUT", f"{SECRETS}/other", secret()),
    ("PATCH", f"{SECRETS}/absent", {"stringData": {"a": CONTENT}}),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": CONTENT}}),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": f"{CONTENT}.{CONTENT}.{CONTENT}"}}),
]


@pytest.mark.parametrize(("method", "path", "body"), FAULTY, ids=[str(number) for number in range(len(FAULTY))])
async def test_a_refusal_does_not_repeat_a_secret(attack: Attack, method: str, path: str, body: Any) -> None:
    """Nor does an answer to a token's review say more of a bad token than that it is bad."""
    admin = await attack.as_user("admin", "system:masters")
    answer = await admin(method, path, body, **({"Content_Type": MERGE} if method == "PATCH" else {}))
    message = json.dumps({**answer.json, "spec": None})
    assert CONTENT not in message
    assert ENCODED not in message


async def test_a_bad_token_is_told_to_nobody(attack: Attack) -> None:
    """401 with the one word, whatever is wrong with it; the same for a WebSocket's."""
    nobody = await attack.as_user()
    socket = base64.urlsafe_b64encode(CONTENT.encode()).decode().rstrip("=")
    protocol = f"base64url.bearer.authorization.k8s.io.{socket}"
    answers = [
        await nobody("GET", "/api", Authorization=f"Bearer {CONTENT}"),
        await nobody("GET", "/api", Sec_WebSocket_Protocol=protocol),
    ]
    assert [(answer.status, answer.json["message"]) for answer in answers] == [(401, "Unauthorized")] * 2
