"""What webhooks leave in the audit log."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from control.apiserver.audit import policy, recording
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from tests.support import hooks
from tests.unit.apiserver import yamls
from tests.unit.apiserver.admission.test_webhooks import config, configure

Mutating = registrationv1.MutatingWebhookConfiguration
Validating = registrationv1.ValidatingWebhookConfiguration
AUTHORIZATION = ("authorization.k8s.io/decision", "authorization.k8s.io/reason")
ADD = {"op": "add", "path": "/data/added", "value": "yes"}


class Lines:
    """The log, and a policy that lets pods' and ConfigMaps' creations into it."""

    def __init__(self, level: str) -> None:
        document = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "rules": [{"level": level, "verbs": ["create"]}],
        }
        self.raw: list[bytes] = []
        self.auditor = recording.Recorder(policy.parse(orjson.dumps(document).decode()), self.raw.append)

    def annotations(self, resource: str) -> dict[str, str]:
        """Return the annotations of the one creation of a kind, without authorisation's."""
        events = [orjson.loads(line) for line in self.raw]
        (event,) = [
            one
            for one in events
            if one.get("objectRef", {}).get("resource") == resource and one["stage"] == "ResponseComplete"
        ]
        return {key: value for key, value in event["annotations"].items() if key not in AUTHORIZATION}


async def test_a_webhooks_own_words_are_under_its_name() -> None:
    """Of both kinds of webhooks, also where they refuse; a key that is none is dropped."""
    lines = Lines("Metadata")
    answer = hooks.allow(auditAnnotations={"why": "because", "not a key": "x", "a/b": "x"})
    refusal = hooks.deny(message="no")
    async with (
        control.memory_api(auditor=lines.auditor) as api,
        hooks.serving(answer) as first,
        hooks.serving(lambda asked: {**refusal(asked), "auditAnnotations": {"why": "not"}}) as second,
    ):
        await configure(api, Mutating, first, name="first")
        client = await configure(api, Validating, second, name="second")
        with pytest.raises(Exception, match="denied the request: no"):
            await client.create(config(a="1"))

    told = {"configuration": "first", "webhook": "first.example.com", "mutated": False}
    assert lines.annotations("configmaps") == {
        "first.example.com/why": "because",
        "mutation.webhook.admission.k8s.io/round_0_index_0": orjson.dumps(told).decode(),
        "second.example.com/why": "not",
    }


@pytest.mark.parametrize(("level", "patched"), [("Metadata", False), ("Request", True)])
async def test_a_change_is_noted_and_its_patch_from_level_request_on(level: str, patched: bool) -> None:
    """In the round and at the place among all webhooks at which it was made."""
    lines = Lines(level)
    add = {"op": "add", "path": "/metadata/labels", "value": {"added": "yes"}}
    rule = "{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [serviceaccounts]}"
    async with control.memory_api(auditor=lines.auditor) as api, hooks.serving(hooks.patch(add)) as hook:
        await configure(api, Mutating, hook, name="a")
        client = await configure(api, Mutating, hook, name="b", rules=rule)
        await client.create(yamls.read("metadata: {name: robot, namespace: default}", corev1.ServiceAccount))

    told: dict[str, Any] = {"configuration": "b", "webhook": "b.example.com"}
    expected = {"mutation.webhook.admission.k8s.io/round_0_index_1": {**told, "mutated": True}}
    if patched:
        expected["patch.webhook.admission.k8s.io/round_0_index_1"] = {
            **told,
            "patch": [add],
            "patchType": "JSONPatch",
        }
    found = lines.annotations("serviceaccounts")
    assert {key: orjson.loads(value) for key, value in found.items()} == expected


async def test_a_patch_of_what_holds_secrets_is_never_logged() -> None:
    """ConfigMaps are logged at Metadata at most, whatever the policy says."""
    lines = Lines("RequestResponse")
    async with control.memory_api(auditor=lines.auditor) as api, hooks.serving(hooks.patch(ADD)) as hook:
        client = await configure(api, Mutating, hook)
        await client.create(config(a="1"))

    assert list(lines.annotations("configmaps")) == ["mutation.webhook.admission.k8s.io/round_0_index_0"]


@pytest.mark.parametrize(("kind", "domain"), [(Mutating, "mutation"), (Validating, "validating")])
async def test_a_failure_that_is_ignored_is_noted(kind: Any, domain: str) -> None:
    """Who let a request pass without having judged it."""
    lines = Lines("Metadata")
    async with control.memory_api(auditor=lines.auditor) as api:
        async with hooks.serving(hooks.allow()) as hook:
            pass
        client = await configure(api, kind, hook, ", failurePolicy: Ignore")
        await asyncio.wait_for(client.create(config(a="1")), 30)

    key = f"failed-open.{domain}.webhook.admission.k8s.io/round_0_index_0"
    assert lines.annotations("configmaps")[key] == "policy.example.com"
