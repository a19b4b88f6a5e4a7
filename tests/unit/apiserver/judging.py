"""Strategies asked as the registry asks them: what becomes of a manifest, and what is wrong with it."""

from __future__ import annotations

import functools
from typing import Any

import yaml
from google.protobuf.message import Message

from control.apiserver.strategies import strategy as strategies
from control.apiserver.strategies import table
from control.apiserver.validation import meta
from fairlead.api import codec, objects

NOW = 1000.0
STRATEGIES: dict[str, strategies.Strategy[Any]] = {one.kind.kind: one for one in table.strategies(lambda: NOW)}


def changed(text: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with values put at paths such as `spec/containers/0/image`; None removes."""
    document = yaml.safe_load(text)
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        parent = functools.reduce(
            lambda at, step: at.setdefault(step, {}) if isinstance(at, dict) else at[step], steps, document
        )
        if value is None:
            del parent[last]
        elif isinstance(parent, list) and last == len(parent):
            parent.append(value)
        else:
            parent[last] = value
    return document  # type: ignore[no-any-return]


def prepared(kind: str, text: str, changes: dict[str, Any] | None = None) -> Any:
    """Return the object of a manifest with changes, as a creation would store it."""
    strategy = STRATEGIES[kind]
    obj = codec.from_json(changed(text, changes or {}), strategy.message)
    strategy.default(obj)
    strategy.prepare_for_create(obj)
    return obj


def document(kind: str, text: str) -> dict[str, Any]:
    """Return the JSON of a manifest as a creation would store it, without the time that nobody set."""
    found = codec.to_json(prepared(kind, text))
    del found["metadata"]["creationTimestamp"]
    return found


def stored_at(kind: str, text: str) -> str:
    """Return the key that a manifest's object is stored at, once its bytes have been seen to be Kubernetes'."""
    obj, row = prepared(kind, text), STRATEGIES[kind].kind
    stored = codec.encode_stored(obj)
    assert stored.startswith(b"k8s\0\n")
    assert row.api_version.encode() in stored[:64]
    assert codec.decode_stored(stored) == obj
    return row.key(obj.metadata.namespace, obj.metadata.name)


def faults(kind: str, text: str, changes: dict[str, Any] | None = None) -> list[str]:
    """Return the faults of a new object, as `path: message`."""
    strategy, obj = STRATEGIES[kind], prepared(kind, text, changes)
    judged = meta.validate(obj.metadata, strategy.kind.namespaced, strategy.name_rule)
    return texts([*judged, *strategy.validate(obj)])


def update(kind: str, text: str, changes: dict[str, Any], *, status: bool = False) -> tuple[Any, list[str]]:
    """Return the object that an update with changes makes of a manifest's, and its faults."""
    strategy, old = STRATEGIES[kind], prepared(kind, text)
    # as the registry does before it asks the strategy
    obj = codec.from_json(changed(yaml.safe_dump(codec.to_json(old)), changes), strategy.message)
    obj.metadata.generation = old.metadata.generation
    before = objects.copy(old)
    if status:
        strategy.prepare_for_status_update(obj, old)
        return obj, texts(strategy.validate_status_update(obj, before))
    strategy.default(obj)
    strategy.prepare_for_update(obj, old)
    return obj, texts(strategy.validate_update(obj, before))


def updated(kind: str, text: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the faults of an update from one changed manifest to another; a status under `before` is there first."""
    strategy = STRATEGIES[kind]
    old = prepared(kind, text, before)
    obj = codec.from_json(changed(text, after), strategy.message)
    strategy.default(obj)
    status = changed(text, before).get("status")
    if status is not None:
        old = with_status(old, status)
    strategy.prepare_for_update(obj, old)
    return texts(strategy.validate_update(obj, old))


def status_updated(kind: str, text: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the faults of a write of the status, whose JSON before and after is given."""
    strategy = STRATEGIES[kind]
    old = with_status(prepared(kind, text), before)
    obj = with_status(old, after)
    strategy.prepare_for_status_update(obj, old)
    return texts(strategy.validate_status_update(obj, old))


def check_status_alone(kind: str, text: str) -> None:
    """Assert that who writes a manifest's status changes neither spec nor what users wrote into the metadata."""
    changes = {
        "status/conditions": [{"type": "A", "status": "True"}],
        "metadata/labels": {"a": "b"},
        "metadata/annotations": {"a": "b"},
        "metadata/finalizers": ["a/b"],
    }

    obj, found = update(kind, text, changes, status=True)

    assert found == []
    assert [one.type for one in obj.status.conditions] == ["A"]
    assert not obj.metadata.labels
    assert not obj.metadata.annotations
    assert not obj.metadata.finalizers


def with_status(obj: Any, status: dict[str, Any]) -> Any:
    """Return a copy of an object with the status of a JSON document."""
    fresh = objects.copy(obj)
    message: Message = codec.from_json({"status": status}, type(obj))
    fresh.status.CopyFrom(message.status)  # type: ignore[attr-defined]
    return fresh


def texts(causes: Any) -> list[str]:
    """Return faults as `path: message`."""
    return [f"{cause.field}: {cause.message}" for cause in causes]
