"""Fuzz targets: functions that take any bytes and let nothing out but what breaks a promise of ours.

Each feeds one reader of what comes from outside, catches the errors that the reader documents, and asserts what must
hold of what was read. Both hypothesis (test_targets.py) and atheris (`python -m tests.fuzz`) call them. Several parts
of an input are separated by NUL, which none of the texts may hold.
"""

from __future__ import annotations

import datetime
import functools
import pathlib
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from control.apiserver import field, patching
from control.apiserver.managed import applying, entries, tracker
from control.apiserver.strategies import table as strategies
from control.apiserver.structural import defaulting, lists, pruning, validating
from control.apiserver.structural import schema as schemas
from control.apiserver.validation import meta, structural
from control.gateway.rest import bodies, media, paths, queries
from fairlead.api import (
    codec,
    columns,
    conversion,
    cron,
    errors,
    indexes,
    jsonpath,
    quantity,
    scheme,
    selectors,
    times,
)
from fairlead.api.fields import sets
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import Patch, PatchType

TESTS = pathlib.Path(__file__).parents[1]
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SECONDS = NOW.timestamp()
STRATEGIES = {one.kind.kind: one for one in strategies.strategies(lambda: SECONDS)}
KINDS = sorted(STRATEGIES)
VERSIONS = [kind for kind in scheme.DEFAULT.versions() if kind.hub]


@dataclass(frozen=True, slots=True)
class Target:
    """One function and inputs that it accepts, from which a search begins."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]


TARGETS: dict[str, Target] = {}


def target(*seeds: str | bytes, more: Callable[[], Iterable[bytes]] = tuple) -> Callable[[Any], Any]:
    """Register a function as a target under its name."""

    def register(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        given = [one.encode() if isinstance(one, str) else one for one in seeds]
        TARGETS[run.__name__] = Target(run.__name__, run, lambda: [*given, *more()])
        return run

    return register


def text(data: bytes) -> str:
    """Return bytes as the text that a request's path or JSON can hold."""
    return data.decode("utf-8", "replace")


def parts(data: bytes, count: int) -> list[bytes]:
    """Return an input's parts, the last ones empty where there are fewer."""
    found = data.split(b"\0", count - 1)
    return found + [b""] * (count - len(found))


def refused(error: errors.ApiError) -> None:
    """Accept a refusal, if it is the caller's fault and can be said."""
    assert error.code < 500, error
    codec.dumps(error.status())


def golden(pattern: str) -> list[bytes]:
    """Return files that other tests compare with."""
    return [path.read_bytes() for path in sorted((TESTS / "golden").glob(pattern))]


@functools.cache
def samples() -> dict[str, bytes]:
    """Return a good object of each kind as JSON."""
    found = yaml.safe_load_all((TESTS / "support/every_kind.yaml").read_text())
    return {one["kind"]: orjson.dumps(one) for one in found}


def _of_kinds() -> list[bytes]:
    return [bytes((KINDS.index(kind),)) + one for kind, one in samples().items() if kind in STRATEGIES]


@target('{"apiVersion":"v1","kind":"Pod","metadata":{"a":1,"a":2}}', more=lambda: golden("api/*.json"))
def json(data: bytes) -> None:
    """JSON texts: read as an object of the kind that they name, and written back the same."""
    try:
        document = codec.loads(data)
        codec.duplicate_fields(data)
        obj = codec.decode_object(document, strict=False)
    except (codec.DecodeError, scheme.UnknownKind, RecursionError):
        return
    again = codec.decode_object(codec.loads(codec.dumps(obj)))
    assert codec.dumps(again) == codec.dumps(obj)
    assert codec.decode_stored(codec.encode_stored(obj)) == obj


@target(
    "a: &x {b: [1, 0x1f, 0o7, 1_0, .5e3, yes, ~, !!binary aGk=]}\nc: *x\n---\n{}",
    "a: !!int x\n<<: {? !!bool y : !!float '1'}\nb: !!set {x}\nc: [!!timestamp 2001-01-01, !!omap [a: 1]]",
    more=lambda: golden("api/*.yaml"),
)
def yaml_text(data: bytes) -> None:
    """YAML texts: read as JSON, and the same again once written."""
    try:
        documents = codec.load_yaml_documents(text(data))
    except codec.DecodeError:
        return
    for document in documents:
        try:
            written = orjson.dumps(document)
        except TypeError as error:
            if "ecursion" not in str(error):  # an alias of what it stands in, which the gateway refuses
                raise
            continue
        if len(written) < 1 << 16:
            assert codec.load_yaml_documents(codec.dump_yaml(document)) in ([document], []), document


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


