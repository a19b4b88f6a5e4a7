"""Fuzz targets of what becomes of objects: creations, updates, patches, apply, schemas, versions, what is stored."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence
from typing import Any

import orjson

from control.apiserver import field, patching
from control.apiserver.cel import admission, library
from control.apiserver.managed import applying, entries, tracker
from control.apiserver.policies import evaluating
from control.apiserver.strategies import table as strategies
from control.apiserver.structural import defaulting, lists, pruning, validating
from control.apiserver.structural import schema as schemas
from control.apiserver.validation import meta, structural
from control.gateway.rest import bodies
from fairlead.api import codec, columns, conversion, errors, jsonpath, scheme
from fairlead.api.fields import sets
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import Patch, PatchType
from tests.fuzz.targets import TESTS, golden, parts, refused, target, text
from tests.support import every_kind

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SECONDS = NOW.timestamp()
STRATEGIES = {one.kind.kind: one for one in strategies.strategies(lambda: SECONDS)}
KINDS = sorted(STRATEGIES)
VERSIONS = [kind for kind in scheme.DEFAULT.versions() if kind.hub]


@functools.cache
def samples() -> dict[str, bytes]:
    """Return a good object of each kind as JSON."""
    return {one["kind"]: orjson.dumps(one) for one in every_kind.documents()}


def _of_kinds() -> list[bytes]:
    return [bytes((KINDS.index(kind),)) + one for kind, one in samples().items() if kind in STRATEGIES]


@target(more=_of_kinds)
def objects(data: bytes) -> None:
    """Objects as JSON: defaulted, judged and shown as a creation does."""
    strategy = STRATEGIES[KINDS[data[0] % len(KINDS)]] if data else STRATEGIES["Pod"]
    try:
        obj = bodies.decode(data[1:], "json", strategy.kind, "", "Warn")
    except errors.ApiError as error:
        refused(error)
        return
    _create(strategy, obj)


@target(more=lambda: [bytes((KINDS.index("Pod"),)) + one for one in golden("api/pod.wire")])
def protobuf(data: bytes) -> None:
    """Objects as protobuf in Kubernetes' envelope: judged and shown as a creation does."""
    strategy = STRATEGIES[KINDS[data[0] % len(KINDS)]] if data else STRATEGIES["Pod"]
    for body in (data[1:], codec.enveloped(strategy.kind.api_version, strategy.kind.kind, data[1:])):
        try:
            obj = bodies.decode(body, "protobuf", strategy.kind, "", "Strict")
        except errors.ApiError as error:
            refused(error)
            continue
        _create(strategy, obj)


def _create(strategy: Any, obj: Any) -> None:
    """Do what a creation does without a store: errors come as faults, and what is good can be read again."""
    metadata = obj.metadata
    strategy.default(obj)
    defaulted = obj.SerializeToString(deterministic=True)
    strategy.default(obj)
    assert obj.SerializeToString(deterministic=True) == defaulted, "defaults are not settled"
    tracker.Tracker(strategy, lambda: SECONDS).created(obj, "fuzz")
    strategy.prepare_for_create(obj)
    short = strategy.short_finalizers
    faults = [*meta.validate(metadata, strategy.kind.namespaced, strategy.name_rule, short_finalizers=short)]
    faults += strategy.validate(obj)
    columns.row(obj, NOW)
    written = codec.dumps(obj)
    if faults:
        refused(errors.invalid(strategy.kind.group, strategy.kind.kind, metadata.name, faults))
        return
    assert codec.dumps(codec.decode_object(codec.loads(written))) == written
    again = type(obj)()
    again.CopyFrom(obj)
    assert not strategy.validate_update(again, obj), "what was taken is refused when nothing changes"


@functools.cache
def _stored(kind: str) -> Any:
    """Return a good object of a kind as a creation leaves it."""
    strategy = STRATEGIES[kind]
    obj = codec.from_json(codec.loads(samples()[kind]), strategy.message)
    strategy.default(obj)
    tracker.Tracker(strategy, lambda: SECONDS).created(obj, "fuzz")
    strategy.prepare_for_create(obj)
    return obj


