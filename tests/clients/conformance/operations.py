"""Every operation on one kind, in the order in which Kubernetes' conformance tests try them on each kind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.rawrest import MERGE, Rest

LABELS = {"special-label": "conformance"}
SELECTOR = "special-label=conformance"


@dataclass(frozen=True)
class Kind:
    """A kind under test: where it is served, an object of it, and a change of its spec."""

    group: str
    version: str
    plural: str
    kind: str
    made: dict[str, Any]
    change: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(
        default_factory=dict
    )  # a part of the spec that a write of the status does not write
    namespace: str = ""
    subresources: tuple[str, ...] = ()
    status_has_metadata: bool = False  # whether a write of the status may write annotations, too

    @property
    def root(self) -> str:
        """Return the path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def path(self) -> str:
        """Return the path of the collection."""
        return (
            f"{self.root}/namespaces/{self.namespace}/{self.plural}"
            if self.namespace
            else f"{self.root}/{self.plural}"
        )

    def new(self) -> dict[str, Any]:
        """Return an object that the server is to name."""
        api_version = f"{self.group}/{self.version}" if self.group else self.version
        metadata = {"generateName": f"conformance-{self.plural}-", "labels": dict(LABELS)}
        return {"apiVersion": api_version, "kind": self.kind, "metadata": metadata, **copy.deepcopy(self.made)}


def discovered(rest: Rest, kind: Kind) -> None:
    """See group, version, resource and subresources in the three discovery documents."""
    groups = {group["name"]: group for group in rest("GET", "/apis")["groups"]}
    assert kind.version in [each["version"] for each in groups[kind.group]["versions"]]
    assert kind.version in [each["version"] for each in rest("GET", f"/apis/{kind.group}")["versions"]]
    served = {each["name"]: each for each in rest("GET", kind.root)["resources"]}
    assert {kind.plural, *(f"{kind.plural}/{each}" for each in kind.subresources)} <= set(served)
    verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert set(served[kind.plural]["verbs"]) == verbs


def written(rest: Rest, kind: Kind) -> dict[str, Any]:
    """Create three, read, list and watch, patch and replace one; returns that one as it is then."""
    made = [rest("POST", kind.path, kind.new()) for _ in range(3)][-1]
    one = f"{kind.path}/{made['metadata']['name']}"
    assert rest("GET", one)["metadata"]["uid"] == made["metadata"]["uid"]
    listed = rest("GET", kind.path, labelSelector=SELECTOR)
    assert len(listed["items"]) == 3

    with rest.watch(
        kind.path, labelSelector=SELECTOR, resourceVersion=listed["metadata"]["resourceVersion"]
    ) as events:
        patch = {"metadata": {"annotations": {"patched": "true"}}, **kind.change}
        patched = rest("PATCH", one, patch, sent=MERGE)
        assert patched["metadata"]["annotations"]["patched"] == "true"
        _holds(kind.change, patched)
        updated = replaced(rest, one, lambda found: found["metadata"]["annotations"].update(updated="true"))
        assert {"patched", "updated"} <= set(updated["metadata"]["annotations"])
        # Kubernetes' own controllers write the status of such objects meanwhile, ours too
        seen = events.until(lambda _, found: "updated" in found["metadata"].get("annotations", {}))
    assert {event for event, _ in seen} == {"MODIFIED"}
    assert any(set(found["metadata"].get("annotations", {})) == {"patched"} for _, found in seen)
    return updated


def replaced(rest: Rest, path: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Read, change and put an object, again where somebody wrote it meanwhile; returns what was stored."""
    while True:
        found = rest("GET", path)
        change(found)
        answer = rest.ask("PUT", path, found)
        if answer.status != 409:
            assert answer.status == 200, answer.body
            stored: dict[str, Any] = answer.body
            return stored


def status_written(rest: Rest, kind: Kind, name: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Read, patch and replace the status: conditions arrive, and the spec stays as it was."""
    one = f"{kind.path}/{name}/status"
    found = rest("GET", one)
    assert found["kind"] == kind.kind
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [first]}}
    patched = rest("PATCH", one, patch, sent=MERGE)
    assert ("patchedstatus" in patched["metadata"]["annotations"]) == kind.status_has_metadata
    assert first["type"] in [each["type"] for each in patched["status"]["conditions"]]

    def changed(known: dict[str, Any]) -> None:
        known["status"].setdefault("conditions", []).append(second)
        known["metadata"]["labels"] = {}
        known["spec"] = {**known["spec"], **kind.other}

    put = replaced(rest, one, changed)
    assert second["type"] in [each["type"] for each in put["status"]["conditions"]]
    assert put["spec"] == found["spec"]
    assert bool(put["metadata"].get("labels")) != kind.status_has_metadata
    if kind.status_has_metadata:
        rest("PATCH", f"{kind.path}/{name}", {"metadata": {"labels": LABELS}}, sent=MERGE)


def deleted(rest: Rest, kind: Kind, name: str) -> None:
    """Delete one, then the others by their label."""
    rest("DELETE", f"{kind.path}/{name}")
    assert rest.refused(404, "GET", f"{kind.path}/{name}").endswith(f'"{name}" not found')
    assert len(rest("GET", kind.path, labelSelector=SELECTOR)["items"]) == 2
    rest("DELETE", kind.path, labelSelector=SELECTOR)
    assert rest("GET", kind.path, labelSelector=SELECTOR)["items"] == []


def _holds(change: Any, found: Any) -> None:
    if isinstance(change, dict):
        for key, value in change.items():
            _holds(value, found[key])
    else:
        assert found == change
