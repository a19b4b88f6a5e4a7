"""Rules in the Common Expression Language that a schema sets (`x-kubernetes-validations`), compiled and evaluated.

`Rules` is made with a schema and compiles when an object is first judged, so that kinds without rules pay nothing. A
rule about a change (`oldSelf`) speaks where the old value can be found again: through properties, keys of maps and
elements of lists of type map. A fault in a part that an update does not touch becomes a warning. Source: Kubernetes'
documentation, "Validation rules" and "Validation ratcheting". Pure.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from control.apiserver import field, warnings
from control.apiserver.cel import costs, expressions, library, typed
from control.apiserver.structural import checking, paths
from control.apiserver.structural.schema import Schema
from fairlead.api import objects

Json = Any

VALIDATIONS = "x-kubernetes-validations"
LONGEST_MESSAGE = 5120  # bytes of what a messageExpression may make
EXHAUSTED = "validation failed due to running out of cost budget, no further validation rules will be run"
_REASONS = {
    "FieldValueForbidden": field.forbidden,
    "FieldValueRequired": field.required,
}


class _None:
    """No old value: null may be one."""


NONE: Final = _None()


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a schema: its rules, and the places below it that have some."""

    schema: Schema
    is_resource: bool
    rules: Sequence[checking.Rule]
    properties: Mapping[str, _Place]
    additional: _Place | None
    items: _Place | None


@dataclass(slots=True)
class _State:
    """One judgement: its faults so far, and the units that are left of its budget."""

    faults: field.Faults
    budget: float = costs.BUDGET

    def spend(self, units: float) -> None:
        """Take from the budget; library.TooCostly where that ends it."""
        self.budget -= units
        if self.budget < 0:
            raise library.TooCostly(EXHAUSTED)


@dataclass(frozen=True, slots=True)
class _Values:
    """A value with its old one, and the nearest pair around it that can be compared."""

    new: Json
    old: Json | _None
    around: tuple[Json, Json] | None

    @property
    def is_unchanged(self) -> bool:
        """Whether the value, or what it lies in, is as it was."""
        pair = (self.new, self.old) if self.old is not NONE else self.around
        return pair is not None and objects.same_json(*pair)

    def below(self, new: Json, old: Json | _None) -> _Values:
        """Return a part of the value with its old one."""
        return _Values(new, old, (self.new, self.old) if self.old is not NONE else self.around)


class Rules:
    """All rules of a schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    @functools.cached_property
    def _root(self) -> _Place | None:
        return _compiled(self._schema, typed.Types(), is_resource=True)

    def validate(self, new: Json, old: Json | None) -> field.Faults:
        """Judge an object; `old` is None for a new one. Warnings are added where a fault is none of this update's."""
        if self._root is None:
            return []
        state = _State([])
        _judge(self._root, _Values(new, NONE if old is None else old, None), "", state)
        return state.faults


def has_rules(written: Mapping[str, Json]) -> bool:
    """Say whether a schema, as written, sets rules anywhere."""
    if written.get(VALIDATIONS):
        return True
    below = [*written.get("properties", {}).values(), written.get("items"), written.get("additionalProperties")]
    return any(has_rules(part) for part in below if isinstance(part, dict))


def _compiled(schema: Schema, types: typed.Types, *, is_resource: bool) -> _Place | None:
    """Return the place that a schema describes; None where neither it nor anything below has rules."""
    waiting = [
        (each, types.of(each, resource))
        for each, resource in places(schema, is_resource)
        if each.rules.get(VALIDATIONS)
    ]
    found = {id(each): _rules(each, checking.Checkers(types, kind)) for each, kind in waiting if kind}
    return _placed(schema, is_resource, found)


def places(schema: Schema, is_resource: bool) -> Iterator[tuple[Schema, bool]]:
    """Iterate over a schema and all that stand in it, and whether each is a resource's."""
    yield schema, is_resource
    for part in (*schema.properties.values(), schema.items, schema.additional):
        if part is not None:
            yield from places(part, part.embedded)


def _rules(schema: Schema, checkers: checking.Checkers) -> list[checking.Rule]:
    """Return the rules that compile; a definition with others was refused."""
    made = []
    for written in schema.rules[VALIDATIONS]:
        try:
            path = paths.normalised(written.get("fieldPath", ""), schema)
            made.append(checking.Rule(written, checkers.condition(written), checkers.message(written), path))
        except (library.CompileError, paths.PathError):
            continue
    return made


def _placed(schema: Schema, is_resource: bool, rules: Mapping[int, list[checking.Rule]]) -> _Place | None:
    below = {name: _placed(part, part.embedded, rules) for name, part in schema.properties.items()}
    properties = {name: place for name, place in below.items() if place is not None}
    additional = _placed(schema.additional, schema.additional.embedded, rules) if schema.additional else None
    items = _placed(schema.items, schema.items.embedded, rules) if schema.items else None
    own = rules.get(id(schema), [])
    if not (own or properties or additional or items):
        return None
    return _Place(schema, is_resource, own, properties, additional, items)


