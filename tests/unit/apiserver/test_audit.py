"""The audit log: what a policy lets into it, what never gets there, and how its file rotates."""

from __future__ import annotations

import asyncio
import os
import pathlib
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control.apiserver import authn, authz, tokens
from control.apiserver.audit import log, policy, recording
from control.apiserver.target import Target
from fairlead import certificates
from fairlead.api import errors, scheme
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control

KEY = certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
JANE = authn.user("jane", ("devs",))
SECRET = "c29tZXRoaW5nIHRoYXQgbm9ib2R5IHJlYWRz"


def policy_of(*rules: dict[str, Any], **more: Any) -> policy.Policy:
    """A policy of rules."""
    document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}
    return policy.parse(orjson.dumps(document).decode())


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []

    def write(self, line: bytes) -> None:
        """Take a line."""
        self.raw.append(line)

    def of(self, resource: str, user: str = "admin") -> list[Any]:
        """Return the events about a resource that a user asked for."""
        events = [orjson.loads(line) for line in self.raw]
        return [
            event
            for event in events
            if event.get("objectRef", {}).get("resource") == resource and event["user"]["username"] == user
        ]


def asked(verb: str, resource: str, *, group: str = "", namespace: str = "default", path: str = "") -> Any:
    """A request of jane's."""
    plural, _, subresource = resource.partition("/")
    if path:
        return authz.Attributes(JANE, verb, path=path)
    return authz.Attributes(JANE, verb, group, plural, subresource, namespace, "x")


@pytest.mark.parametrize(
    ("rule", "request_", "matches"),
    [
        ({}, asked("get", "pods"), True),
        ({"users": ["joe"]}, asked("get", "pods"), False),
        ({"users": ["jane"], "verbs": ["get"]}, asked("get", "pods"), True),
        ({"userGroups": ["devs"]}, asked("get", "pods"), True),
        ({"userGroups": ["ops"]}, asked("get", "pods"), False),
        ({"verbs": ["list"]}, asked("get", "pods"), False),
        ({"namespaces": ["default"]}, asked("get", "pods"), True),
        ({"namespaces": [""]}, asked("get", "pods"), False),
        ({"namespaces": [""]}, asked("get", "nodes", namespace=""), True),
        ({"resources": [{"group": ""}]}, asked("get", "pods"), True),
        ({"resources": [{"group": "apps"}]}, asked("get", "pods"), False),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, asked("get", "pods/log"), False),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, asked("get", "pods/log"), True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, asked("get", "pods/log"), True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["y"]}]}, asked("get", "pods"), False),
        ({"resources": [{"group": ""}]}, asked("get", "", path="/healthz"), False),
        ({"nonResourceURLs": ["/health*"]}, asked("get", "", path="/healthz"), True),
        ({"nonResourceURLs": ["/healthz"]}, asked("get", "pods"), False),
    ],
)
def test_a_rule_matches_as_kubernetes_rules_match(rule: dict[str, Any], request_: Any, matches: bool) -> None:
    """By users, groups, verbs, namespaces, resources and paths."""
    made = policy_of({"level": "Metadata", **rule})

    assert (made.decide(request_).level is policy.Level.METADATA) == matches


def test_the_first_rule_that_matches_decides() -> None:
    """Stages that are omitted add up; what no rule matches is not logged."""
    made = policy_of(
        {"level": "None", "users": ["joe"]},
        {"level": "Request", "verbs": ["create"], "omitStages": ["ResponseStarted"], "omitManagedFields": True},
        {"level": "RequestResponse", "verbs": ["create"]},
        omitStages=["RequestReceived"],
    )

    stages = frozenset({"RequestReceived", "ResponseStarted"})
    assert made.decide(asked("create", "pods")) == policy.Decision(policy.Level.REQUEST, stages, True)
    assert made.decide(asked("get", "pods")) == policy.NOTHING


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: b", "expected kind Policy of audit.k8s.io/v1"),
        ("{apiVersion: audit.k8s.io/v1, kind: Policy}", "rules: Required value"),
        (
            "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: All}]}",
            r"rules\[0\].level: Unsupported value",
        ),
        (
            "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, user: x}]}",
            r'unknown field "rules\[0\].user"',
        ),
        (
            "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None, omitStages: [X]}]}",
            r'rules\[0\].omitStages\[0\]: Unsupported value: "X"',
        ),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused(text: str, why: str) -> None:
    """With the field that is wrong."""
    with pytest.raises(policy.PolicyError, match=why):
        policy.parse(text)


