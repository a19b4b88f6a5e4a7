"""[sig-instrumentation]: Events of the core group and of events.k8s.io, one by one and by label."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.rawrest import STRATEGIC, Rest

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
WHEN = "2017-09-19T13:49:16.000000Z"


def event(name: str, label: str, **more: Any) -> dict[str, Any]:
    """Return an Event of either API, of which `more` is its own."""
    return {"metadata": {"name": name, "labels": {label: "true"}}, "reason": "Test", "type": "Normal", **more}


def core(name: str, label: str) -> dict[str, Any]:
    """Return an Event of the core group."""
    return event(name, label, message=f"This is {name}", count=1, involvedObject={"namespace": "default"})


def new(name: str, label: str) -> dict[str, Any]:
    """Return an Event of events.k8s.io."""
    reporting = {"reportingController": "test-controller", "reportingInstance": "test-node"}
    more = {"regarding": {"namespace": "default"}, "eventTime": WHEN, "note": f"This is {name}", "action": "Do"}
    return event(name, label, **more, **reporting)


def names(rest: Rest, path: str, **query: str) -> list[str]:
    """Return the names of selected Events."""
    return [each["metadata"]["name"] for each in rest("GET", path, **query)["items"]]


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what the server writes with every change."""
    metadata = {
        key: value for key, value in found["metadata"].items() if key not in ("resourceVersion", "managedFields")
    }
    return {**found, "metadata": metadata}


SERIES = {"count": 2, "lastObservedTime": WHEN}


@pytest.mark.parametrize(
    ("path", "made", "patch"),
    [(CORE, core, {"message": "This is a test event - patched"}), (NEW, new, {"series": SERIES})],
    ids=["core", "events.k8s.io"],
)
def test_an_events_life(rest: Rest, path: str, made: Any, patch: dict[str, Any]) -> None:
    """Events API "should ensure that an event can be fetched, patched, …", Events "should manage the lifecycle …"."""
    everywhere, selector = path.replace("/namespaces/default", ""), "testevent-constant=true"
    rest("POST", path, made("event-test", "testevent-constant"))
    for where in (everywhere, path):
        assert names(rest, where, labelSelector=selector) == ["event-test"]
    if path == NEW:
        assert names(rest, CORE, fieldSelector="source=test-controller") == ["event-test"]
        assert names(rest, NEW, fieldSelector="reportingController=test-controller") == ["event-test"]

    before = rest("GET", f"{path}/event-test")
    rest("PATCH", f"{path}/event-test", patch, sent=STRATEGIC)
    found = rest("GET", f"{path}/event-test")
    assert plain(found) == plain({**before, **patch})

    found["series"] = {**SERIES, "count": 100}
    rest("PUT", f"{path}/event-test", {**found, "metadata": {**found["metadata"], "resourceVersion": ""}})
    assert plain(rest("GET", f"{path}/event-test")) == plain(found)

    rest("DELETE", f"{path}/event-test")
    for where in (everywhere, path):
        assert names(rest, where, labelSelector=selector) == []


@pytest.mark.parametrize(("path", "made"), [(CORE, core), (NEW, new)], ids=["core", "events.k8s.io"])
def test_events_are_deleted_by_label(rest: Rest, path: str, made: Any) -> None:
    """Events API and Events "should delete a collection of events"."""
    wanted = ["test-event-1", "test-event-2", "test-event-3"]
    for name in wanted:
        rest("POST", path, made(name, "testevent-set"))
    assert names(rest, path, labelSelector="testevent-set=true") == wanted
    rest("DELETE", path, labelSelector="testevent-set=true")
    assert names(rest, path, labelSelector="testevent-set=true") == []