@target(more=_of_kinds)
def updates(data: bytes) -> None:
    """Objects as JSON: judged and shown as an update of the object, its status and its parts does."""
    strategy = STRATEGIES[KINDS[data[0] % len(KINDS)]] if data else STRATEGIES["Pod"]
    if strategy.kind.kind not in samples():
        return
    old = _stored(strategy.kind.kind)
    before = old.SerializeToString(deterministic=True)
    try:
        given = bodies.decode(data[1:], "json", strategy.kind, "", "Warn")
    except errors.ApiError as error:
        refused(error)
        return
    status = ["status"] if "status" in strategy.kind.subresources else []
    for subresource in ("", *status, *sorted(strategy.parts)):
        obj = type(given)()
        obj.CopyFrom(given)
        strategy.default(obj)
        faults = _changed(strategy, obj, old, subresource)
        tracker.Tracker(strategy, lambda: SECONDS).updated(obj, old, "fuzz", subresource)
        codec.dumps(obj)
        columns.row(obj, NOW)
        if faults:
            refused(errors.invalid(strategy.kind.group, strategy.kind.kind, "x", faults))
    assert old.SerializeToString(deterministic=True) == before, "an update changed what is stored"


def _changed(strategy: Any, obj: Any, old: Any, subresource: str) -> Sequence[errors.Cause]:
    match subresource:
        case "":
            strategy.prepare_for_update(obj, old)
            return [*meta.validate_update(obj.metadata, old.metadata), *strategy.validate_update(obj, old)]
        case "status":
            strategy.prepare_for_status_update(obj, old)
            return strategy.validate_status_update(obj, old)  # type: ignore[no-any-return]
    strategy.prepare_for_part(subresource, obj, old)
    return strategy.validate_part(subresource, obj, old)  # type: ignore[no-any-return]


@target(more=lambda: [codec.enveloped("v1", "Pod", b""), *golden("api/*.wire")])
def stored(data: bytes) -> None:
    """What lies in etcd, whoever wrote it."""
    try:
        obj = codec.decode_stored(data)
    except (codec.DecodeError, scheme.UnknownKind):
        return
    codec.dumps(obj)
    columns.row(obj, NOW)
    codec.encode_stored(obj)


def _live(name: str, message: Any) -> Any:
    return codec.from_json(codec.loads((TESTS / f"golden/api/{name}.json").read_bytes()), message, strict=False)


POD, DEPLOYMENT = _live("pod", corev1.Pod), _live("deployment", appsv1.Deployment)
SERVICE = _live("service", corev1.Service)


def _patched(kind: PatchType, data: bytes) -> None:
    live = (POD, DEPLOYMENT, SERVICE)[data[0] % 3] if data else POD
    before = live.SerializeToString(deterministic=True)
    for validation in ("Ignore", "Strict"):
        try:
            codec.dumps(patching.apply(Patch(kind, data[1:], validation=validation), live))
        except errors.ApiError as error:
            refused(error)
    assert live.SerializeToString(deterministic=True) == before


@target(
    '0[{"op":"test","path":"/metadata/name","value":"web"},{"op":"add","path":"/spec/x/-","value":{}}]',
    '1[{"op":"copy","from":"/spec","path":"/a~1b"},{"op":"move","from":"/a","path":"/b"},{"op":"remove","path":"/spec/template/spec/containers/0"}]',
    '2[{"op":"replace","path":"/spec/ports/0/port","value":1.5}]',
)  # fmt: skip
def json_patch(data: bytes) -> None:
    """JSON patches of a Pod, a Deployment and a Service."""
    _patched(PatchType.JSON, data)


@target(
    '0{"metadata":{"labels":{"a":null}},"spec":{"containers":[]}}', '1{"spec":{"replicas":2}}', '2{"a":{"b":[1]}}'
)
def merge_patch(data: bytes) -> None:
    """JSON merge patches."""
    _patched(PatchType.MERGE, data)


@target(
    '0{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","$patch":"delete"}]}}',
    '1{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"},"template":{"$patch":"replace"}}}',
    '2{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]},"spec":{"ports":[{"port":80,"protocol":"TCP"}]}}',
)
def strategic_patch(data: bytes) -> None:
    """Strategic merge patches with their directives."""
    _patched(PatchType.STRATEGIC, data)


APPLIED = b"""{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"a":"b"}},"spec":{
"replicas":1,"template":{"spec":{"containers":[{"name":"a","image":"b","ports":[{"containerPort":80,"protocol":"TCP"}]}]}}}}"""
OWNERS = b"""[{"manager":"kubectl","operation":"Apply","apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{
"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\\"name\\":\\"a\\"}":{".":{},"f:image":{}}}}}}}}]"""


