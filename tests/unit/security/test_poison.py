"""Objects in protobuf with what JSON cannot say: refused, so that no list breaks for all who read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from fairlead.api import codec
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.security.conftest import Attack

CONTENT = "application/vnd.kubernetes.protobuf"
CORE, APPS, LEASES = ("/api/v1", "v1"), ("/apis/apps/v1", "apps/v1"), "coordination.k8s.io/v1"
FORMS = ("application/json", "application/yaml", "application/json;as=Table;g=meta.k8s.io;v=v1", CONTENT)
TIMES = (1 << 62, 1 << 40, -(1 << 62), -62_135_596_801)
TEXTS = (b"{", b"\xff", b"nul", b"{}{}", b'{"a":"\\ud800"}', b'{"a":' * 3_000 + b"1" + b"}" * 3_000)
FIELDS = (*TEXTS, b"[]", b"null", b'{"x":5}', b'{"k:{":{}}', b'{"i:99999999999999999999":{}}', b'{"f:a":{"v:{":{}}}')


def objects() -> Iterator[tuple[str, str, Any]]:
    """Iterate over paths, versions and objects named x."""
    for seconds in TIMES:
        event = corev1.Event()
        event.involvedObject.namespace, event.metadata.namespace, event.eventTime.seconds = "mine", "mine", seconds
        yield f"{CORE[0]}/namespaces/mine/events", CORE[1], event
        lease = coordinationv1.Lease()
        lease.spec.renewTime.seconds = seconds
        yield f"/apis/{LEASES}/namespaces/mine/leases", LEASES, lease
        managed = corev1.ConfigMap()
        entry = managed.metadata.managedFields.add(manager="e", operation="Update", apiVersion="v1")
        entry.fieldsType, entry.fieldsV1.Raw, entry.time.seconds = "FieldsV1", b'{"f:data":{"f:a":{}}}', seconds
        yield f"{CORE[0]}/namespaces/mine/configmaps", CORE[1], managed
        node = corev1.Node()
        node.status.conditions.add(type="Ready", status="True").lastHeartbeatTime.seconds = seconds
        yield f"{CORE[0]}/nodes", CORE[1], node
    for raw in TEXTS:
        revision = appsv1.ControllerRevision(revision=1)
        revision.data.raw = raw
        yield f"{APPS[0]}/namespaces/mine/controllerrevisions", APPS[1], revision
    for raw in FIELDS:
        forged = corev1.ConfigMap(data={"a": "b"})
        entry = forged.metadata.managedFields.add(manager="e", operation="Update", apiVersion="v1")
        entry.fieldsType, entry.fieldsV1.Raw = "FieldsV1", raw
        yield f"{CORE[0]}/namespaces/mine/configmaps", CORE[1], forged


@pytest.mark.parametrize(("collection", "version", "obj"), list(objects()))
async def test_what_json_cannot_say_is_not_stored(attack: Attack, collection: str, version: str, obj: Any) -> None:
    """400 or 422, or taken without it; as a new object and over one that is there. Then every list can be read."""
    admin = await attack.as_user("admin", "system:masters")
    kind = type(obj).DESCRIPTOR.name
    plain = type(obj)()
    plain.CopyFrom(obj)
    plain.metadata.Clear()
    for name in {"eventTime", "spec", "data", "status"} & set(type(obj).DESCRIPTOR.fields_by_name):
        plain.ClearField(name)
    if isinstance(plain, appsv1.ControllerRevision):
        plain.data.raw = b"{}"
    if isinstance(plain, corev1.Event):
        plain.metadata.namespace = "mine"
    obj.metadata.name = plain.metadata.name = "x"

    answers = [
        await admin(method, path, codec.enveloped(version, kind, body.SerializeToString()), Content_Type=CONTENT)
        for method, path, body in (
            ("POST", collection, obj),
            ("POST", collection, plain),
            ("PUT", f"{collection}/x", obj),
        )
    ]
    lists = [await admin("GET", collection, accept=form) for form in FORMS]

    assert {answer.status for answer in answers} <= {200, 201, 400, 409, 422}, [one.body for one in answers]
    assert [answer.status for answer in lists] == [200] * len(FORMS)
    assert orjson.loads(lists[0].body)["items"] is not None
    applied = {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "labels": {"a": "b"}}}
    path, content = f"{collection}/x?fieldManager=e&force=true", "application/apply-patch+yaml"
    assert (await admin("PATCH", path, applied, Content_Type=content)).status in (200, 201, 409, 422)


async def test_text_that_is_no_utf_8_is_refused(attack: Attack) -> None:
    """As a value or as a key."""
    admin = await attack.as_user("admin", "system:masters")
    config = corev1.ConfigMap(data={"key-of-it": "value-of-it"})
    config.metadata.name = "x"
    whole = config.SerializeToString()

    for part in (b"key-of-it", b"value-of-it"):
        body = codec.enveloped("v1", "ConfigMap", whole.replace(part, b"\xed\xa0\x80" + part[3:]))
        answer = await admin("POST", f"{CORE[0]}/namespaces/mine/configmaps", body, Content_Type=CONTENT)
        assert answer.status == 400