async def test_an_event_is_kubernetes() -> None:
    """One a stage, with who, what, why, and at its level the bodies."""
    lines = Lines()
    auditor = recording.Recorder(policy_of({"level": "RequestResponse"}), lines.write)
    async with control.memory_api(auditor=auditor) as api:
        namespace = corev1.Namespace()
        namespace.metadata.name = "shop"
        made = await api.as_user(*control.ADMIN).create(namespace)
        with pytest.raises(errors.Forbidden):
            await api.client(JANE).get(corev1.Namespace, "shop")

    first, last = lines.of("namespaces")
    refused = lines.of("namespaces", "jane")[-1]
    assert first["stage"], last["stage"] == ("RequestReceived", "ResponseComplete")
    assert "requestObject" not in first
    for volatile in ("auditID", "requestReceivedTimestamp", "stageTimestamp"):
        assert last.pop(volatile)
    assert last.pop("requestObject")["metadata"]["name"] == "shop"
    assert last.pop("responseObject")["metadata"]["uid"] == made.metadata.uid
    assert last == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "stage": "ResponseComplete",
        "requestURI": "",
        "verb": "create",
        "user": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
        "objectRef": {
            "resource": "namespaces",
            "name": "shop",
            "uid": made.metadata.uid,
            "apiVersion": "v1",
            "resourceVersion": made.metadata.resourceVersion,
        },
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }
    assert refused["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert (refused["responseStatus"]["code"], refused["responseStatus"]["reason"]) == (403, "Forbidden")


async def test_an_apply_over_rest_is_logged_as_the_patch_that_it_is() -> None:
    """The method that says whether it created is asked by the edge, not `patch`."""
    lines = Lines()
    auditor = recording.Recorder(policy_of({"level": "Metadata"}), lines.write)
    async with control.memory_api(auditor=auditor) as api:
        body = b'{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}'
        target = Target(scheme.DEFAULT.of(corev1.Namespace), "", "shop")
        user = authn.user("admin", ("system:masters",))
        _, created = await api.apply(user, target, Patch(PatchType.APPLY, body), manager="me")

    assert created
    assert [
        (line["verb"], line["stage"]) for line in lines.of("namespaces") if line["objectRef"]["name"] == "shop"
    ] == [
        ("patch", "RequestReceived"),
        ("patch", "ResponseComplete"),
    ]


async def test_a_watch_is_logged_when_it_starts_and_when_it_ends() -> None:
    """Three stages."""
    lines = Lines()
    auditor = recording.Recorder(policy_of({"level": "Metadata", "verbs": ["watch"]}), lines.write)
    async with control.memory_api(auditor=auditor) as api:
        events = api.as_user(*control.ADMIN).watch(corev1.Namespace)
        await anext(events)
        before = [event["stage"] for event in lines.of("namespaces")]
        await events.aclose()  # type: ignore[attr-defined]

    assert before == ["RequestReceived", "ResponseStarted"]
    assert [event["stage"] for event in lines.of("namespaces")] == [*before, "ResponseComplete"]


LEVELS = st.sampled_from([level.text for level in policy.Level])
RULES = st.lists(
    st.fixed_dictionaries(
        {"level": LEVELS},
        optional={
            "verbs": st.lists(st.sampled_from(["create", "update", "patch", "get", "list"]), max_size=3),
            "resources": st.sampled_from([[{"group": ""}], [{"group": "", "resources": ["secrets", "configmaps"]}]]),
        },
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(RULES)
async def test_no_policy_lets_a_secrets_content_into_the_log(rules: list[dict[str, Any]]) -> None:
    """Secrets, ConfigMaps, tokens that are issued or reviewed: whatever is done with them, also what fails."""
    lines = Lines()
    auditor = recording.Recorder(policy_of(*rules, {"level": "RequestResponse"}), lines.write)
    issuer = tokens.Issuer(KEY, lambda: 1000.0)
    async with control.memory_api(now=lambda: 1000.0, issuer=issuer, auditor=auditor) as api:
        admin = api.as_user(*control.ADMIN)
        for kind in (corev1.Secret, corev1.ConfigMap):
            thing: Any = kind()
            thing.metadata.name, thing.metadata.namespace = "thing", "default"
            thing.data["key"] = SECRET.encode() if kind is corev1.Secret else SECRET
            made = await admin.create(thing)
            await admin.update(made)
            await admin.get(kind, "thing", "default")
            await admin.list(kind, "default")
            await admin.patch(
                kind, "thing", "default", Patch(PatchType.MERGE, b'{"data":{"%b":"eA=="}}' % SECRET.encode())
            )
            bad = Patch(PatchType.MERGE, b'{"data":{"a/%b":"eA=="}}' % SECRET.encode())
            with pytest.raises(errors.Invalid):
                await admin.patch(kind, "thing", "default", bad)
            await admin.delete(kind, "thing", "default")
        account = corev1.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "robot", "default"
        await admin.create(account)
        request = authenticationv1.TokenRequest()
        issued = (await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)).status.token
        review = authenticationv1.TokenReview()
        review.spec.token = issued
        await admin.create(review)

    logged = b"\n".join(lines.raw)
    assert SECRET.encode() not in logged
    assert issued.encode() not in logged


async def test_lines_are_written_without_waiting_and_none_is_lost(tmp_path: pathlib.Path) -> None:
    """Also those that come just before the end."""
    path = tmp_path / "audit.log"
    written = log.Log(log.RotatingFile(path, log.Bounds()))
    running = asyncio.create_task(written.run())
    for number in range(3000):
        written.write(b"line %d" % number)
    await asyncio.sleep(0)
    written.write(b"last")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert path.read_bytes().splitlines() == [*(b"line %d" % number for number in range(3000)), b"last"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert written.dropped == 0


def test_a_file_is_put_aside_before_it_grows_over_its_bound(tmp_path: pathlib.Path) -> None:
    """So many old ones stay; nothing is cut in two, and a line over the bound stands alone."""
    file = log.RotatingFile(tmp_path / "audit.log", log.Bounds(max_bytes=20, max_backups=2))
    for number in range(8):
        file.append([b"line-%04d" % number])
    file.append([b"x" * 30])
    file.close()

    kept = [path.read_bytes() for path in sorted(tmp_path.glob("audit-*.log"))]
    assert kept == [b"line-0004\nline-0005\n", b"line-0006\nline-0007\n"]
    assert (tmp_path / "audit.log").read_bytes() == b"x" * 30 + b"\n"


def test_old_files_go_by_their_age(tmp_path: pathlib.Path) -> None:
    """Days after they were put aside."""
    old = tmp_path / "audit-2020-01-01T00-00-00.000000000.log"
    old.write_bytes(b"old\n")
    os.utime(old, (0, 0))
    file = log.RotatingFile(tmp_path / "audit.log", log.Bounds(max_bytes=10, max_backups=0, max_age_days=1))
    file.append([b"12345678", b"12345678"])
    file.close()

    assert not old.exists()
    assert len(list(tmp_path.glob("audit-*.log"))) == 1


async def test_a_disk_that_refuses_stops_nobody(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    """Events are dropped, counted, and that is logged once."""
    (tmp_path / "audit.log").mkdir()
    written = log.Log(log.RotatingFile(tmp_path / "audit.log", log.Bounds()))
    running = asyncio.create_task(written.run())
    written.write(b"one")
    await asyncio.sleep(0)
    written.write(b"two")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert written.dropped == 2
    assert [record.message for record in caplog.records].count("audit events are dropped") == 1
