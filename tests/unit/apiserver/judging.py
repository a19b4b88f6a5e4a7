"""Strategies asked as the registry asks them: what becomes of a manifest, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import yaml

from control.apiserver.strategies import strategy as strategies
from control.apiserver.strategies import table
from control.apiserver.validation import meta
from fairlead.api import codec, objects
from tests.unit.apiserver.test_validation import changed

STRATEGIES: dict[str, strategies.Strategy[Any]] = {one.kind.kind: one for one in table.strategies()}


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


def faults(kind: str, text: str, changes: dict[str, Any] | None = None) -> list[str]:
    """Return the faults of a new object, as `path: message`."""
    strategy, obj = STRATEGIES[kind], prepared(kind, text, changes)
    judged = meta.validate(obj.metadata, strategy.kind.namespaced, strategy.name_rule)
    return _texts([*judged, *strategy.validate(obj)])


def update(kind: str, text: str, changes: dict[str, Any], *, status: bool = False) -> tuple[Any, list[str]]:
    """Return the object that an update with changes makes of a manifest's, and its faults."""
    strategy, old = STRATEGIES[kind], prepared(kind, text)
    # as the registry does before it asks the strategy
    obj = codec.from_json(changed(yaml.safe_dump(codec.to_json(old)), changes), strategy.message)
    obj.metadata.generation = old.metadata.generation
    before = objects.copy(old)
    if status:
        strategy.prepare_for_status_update(obj, old)
        return obj, _texts(strategy.validate_status_update(obj, before))
    strategy.default(obj)
    strategy.prepare_for_update(obj, old)
    return obj, _texts(strategy.validate_update(obj, before))


def _texts(causes: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in causes]