@target(APPLIED, APPLIED + b"\0" + OWNERS, b"apiVersion: apps/v1\nkind: Deployment\nspec: {paused: true}\0" + OWNERS)
def apply(data: bytes) -> None:
    """Server-side apply of a configuration to a Deployment that has any managedFields."""
    body, owned = parts(data, 2)
    live = appsv1.Deployment()
    live.CopyFrom(DEPLOYMENT)
    keeper = tracker.Tracker(STRATEGIES["Deployment"], lambda: SECONDS)
    try:
        listed = codec.loads(b'{"metadata":{"managedFields":%b}}' % (owned or b"[]"))
        live.metadata.managedFields.extend(codec.from_json(listed, appsv1.Deployment).metadata.managedFields)
        config = applying.read(body)
        applied = applying.Application(config, "kubectl", force=True)
        applying.check_target(applied, "default", "web")
        found = applying.Applier(keeper).apply(live, applied)
    except codec.DecodeError:
        return
    except errors.ApiError as error:
        refused(error)
        return
    again = applying.Applier(keeper).apply(found, applied)
    assert again.spec == found.spec, "a second apply of the same changes something"


@target(
    '{"f:spec":{".":{},"f:a":{},"k:{\\"name\\":\\"x\\"}":{"v:1":{}},"i:0":{}}}', more=lambda: golden("managed/*.json")
)
def managed_fields(data: bytes) -> None:
    """FieldsV1 texts, and entries that hold them."""
    entry = metav1.ManagedFieldsEntry(operation="Update", fieldsType="FieldsV1", fieldsV1=metav1.FieldsV1(Raw=data))
    try:
        (owner,) = entries.decode([entry])
    except sets.FieldsError:
        return
    assert sets.parse(sets.dump(owner.fields)) == owner.fields
    list(sets.paths(owner.fields))


SCHEMA = b"""{"type":"object","properties":{"a":{"type":"string","pattern":"^x+$","default":"x"},"b":{"type":"array",
"items":{"type":"integer","minimum":1,"multipleOf":2},"x-kubernetes-list-type":"set","uniqueItems":false},"c":{"oneOf":
[{"required":["d"]},{"not":{"enum":[1]}}],"x-kubernetes-preserve-unknown-fields":true,"type":"object"}}}"""


@target(SCHEMA + b'\0{"a":"xx","b":[2,4],"c":{"d":1}}')
def custom_schema(data: bytes) -> None:
    """Schemas of custom resources, and objects that they prune, complete and judge."""
    written, given = parts(data, 2)
    try:
        props = codec.from_json(codec.loads(written), apiextensionsv1.JSONSchemaProps, strict=False)
        content = codec.loads(given or b"{}")
    except codec.DecodeError:
        return
    document = codec.to_json(props)
    if structural.validate(document, "schema"):
        return
    schema = schemas.parse(document)
    pruning.prune(content, schema, is_root=True)
    defaulting.apply(content, schema)
    faults: field.Faults = [*validating.compile(document)(content, ""), *lists.validate(content, schema)]
    if faults:
        refused(errors.invalid("example.com", "Thing", "x", faults))
    jsonpath.find(content, ".a")
    assert not pruning.prune(content, schema, is_root=True), "pruned twice"


SEEN = {"object": {"spec": {"a": ["x", "y"], "n": 3, "q": "1Gi", "t": "2026-01-01T00:00:00Z"}}, "oldObject": None}


@target(
    "object.spec.a.all(i, i.startsWith('x')) || has(oldObject.spec)",
    "quantity(object.spec.q).isGreaterThan(quantity('1Mi')) && timestamp(object.spec.t).getFullYear() > 2000",
    "object.spec.a.map(i, i + string(object.spec.n * 9223372036854775807)).join(',').matches('^x+')",
    "ip('10.0.0.1').family() == 4 ? url('https://a/b').getHost() : b'a'.size() > 1u",
    "object.spec.a.map(i, object.spec.a.map(j, i + j)).exists_one(k, duration('1h').getHours() == 1 && k != [])",
)
def expression(data: bytes) -> None:
    """Expressions in CEL: compiled, or refused; evaluated within their bounds, or said why not."""
    source = text(data)
    try:
        compiled = evaluating.Compiled(source, admission.compiled(source, (), has_authorizer=False))
        evaluating.Evaluation(SEEN).value(compiled)
    except (library.CompileError, evaluating.Failure):
        return


def _versions() -> list[bytes]:
    known = samples()
    found = [(index, known.get(kind.kind)) for index, kind in enumerate(VERSIONS)]
    return [bytes((index,)) + one for index, one in found if one]


@target(more=_versions)
def other_version(data: bytes) -> None:
    """Objects of versions that are not stored: there and back again."""
    kind = VERSIONS[data[0] % len(VERSIONS)] if data else VERSIONS[0]
    assert kind.message is not None
    try:
        obj = codec.from_json(codec.loads(data[1:]), kind.message, strict=False)
    except codec.DecodeError:
        return
    hub = conversion.to_hub(obj)
    codec.dumps(hub)
    back = conversion.from_hub(hub, kind)
    assert codec.dumps(conversion.to_hub(back)) == codec.dumps(hub)