def _judge(place: _Place, values: _Values, path: str, state: _State) -> None:
    """Judge a value and what lies in it."""
    new, old = values.new, values.old
    if new is None or state.budget < 0:
        return
    if place.rules:
        _evaluate(place, values, path or field.ROOT, state)
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for key, each in new.items():
            below, at = place.properties.get(key), f"{path}.{key}" if path else key
            if below is None and place.additional is not None:
                below, at = place.additional, f"{path}[{key}]"
            if below is not None:
                _judge(below, values.below(each, _known(before.get(key, NONE))), at, state)
    elif isinstance(new, list) and place.items is not None:
        found = _by_keys(place.schema, old)
        for index, each in enumerate(new):
            _judge(place.items, values.below(each, _known(found(each))), f"{path}[{index}]", state)


def _known(old: Json | _None) -> Json | _None:
    """Return an old value, none where it was null."""
    return NONE if old is None else old


def _by_keys(schema: Schema, old: Json | _None) -> Any:
    """Return a function from an element to the old one of its keys; there is none but in lists of type map."""
    if schema.list_type != "map" or not isinstance(old, list):
        return lambda element: NONE
    known = {_keys(schema, each): each for each in old if isinstance(each, dict)}
    return lambda element: known.get(_keys(schema, element), NONE) if isinstance(element, dict) else NONE


def _keys(schema: Schema, element: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(repr(element.get(key)) for key in schema.map_keys)


class _Seen:
    """What the rules of one place see of a value: the variables, and their sizes where a bound depends on them."""

    def __init__(self, place: _Place, values: _Values) -> None:
        self.new = typed.value(values.new, place.schema, place.is_resource)
        self.has_old = values.old is not NONE
        aligned = typed.aligned(values.old, values.new, place.schema) if self.has_old else None
        self.old = typed.value(aligned, place.schema, place.is_resource)

    @functools.cached_property
    def plain(self) -> library.Activation:
        """Return the variables of most rules."""
        return library.Activation({"self": self.new, "oldSelf": self.old})

    @functools.cached_property
    def optional(self) -> library.Activation:
        """Return the variables of rules with `optionalOldSelf`."""
        return library.Activation({"self": self.new, "oldSelves": [self.old] if self.has_old else []})

    def for_rule(self, rule: checking.Rule) -> library.Activation:
        """Return the variables of a rule."""
        return self.optional if rule.takes_optional else self.plain

    @functools.cached_property
    def sizes(self) -> Mapping[str, costs.Size]:
        """Return how large the variables are."""
        old = costs.measure(self.old)
        return {"self": costs.measure(self.new), "oldSelf": old, "oldSelves": costs.Size(old.weight, 1.0, 0.0, old)}

    def cost(self, expression: expressions.Expression) -> float:
        """Return the most units that an evaluation takes; library.TooCostly where that is more than one may."""
        return expressions.EVALUATION if expression.bound.is_harmless else expression.cost(self.sizes)


def _evaluate(place: _Place, values: _Values, path: str, state: _State) -> None:
    """Ask a place's rules about a value."""
    kind, seen = place.schema.type, _Seen(place, values)
    for rule in place.rules:
        if rule.uses_old and not (seen.has_old or rule.takes_optional):
            continue
        try:
            state.spend(seen.cost(rule.condition))
            holds = rule.condition.evaluate(seen.for_rule(rule))
        except library.TooCostly as error:
            state.budget = -1.0
            state.faults.append(field.invalid(path, kind, _too_costly(error, rule)))
            return
        except library.Error as error:
            state.faults.append(field.invalid(path, kind, _failed(error, rule)))
            continue
        if holds is not True:
            _tell(rule, _fault(rule, kind, paths.joined(path, rule.path), _message(rule, seen)), values, state)


def _too_costly(error: library.Error, rule: checking.Rule) -> str:
    if str(error) == EXHAUSTED:
        return EXHAUSTED
    return f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {rule.text}"


def _failed(error: library.Error, rule: checking.Rule) -> str:
    if str(error).startswith("no such overload"):
        told = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{error}': {told}: {rule.text}"
    return f"{error} evaluating rule: {rule.text}"


def _message(rule: checking.Rule, seen: _Seen) -> str:
    """Return what is said of a rule that does not hold: a good text of its messageExpression, or its message."""
    if rule.message is None:
        return rule.default_message
    try:
        seen.cost(rule.message)
        found = rule.message.evaluate(seen.for_rule(rule))
    except library.Error:
        return rule.default_message
    text = found.strip() if isinstance(found, str) else ""
    if not text or "\n" in text or len(text.encode()) > LONGEST_MESSAGE:
        return rule.default_message
    return text


def _fault(rule: checking.Rule, kind: str, path: str, message: str) -> field.Cause:
    reason = rule.written.get("reason", "")
    if reason == "FieldValueDuplicate":
        return field.duplicate(path, kind)
    if reason in _REASONS:
        return _REASONS[reason](path, message)
    return field.invalid(path, kind, message)


def _tell(rule: checking.Rule, fault: field.Cause, values: _Values, state: _State) -> None:
    """Note a fault, as a warning where the update leaves the value as it was."""
    if not rule.uses_old and values.is_unchanged:
        warnings.add(f"{fault.field}: {fault.message}")
    else:
        state.faults.append(fault)