@target("a=b,c!=d,e in (f,g),h notin (),!i,j>1", "x in (,y)", "a==b , k")
def label_selector(data: bytes) -> None:
    """Label selectors: what is read can be written and read again."""
    try:
        found = selectors.parse(text(data))
    except selectors.SelectorError:
        return
    found.matches({"a": "b", "j": "2"})
    assert selectors.parse(str(found)) == found


@target("metadata.name=a,spec.nodeName!=b,status.phase==c\\,d\\=")
def field_selector(data: bytes) -> None:
    """Field selectors."""
    try:
        found = selectors.parse_fields(text(data))
    except selectors.SelectorError:
        return
    found.matches({"metadata.name": "a"})
    assert selectors.parse_fields(str(found)) == found


@target("1.5Gi", "100m", "1e3", "-.5", "+12E", "9999999999999999999n")
def quantity_text(data: bytes) -> None:
    """Quantities: the canonical form of an amount is the same amount, and its own."""
    try:
        found = quantity.parse(text(data))
    except quantity.QuantityError:
        return
    assert quantity.parse(str(found)) == found
    assert str(quantity.parse(str(found))) == str(found)


@target("/api/v1/namespaces/a/pods/b/log", "/apis/apps/v1/watch/deployments", "/apis/x/v1/y/%2e%2e/z//w?")
def path(data: bytes) -> None:
    """Paths of resources: none names a part that misleads."""
    found = paths.parse(text(data))
    if found is None:
        return
    named = (found.group, found.version, found.namespace, found.resource, found.name, found.subresource)
    assert not {".", ".."} & set(named)
    assert not any("/" in one for one in named)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "BREW"):
        try:
            paths.verb(method, found, watch=True)
        except errors.ApiError as error:
            refused(error)


@target("limit=5&continue=x&resourceVersion=1&resourceVersionMatch=Exact&dryRun=All&gracePeriodSeconds=-1&force=true")
def query(data: bytes) -> None:
    """Queries, as each verb reads them."""
    asked = dict(urllib.parse.parse_qsl(text(data), keep_blank_values=True))
    readers: Sequence[Callable[[], object]] = (
        lambda: queries.listing(asked, "a"),
        lambda: queries.watching(asked, "a"),
        lambda: queries.writing(asked, text(data), "PatchOptions"),
        lambda: queries.check_deletion(queries.deletion(asked)),
    )
    for read in readers:
        try:
            read()
        except errors.ApiError as error:
            refused(error)


@target(
    "application/json;as=Table;v=v1;g=meta.k8s.io,*/*;q=0.1", "application/apply-patch+yaml; charset=utf-8", ";q=,"
)
def media_type(data: bytes) -> None:
    """Media types, as both headers name them."""
    said = text(data)
    for read in (media.accepted, media.body_format, media.patch_type):
        try:
            read(said)
        except errors.ApiError as error:
            refused(error)


CONTENT = {"spec": {"a": [{"type": "x", "b.c": 1}, 2], "d": {"e": None}}, "metadata": {"name": "n"}}


@target(".spec.a[?(@.type=='x')].b\\.c", "{.spec.a[*]}", "$.spec['d'].e", ".spec.a[-1]")
def json_path(data: bytes) -> None:
    """JSON paths of printer columns."""
    jsonpath.find(CONTENT, text(data))


@target("*/5 0-12/3 1,15 jan-mar mon", "CRON_TZ=Europe/Berlin @daily", "@every 1h30m", "TZ=../x 0 0 * * *")
def schedule(data: bytes) -> None:
    """Texts of CronJobs' schedules."""
    try:
        cron.parse(text(data))
    except cron.ScheduleError:
        return


@target("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000001+05:30", "1h2m3.5s", "-1ns")
def moments(data: bytes) -> None:
    """Times and durations."""
    said = text(data)
    for read, write in (
        (times.parse, lambda one: times.format_micros(*one)),
        (times.parse_duration, times.format_duration),
    ):
        try:
            found = read(said)
        except ValueError:
            continue
        assert read(write(found)) == (found if read is times.parse_duration else (found[0], found[1] // 1000 * 1000))


@target("0-3,5", "7")
def index_list(data: bytes) -> None:
    """Lists of indexes of Indexed Jobs."""
    try:
        found = indexes.parse(text(data), 100)
    except ValueError:
        return
    assert 0 <= indexes.count(found) <= 100


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
