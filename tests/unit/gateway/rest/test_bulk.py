"""Bodies that fit and still cost much: they are judged so far, and refused where they have too many parts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from control.apiserver import bulk, field
from control.apiserver.server import ApiServer
from control.apiserver.structural import validating
from fairlead.api import codec, errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from tests.unit.gateway.rest.conftest import CONFIGMAPS, Caller, configmap

MORE = f"<nil>: Too many: more than {field.MOST_FAULTS} faults, of which the rest is not told"
TOO_MANY = f"the object has more than {bulk.MOST_PARTS} parts"
PODS = "/api/v1/namespaces/default/pods"


def containers(count: int) -> dict[str, Any]:
    """Return a pod of so many empty containers."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{}] * count}}


@pytest.mark.parametrize("way", ["POST", "PUT", "PATCH"])
async def test_judging_ends_after_the_first_thousand_faults(call: Caller, way: str) -> None:
    """The answer has these, in their order, and says that there are more."""
    await call("POST", CONFIGMAPS, configmap("a"))
    body = configmap("a")
    body["metadata"]["finalizers"] = ["/"] * 50_000
    path, kind = (CONFIGMAPS, "json") if way == "POST" else (f"{CONFIGMAPS}/a", "merge-patch+json")
    named = {"Content_Type": f"application/{kind if way == 'PATCH' else 'json'}"}

    answer = await call(way, path, orjson.dumps(body), **named)

    causes = answer.json["details"]["causes"]
    assert (answer.status, answer.json["reason"], len(causes)) == (422, "Invalid", field.MOST_FAULTS + 1)
    assert f"{causes[-1]['field']}: {causes[-1]['message']}" == MORE
    assert causes[0]["field"].startswith("metadata.finalizers")
    assert answer.json["message"].endswith(f", {MORE}]")


async def test_judging_a_few_faults_tells_all(call: Caller) -> None:
    """One container has two, a hundred have theirs."""
    answer = await call("POST", PODS, containers(100))

    assert (answer.status, len(answer.json["details"]["causes"])) == (422, 299)
    assert MORE not in answer.json["message"]


@pytest.mark.parametrize("form", ["json", "yaml", "protobuf"])
async def test_too_many_parts_are_refused_before_anything_is_done_with_them(call: Caller, form: str) -> None:
    """In any format; the greatest number that is taken is judged."""
    body = containers(bulk.MOST_PARTS)
    pod = codec.from_json(body, corev1.Pod)
    data, named = {
        "json": (codec.dumps(pod), "application/json"),
        "yaml": (codec.dumps(pod), "application/yaml"),
        "protobuf": (codec.encode_stored(pod), "application/vnd.kubernetes.protobuf"),
    }[form]

    answer = await call("POST", PODS, data, Content_Type=named)
    fitting = await call("POST", PODS, containers(bulk.MOST_PARTS - 10))

    assert (answer.status, answer.json["reason"], answer.json["message"]) == (413, "RequestEntityTooLarge", TOO_MANY)
    assert fitting.status == 422


async def test_a_patch_cannot_make_what_cannot_be_posted(call: Caller) -> None:
    """Both patches fit; what they make together does not."""
    await call("POST", CONFIGMAPS, configmap("a"))
    rows = [{"op": "add", "path": "/metadata/managedFields", "value": [{}] * (bulk.MOST_PARTS // 2)}]
    more = [*rows, {"op": "add", "path": "/metadata/ownerReferences", "value": [{}] * (bulk.MOST_PARTS // 2)}]

    answers = [
        await call("PATCH", f"{CONFIGMAPS}/a", body, Content_Type="application/json-patch+json")
        for body in (rows, more)
    ]

    assert [(answer.status, answer.json.get("message") == TOO_MANY) for answer in answers] == [
        (200, False),
        (413, True),
    ]


async def test_programs_within_the_process_are_held_to_it(api: ApiServer) -> None:
    """Over gRPC and in process there is no body to count in."""
    client = api.as_user(*control.ADMIN)
    pod = codec.from_json(containers(bulk.MOST_PARTS), corev1.Pod)
    pod.metadata.namespace = "default"

    with pytest.raises(errors.RequestEntityTooLarge, match=TOO_MANY):
        await client.create(pod)


def test_maps_lists_and_custom_objects_are_counted() -> None:
    """Text in them is not."""
    quota = corev1.ResourceQuota()
    for number in range(bulk.MOST_PARTS):
        quota.spec.hard[f"count/{number}.example.com"].string = "1"
    custom = objects.Unstructured(content={"spec": {"rows": [[] for _ in range(bulk.MOST_PARTS)]}})
    texts = objects.Unstructured(content={"spec": {"rows": ["a"] * 10 * bulk.MOST_PARTS}})
    plain = corev1.ConfigMap(data={str(number): "x" for number in range(2 * bulk.MOST_PARTS)})

    for whole in (quota, custom):
        with pytest.raises(errors.RequestEntityTooLarge):
            bulk.check(whole)
    bulk.check(texts)
    bulk.check(plain)


def test_alternatives_of_a_schema_do_not_count_until_they_are_told() -> None:
    """A list that fits the second alternative has no faults, however many the first one finds."""
    lists = [{"type": "array", "items": {"type": kind}} for kind in ("string", "integer")]
    judge = validating.compile({"anyOf": lists})
    numbers = list(range(3 * field.MOST_FAULTS))

    assert field.judged(lambda: judge(numbers, "spec")) == []
    found = field.judged(lambda: judge([[]] * len(numbers), "spec"))
    assert len(found) == field.MOST_FAULTS + 2
