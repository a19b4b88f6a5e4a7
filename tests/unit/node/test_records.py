"""What libpod's answers mean."""

from __future__ import annotations

import orjson
import pytest

from node.runtime import interface as runtime
from node.runtime.podman import calls, records

STARTED = "2026-11-21T03:19:34.196686802Z"
ZERO = "0001-01-01T00:00:00Z"


def _body(status: str, *, started: str = STARTED, finished: str = ZERO, pid: int = 0) -> dict[str, object]:
    state = {
        "Status": status,
        "StartedAt": started,
        "FinishedAt": finished,
        "ExitCode": 0,
        "OOMKilled": False,
        "Pid": pid,
        "Error": "",
    }
    config = {"Labels": {runtime.UID_LABEL: "u"}}
    return {
        "Id": "x",
        "Name": "n",
        "ImageName": "i",
        "Image": "m",
        "Created": STARTED,
        "State": state,
        "Config": config,
    }


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (_body("running", pid=7), ("running", 0)),
        (_body("stopping", pid=7), ("running", 0)),
        (_body("exited", finished=STARTED), ("exited", 0)),
        (_body("created", started=ZERO), ("created", 0)),
        pytest.param(_body("created"), ("exited", 255), id="it ran when the machine went down"),
    ],
)
def test_states(body: dict[str, object], want: tuple[str, int]) -> None:
    """libpod's statuses as the runtime's three."""
    found = records.container(body)
    assert (found.state, found.exit_code) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (ZERO, 0.0),
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T01:00:00.123456789+01:00", 0.123456),
    ],
)
def test_times(text: str, want: float) -> None:
    """Go's fractions have up to nine digits, its zero time is the year 1."""
    assert records.seconds(text) == want


def test_events_of_others_are_passed_over() -> None:
    """Only containers with our labels."""
    actor = {"ID": "x", "Attributes": {runtime.UID_LABEL: "u"}}
    assert records.event({"Type": "container", "Action": "died", "Actor": actor}) == runtime.Event("exited", "x")
    assert records.event({"Type": "container", "Action": "exec", "Actor": actor}) is None
    assert records.event({"Type": "container", "Action": "died", "Actor": {"ID": "y", "Attributes": {}}}) is None
    assert records.event({"Type": "image", "Action": "pull", "Actor": actor}) is None


@pytest.mark.parametrize(
    ("status", "text", "want"),
    [
        (404, "no container with name or ID x found", runtime.NoSuchContainer),
        (500, "container x does not exist in database: no such container", runtime.NoSuchContainer),
        (500, "web: image not known", runtime.NoSuchImage),
        (500, "something else", runtime.Refused),
    ],
)
def test_refusals(status: int, text: str, want: type[runtime.RuntimeFault]) -> None:
    """By status or, where libpod notices late, by its words."""
    found = calls.fault(status, orjson.dumps({"message": text}), runtime.NoSuchContainer)
    assert (type(found), str(found)) == (want, text)
