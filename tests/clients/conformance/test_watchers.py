"""[sig-api-machinery] Watchers: which events come, in which order, from which revision on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tests.support.rawrest import MERGE, Events, Rest

PATH = "/api/v1/namespaces/default/configmaps"
KEY = "watch-this-configmap"


def create(rest: Rest, name: str, label: str) -> Any:
    """Create a ConfigMap with a value of the label."""
    return rest("POST", PATH, {"metadata": {"name": name, "labels": {KEY: label}}})


def change(rest: Rest, name: str, number: int) -> Any:
    """Change a ConfigMap's data as an update does."""
    found = rest("GET", f"{PATH}/{name}")
    return rest("PUT", f"{PATH}/{name}", {**found, "data": {"mutation": str(number)}})


def told(events: Events, count: int) -> list[tuple[str, str, str | None]]:
    """Return type, name and data of the next events."""
    seen = [events.next() for _ in range(count)]
    return [(kind, found["metadata"]["name"], (found.get("data") or {}).get("mutation")) for kind, found in seen]


def test_each_watcher_sees_what_its_selector_selects(rest: Rest) -> None:
    """Watchers "should observe add, update, and delete watch notifications on configmaps": A, B, and A or B."""
    with ExitStack() as stack:
        watches = {
            labels: stack.enter_context(rest.watch(PATH, labelSelector=f"{KEY} in ({labels})"))
            for labels in ("A", "B", "A,B")
        }
        create(rest, "a", "A")
        change(rest, "a", 1)
        change(rest, "a", 2)
        rest("DELETE", f"{PATH}/a")
        create(rest, "b", "B")
        rest("DELETE", f"{PATH}/b")
        create(rest, "end-a", "A")
        create(rest, "end-b", "B")

        of_a = [("ADDED", "a", None), ("MODIFIED", "a", "1"), ("MODIFIED", "a", "2"), ("DELETED", "a", "2")]
        of_b = [("ADDED", "b", None), ("DELETED", "b", None)]
        ends = [("ADDED", "end-a", None), ("ADDED", "end-b", None)]
        assert told(watches["A"], 5) == [*of_a, ends[0]]
        assert told(watches["B"], 3) == [*of_b, ends[1]]
        assert told(watches["A,B"], 8) == [*of_a, *of_b, *ends]


def test_a_watch_starts_at_a_revision_or_where_another_has_ended(rest: Rest) -> None:
    """Watchers "… start watching from a specific resource version", "… restart … from the last …"."""
    selector = {"labelSelector": f"{KEY}=R"}
    with rest.watch(PATH, **selector) as events:
        create(rest, "a", "R")
        first = change(rest, "a", 1)
        assert told(events, 1) == [("ADDED", "a", None)]
        last = events.next()[1]["metadata"]["resourceVersion"]
    assert last == first["metadata"]["resourceVersion"]
    change(rest, "a", 2)

    with rest.watch(PATH, resourceVersion=last, **selector) as restarted:
        rest("DELETE", f"{PATH}/a")
        assert told(restarted, 2) == [("MODIFIED", "a", "2"), ("DELETED", "a", "2")]
    with rest.watch(PATH, resourceVersion=last, **selector) as past:
        assert told(past, 2) == [("MODIFIED", "a", "2"), ("DELETED", "a", "2")]


def test_an_object_that_is_selected_no_more_is_gone_until_it_is_again(rest: Rest) -> None:
    """Watchers "should observe an object deletion if it stops meeting the requirements of the selector"."""
    with rest.watch(PATH, labelSelector=f"{KEY}=L") as events:
        create(rest, "a", "L")
        change(rest, "a", 1)
        rest("PATCH", f"{PATH}/a", {"metadata": {"labels": {KEY: "other"}}}, sent=MERGE)
        change(rest, "a", 2)
        rest("PATCH", f"{PATH}/a", {"metadata": {"labels": {KEY: "L"}}}, sent=MERGE)
        change(rest, "a", 3)
        rest("DELETE", f"{PATH}/a")
        assert [kind for kind, _, _ in told(events, 6)] == [
            "ADDED",
            "MODIFIED",
            "DELETED",
            "ADDED",
            "MODIFIED",
            "DELETED",
        ]


def test_concurrent_watches_tell_the_same_in_the_same_order(rest: Rest) -> None:
    """Watchers "should receive events on concurrent watches in same order": one more from each event on."""
    revision = rest("GET", PATH)["metadata"]["resourceVersion"]
    for number in range(10):
        create(rest, f"n{number}", "any")
        change(rest, f"n{number}", 1)
        if number % 2:
            rest("DELETE", f"{PATH}/n{number}")
    with ExitStack() as stack:
        watches: list[Events] = []
        for _ in range(20):
            watches.append(stack.enter_context(rest.watch(PATH, resourceVersion=revision)))
            seen = {events.next()[1]["metadata"]["resourceVersion"] for events in watches}
            assert len(seen) == 1
            (revision,) = seen
