"""Fuzz targets: functions that take any bytes and let nothing out but what breaks a promise of ours.

Each feeds one reader of what comes from outside, catches the errors that the reader documents, and asserts what must
hold of what was read. Both hypothesis (test_targets.py) and atheris (`python -m tests.fuzz`) call them. Several parts
of an input are separated by NUL, which none of the texts may hold. Here are those of texts; objects.py and callers.py
have the others.
"""

from __future__ import annotations

import pathlib
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from control.gateway.rest import media, paths, queries
from fairlead.api import codec, cron, errors, indexes, jsonpath, quantity, scheme, selectors, times

TESTS = pathlib.Path(__file__).parents[1]


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
