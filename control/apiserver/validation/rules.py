"""Rules on the rules that a schema sets (`x-kubernetes-validations`): written well, compiled, not too dear. Pure.

Source: Kubernetes' documentation, "Validation rules".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from control.apiserver import field
from control.apiserver.cel import estimates, library, sizes, typed
from control.apiserver.structural import checking, paths, rules
from control.apiserver.structural.schema import Schema, parse
from control.apiserver.validation import rulecosts

Json = Any
_BREAK = re.compile(r"[\n\r]")
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def written(part: Mapping[str, Json], path: str) -> field.Faults:
    """Judge how the rules of one schema are written."""
    faults: field.Faults = []
    for index, rule in enumerate(part.get(rules.VALIDATIONS, ())):
        at = f"{path}.{rules.VALIDATIONS}[{index}]"
        faults += _texts(rule, at)
        reason = rule.get("reason")
        if reason is not None and reason not in REASONS:
            faults.append(field.unsupported(f"{at}.reason", reason, REASONS))
        faults += _field_path(rule.get("fieldPath", ""), part, f"{at}.fieldPath")
    return faults


def _texts(rule: Mapping[str, Json], at: str) -> field.Faults:
    source, message = rule.get("rule", "").strip(), rule.get("message", "")
    faults: field.Faults = []
    if not source:
        faults.append(field.required(f"{at}.rule", "rule is not specified"))
    elif message and not message.strip():
        faults.append(field.invalid(f"{at}.message", message, "message must be non-empty if specified"))
    elif _BREAK.search(message.strip()):
        faults.append(field.invalid(f"{at}.message", message, "message must not contain line breaks"))
    elif _BREAK.search(source) and not message.strip():
        text = "message must be specified if rule contains line breaks"
        faults.append(field.required(f"{at}.message", text))
    if rule.get("messageExpression") and not rule["messageExpression"].strip():
        text = "messageExpression must be non-empty if specified"
        faults.append(field.required(f"{at}.messageExpression", text))
    return faults


def _field_path(place: str, part: Mapping[str, Json], at: str) -> field.Faults:
    faults: field.Faults = []
    if place and not place.strip():
        faults.append(field.invalid(at, place, "fieldPath must be non-empty if specified"))
    if _BREAK.search(place):
        faults.append(field.invalid(at, place, "fieldPath must not contain line breaks"))
    try:
        paths.normalised(place, parse(part))
    except paths.PathError:
        faults.append(field.invalid(at, place, "fieldPath must be a valid path"))
    return faults


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a schema that may have rules.

    `apart` is what keeps old values from being found, `times` how often such a value can be there, None for no bound.
    """

    schema: Schema
    path: str
    is_resource: bool
    apart: str = ""
    times: int | None = 1

    def parts(self) -> Iterator[_Place]:
        """Iterate over the place and all below it."""
        yield self
        schema, times = self.schema, rulecosts.within(self.schema, self.times)
        for name, part in schema.properties.items():
            yield from _Place(part, f"{self.path}.properties[{name}]", part.embedded, self.apart, times).parts()
        if schema.additional is not None:
            part, at = schema.additional, f"{self.path}.additionalProperties"
            yield from _Place(part, at, part.embedded, self.apart, times).parts()
        if schema.items is not None:
            part, at = schema.items, f"{self.path}.items"
            lost = self.apart or (at if schema.list_type != "map" else "")
            yield from _Place(part, at, part.embedded, lost, times).parts()


def compiled(schema: Schema, path: str) -> field.Faults:
    """Judge whether all rules of a structural schema compile, and what they may cost."""
    types, budget = typed.Types(), rulecosts.Budget()
    waiting = [
        (place, types.of(place.schema, place.is_resource))
        for place in _Place(schema, path, True).parts()
        if place.schema.rules.get(rules.VALIDATIONS)
    ]
    faults: field.Faults = []
    for place, kind in waiting:
        at, part = f"{place.path}.{rules.VALIDATIONS}", place.schema
        if not kind:
            preserves = str(part.preserve).lower()
            text = (
                f"rule declared on schema that does not support validation rules type: '{part.type}'"
                f" x-kubernetes-preserve-unknown-fields: '{preserves}'"
            )
            faults.append(field.Cause("InternalError", f"Internal error: {text}", at))
            continue
        checkers = checking.Checkers(types, kind)
        for index, rule in enumerate(part.rules[rules.VALIDATIONS]):
            faults += _compiled(rule, checkers, place, f"{at}[{index}]", budget)
    return faults + budget.over(path)


def _compiled(
    rule: Mapping[str, Json], checkers: checking.Checkers, place: _Place, at: str, budget: rulecosts.Budget
) -> field.Faults:
    faults: field.Faults = []
    try:
        condition = checkers.condition(rule)
    except library.CompileError as error:
        return [*faults, field.invalid(f"{at}.rule", _shown(rule), str(error))]
    sized = sizes.of(place.schema, place.is_resource) or sizes.Sized()
    often = sized.times if place.times is None else place.times
    cost = estimates.times(often, estimates.of(condition.bound.tree, sized))
    faults += budget.judge(f"{at}.rule", "estimated rule cost", cost)
    try:
        message = checkers.message(rule)
    except library.CompileError as error:
        faults.append(field.invalid(f"{at}.messageExpression", _shown(rule), str(error)))
    else:
        if message is not None:
            cost = estimates.of(message.bound.tree, sized)
            faults += budget.judge(f"{at}.messageExpression", "estimated messageExpression cost", cost)
    uses_old = "oldSelf" in condition.names
    if uses_old and place.apart:
        text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.apart}"
        faults.append(field.invalid(f"{at}.rule", rule["rule"], text))
    elif not uses_old and "optionalOldSelf" in rule:
        text = "may not be set if oldSelf is not used in rule"
        faults.append(field.invalid(f"{at}.optionalOldSelf", rule["optionalOldSelf"], text))
    return faults


def _shown(rule: Mapping[str, Json]) -> field.Raw:
    """Return a rule in Go's notation, as Kubernetes' errors show it."""
    told = {name: json.dumps(rule.get(_lower(name), ""), ensure_ascii=False) for name in _TEXTS}
    reason = f"(*apiextensions.FieldValueErrorReason)({'0x0' if 'reason' in rule else 'nil'})"
    optional = f"(*bool)({'0x0' if 'optionalOldSelf' in rule else 'nil'})"
    texts = ", ".join(f"{name}:{told[name]}" for name in _TEXTS[:3])
    return field.Raw(
        f"apiextensions.ValidationRule{{{texts}, Reason:{reason}, FieldPath:{told['FieldPath']},"
        f" OptionalOldSelf:{optional}}}"
    )


_TEXTS = ("Rule", "Message", "MessageExpression", "FieldPath")


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
