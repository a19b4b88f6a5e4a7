"""Rules on the rules that a schema sets (`x-kubernetes-validations`): written well, and compiled. Pure.

Source: Kubernetes' documentation, "Validation rules".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from control.apiserver import field
from control.apiserver.cel import library, typed
from control.apiserver.structural import checking, paths, rules
from control.apiserver.structural.schema import Schema

Json = Any
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
    return faults


def _texts(rule: Mapping[str, Json], at: str) -> field.Faults:
    source, message = rule.get("rule", "").strip(), rule.get("message", "")
    faults: field.Faults = []
    if not source:
        faults.append(field.required(f"{at}.rule", "rule is not specified"))
    elif message and not message.strip():
        faults.append(field.invalid(f"{at}.message", message, "message must be non-empty if specified"))
    elif "\n" in message.strip():
        faults.append(field.invalid(f"{at}.message", message, "message must not contain line breaks"))
    elif "\n" in source and not message.strip():
        text = "message must be specified if rule contains line breaks"
        faults.append(field.required(f"{at}.message", text))
    if rule.get("messageExpression") and not rule["messageExpression"].strip():
        text = "messageExpression must be non-empty if specified"
        faults.append(field.required(f"{at}.messageExpression", text))
    place = rule.get("fieldPath", "")
    if place and not place.strip():
        faults.append(field.invalid(f"{at}.fieldPath", place, "fieldPath must be non-empty if specified"))
    if "\n" in place:
        faults.append(field.invalid(f"{at}.fieldPath", place, "fieldPath must not contain line breaks"))
    return faults


def compiled(schema: Schema, path: str) -> field.Faults:
    """Judge whether all rules of a structural schema compile."""
    types = typed.Types()
    waiting = [
        (part, at, apart, types.of(part, is_resource))
        for part, at, is_resource, apart in _places(schema, path, True, "")
        if part.rules.get(rules.VALIDATIONS)
    ]
    faults: field.Faults = []
    for part, at, apart, kind in waiting:
        place = f"{at}.{rules.VALIDATIONS}"
        if not kind:
            preserves = str(part.preserve).lower()
            text = (
                f"rule declared on schema that does not support validation rules type: '{part.type}'"
                f" x-kubernetes-preserve-unknown-fields: '{preserves}'"
            )
            faults.append(field.Cause("InternalError", f"Internal error: {text}", place))
            continue
        checkers = checking.Checkers(types, kind)
        for index, rule in enumerate(part.rules[rules.VALIDATIONS]):
            faults += _compiled(rule, checkers, part, f"{place}[{index}]", apart)
    return faults


def _places(schema: Schema, path: str, is_resource: bool, apart: str) -> Iterator[tuple[Schema, str, bool, str]]:
    """Iterate over schemas, their paths, whether each is a resource's, and what keeps old values from being found."""
    yield schema, path, is_resource, apart
    for name, part in schema.properties.items():
        yield from _places(part, f"{path}.properties[{name}]", part.embedded, apart)
    if schema.additional is not None:
        yield from _places(schema.additional, f"{path}.additionalProperties", schema.additional.embedded, apart)
    if schema.items is not None:
        at = f"{path}.items"
        lost = apart or (at if schema.list_type != "map" else "")
        yield from _places(schema.items, at, schema.items.embedded, lost)


def _compiled(
    rule: Mapping[str, Json], checkers: checking.Checkers, schema: Schema, at: str, apart: str
) -> field.Faults:
    faults: field.Faults = []
    if rule.get("fieldPath"):
        try:
            paths.normalised(rule["fieldPath"], schema)
        except paths.PathError as error:
            text = f"fieldPath must be a valid path: {error}"
            faults.append(field.invalid(f"{at}.fieldPath", rule["fieldPath"], text))
    try:
        condition = checkers.condition(rule)
    except library.CompileError as error:
        return [*faults, field.invalid(f"{at}.rule", _shown(rule), str(error))]
    try:
        checkers.message(rule)
    except library.CompileError as error:
        faults.append(field.invalid(f"{at}.messageExpression", _shown(rule), str(error)))
    uses_old = "oldSelf" in condition.names
    if uses_old and apart:
        text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {apart}"
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
