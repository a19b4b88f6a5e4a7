"""No request over HTTP, however malformed, gives a 500 or a hang, or makes memory grow.

The gateway runs in this process with an object of every kind in memory. `FUZZ_TIMES` multiplies what is tried.
"""

from __future__ import annotations

import base64
import gc
import os
import tracemalloc
from collections.abc import Iterator

import hypothesis
import orjson
import pytest

from tests.fuzz import requests, wire

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
GROWTH_BYTES = 1 << 20
PODS = b"/api/v1/namespaces/samples/pods"
JSON, YAML = (b"Content-Type", b"application/json"), (b"Content-Type", b"application/yaml")
MAP, CRON_JOBS = b"/api/v1/namespaces/samples/configmaps/sample", b"/apis/batch/v1/namespaces/samples/cronjobs"
PATCH = (b"Content-Type", requests.PATCHES[0].encode())
DIGITS = requests.LONG.encode()

pytestmark = [
    pytest.mark.timeout(60 + 60 * TIMES),
    # the gateway's thread uses it, no strategy does
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]


def trying(examples: int) -> hypothesis.settings:
    """Return the settings of a search; what it finds is shrunk and told."""
    checks = list(hypothesis.HealthCheck)
    return hypothesis.settings(max_examples=examples, deadline=None, suppress_health_check=checks, database=None)


@pytest.fixture(scope="module")
def gateway() -> Iterator[wire.Wire]:
    """A connection to the gateway."""
    with wire.serving() as made:
        yield made


@pytest.fixture(scope="module")
def untouched() -> Iterator[wire.Wire]:
    """A connection to a gateway whose objects nobody has deleted."""
    with wire.serving() as made:
        yield made


@trying(4000 * TIMES)
@hypothesis.given(request_=requests.requests())
def test_nonsense_is_refused(gateway: wire.Wire, request_: requests.Request) -> None:
    """Paths, verbs, queries, headers and bodies of every form."""
    gateway.ask(*request_)


@trying(4000 * TIMES)
@hypothesis.given(request_=requests.writes())
def test_objects_that_are_nearly_good_are_judged(gateway: wire.Wire, request_: requests.Request) -> None:
    """Objects of every kind, and patches of each type of them, with a few odd fields."""
    gateway.ask(*request_)


def test_requests_leave_no_memory_behind(gateway: wire.Wire) -> None:
    """What has been asked once may be remembered; asked again, it takes nothing more."""
    found: list[requests.Request] = []

    @trying(400)
    @hypothesis.given(requests.requests(), requests.writes())
    def gather(one: requests.Request, other: requests.Request) -> None:
        found.extend((one, other))

    def ask() -> int:
        for request_ in found:
            gateway.ask(*request_)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    gather()
    tracemalloc.start()
    try:
        ask()
        ask()
        before = ask()
        after = ask()
    finally:
        tracemalloc.stop()

    assert after - before < GROWTH_BYTES


def _token(revision: object) -> bytes:
    return base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": "a"}))


def _pod(cpu: str) -> bytes:
    container = {"name": "a", "image": "b", "resources": {"requests": {"cpu": cpu}}}
    return orjson.dumps({"metadata": {"name": "fuzz"}, "spec": {"containers": [container]}})


def _cron_job(schedule: str) -> bytes:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}
    spec = {"schedule": schedule, "jobTemplate": {"spec": {"template": pod}}}
    return orjson.dumps({"metadata": {"name": "fuzz"}, "spec": spec})


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (("GET", PODS + b"?resourceVersion=" + DIGITS), 400),
        (("GET", PODS + b"?watch=1&resourceVersion=" + DIGITS), 400),
        (("GET", PODS + b"?resourceVersionMatch=Exact&resourceVersion=99999999999999999999"), 400),
        (("GET", PODS + b"?continue=" + _token("9" * 5000)), 400),
        (("GET", PODS + b"?continue=" + _token(-1)), 200),  # things as they are now: that of a page too old
        (("GET", PODS + b"?continue=" + _token(-2)), 400),
        (("GET", PODS + b"?limit=" + DIGITS), 400),
        (("POST", PODS, [JSON], _pod("9" * 5000)), 400),
        (("POST", PODS, [JSON], _pod("1e" + "9" * 5000)), 400),
        (("POST", PODS, [YAML], b"a: " + DIGITS), 400),
        (("POST", PODS, [YAML], b"a: 0x" + b"f" * 5000), 400),
        (("POST", PODS, [JSON], b"[" * 100_000), 400),
        (("POST", PODS, [YAML], b"[" * 50_000), 400),
        (("POST", PODS, [YAML], b"a: &a [*a]"), 400),
        (("POST", PODS, [YAML], b"a: !!int x"), 400),
        (("POST", PODS, [YAML], b"a: !!set {x}"), 400),
        (("POST", PODS, [(b"Content-Encoding", b"gzip"), JSON], b"no gzip"), 400),
        (("POST", CRON_JOBS, [JSON], _cron_job(f"*/{requests.LONG} * * * *")), 422),
        (("PATCH", MAP, [PATCH], b'[{"op":"remove","path":""}]'), 422),
        (("POST", PODS, [JSON], b'{"spec":{"\\u0001\\n":1},"metadata":{"name":"fuzz"}}'), 422),
        (("GET", PODS, [(b"Audit-Id", b"a\tb\x80")]), 200),
        (("GET", PODS, [(b"Expect", b"\xe2\xc8")]), 417),
        (("GET", PODS, [(b"User-Agent", b"\xff\xfe/1")]), 200),
    ],
)  # fmt: skip
def test_what_once_was_a_fault_is_refused(untouched: wire.Wire, request_: requests.Request, status: int) -> None:
    """Numbers beyond what Python reads, controls in warnings, headers that are no text, and the like."""
    assert untouched.ask(*request_) == status
