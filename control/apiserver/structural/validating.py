"""Validation of values by the OpenAPI v3 subset that structural schemas have, in Kubernetes' words. Pure.

`compile` turns a schema into a function once; it is called with a value and answers faults. What fails within anyOf,
oneOf, allOf and not is told as Kubernetes tells it: on no field, with the path in the text.
"""

from __future__ import annotations

import decimal
import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

from control.apiserver import field
from control.apiserver.structural import formats

Json = Any
Check = Callable[[Json, str, field.Faults], None]

PATTERN_BYTES = 1 << 20  # what a pattern may take once it is compiled
LONGEST_PLAIN_FLOAT = 6  # digits before the point, from which Go writes an exponent


# The highest number of each format; the lowest integer is one further from zero.
WIDTHS: Mapping[tuple[str, str], float] = {
    ("integer", "int32"): 2**31 - 1,
    ("integer", "int64"): 2**63 - 1,
    ("number", "float"): (2 - 2**-23) * 2.0**127,
}


class PatternError(ValueError):
    """A pattern that is none."""


def compile(rules: Mapping[str, Json]) -> Callable[[Json, str], field.Faults]:
    """Return the validator of a schema as written: a function of a value and its path."""
    check = _compiled(rules)

    def validate(value: Json, path: str = "") -> field.Faults:
        faults: field.Faults = []
        check(value, path, faults)
        return faults

    return validate


def kind_of(value: Json) -> str:
    """Return the JSON type of a value, as schemas name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def shown(value: Json) -> str:
    """Return a value as an error shows it: text quoted, numbers bare, the rest as JSON."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return field.shown(value)


def number(value: float) -> str:
    """Return a number as Go's %v does: a float from a million on, or below 0.0001, with an exponent."""
    if isinstance(value, int):
        return str(value)
    sign, digits, shift = decimal.Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) + int(shift) - 1
    if not value or -4 <= power < LONGEST_PLAIN_FLOAT:
        return f"{value:f}".rstrip("0").rstrip(".") if float(value).is_integer() else repr(value)
    first, rest = digits[0], "".join(map(str, digits[1:]))
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{rest}e{power:+03d}"


def _fault(path: str, value: Json, text: str, reason: str = "FieldValueInvalid") -> field.Cause:
    return field.fault(reason, f"Invalid value: {shown(value)}: {text}", path or field.ROOT)


def _named(path: str, text: str) -> str:
    return f"{path} in body {text}"


def _compiled(rules: Mapping[str, Json]) -> Check:
    """Return one check of all that a schema asks, in Kubernetes' order."""
    typed = _type_check(rules)
    listed = _enum_check(rules)
    checks = [
        check
        for check in (
            typed,
            *_junctors(rules),
            _string_check(rules),
            _number_check(rules),
            _width_check(rules),
            _array_check(rules),
            listed,
            _object_check(rules),
        )
        if check is not None
    ]
    for_null = [check for check in (typed, listed) if check is not None]
    is_nullable = bool(rules.get("nullable"))

    def check_all(value: Json, path: str, faults: field.Faults) -> None:
        if value is None and is_nullable:
            return
        for check in checks if value is not None else for_null:
            check(value, path, faults)

    return check_all


def _type_check(rules: Mapping[str, Json]) -> Check | None:
    wanted = rules.get("type", "")
    if rules.get("x-kubernetes-int-or-string"):
        allowed, text = {"integer", "string"}, "integer,string"
    elif wanted:
        allowed, text = ({"number", "integer"} if wanted == "number" else {wanted}), wanted
    else:
        return None

    def check(value: Json, path: str, faults: field.Faults) -> None:
        found = kind_of(value)
        if found not in allowed:
            message = _named(path, f'must be of type {text}: "{found}"')
            faults.append(_fault(path, found, message, "FieldValueTypeInvalid"))

    return check


def _string_check(rules: Mapping[str, Json]) -> Check | None:
    longest, shortest = rules.get("maxLength"), rules.get("minLength")
    written, form = rules.get("pattern", ""), rules.get("format", "")
    if longest is None and shortest is None and not written and not form:
        return None
    compiled = pattern(written) if written else None

    def check(value: Json, path: str, faults: field.Faults) -> None:
        if not isinstance(value, str):
            return
        if longest is not None and len(value) > longest:
            faults.append(field.too_long(path, longest))
        elif shortest is not None and len(value) < shortest:
            faults.append(_fault(path, value, _named(path, f"should be at least {shortest} chars long")))
        elif compiled is not None and not compiled.search(value):
            faults.append(_fault(path, value, _named(path, f"should match '{written}'")))
        if form and not formats.is_good(form, value):
            message = _named(path, f"must be of type {form}: {field.shown(value)}")
            faults.append(_fault(path, value, message, "FieldValueTypeInvalid"))

    return check


def pattern(text: str) -> Any:
    """Return a compiled pattern in Go's syntax; PatternError says what is wrong with one.

    RE2 is what Go's expressions are, too: a search takes time in proportion to the text, whatever the pattern.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    try:
        return re2.compile(text, options=options)
    except re2.error as error:
        found = error.args[0]
        said = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
        raise PatternError(f"error parsing regexp: {said}") from None


def _number_check(rules: Mapping[str, Json]) -> Check | None:
    most, least, factor = rules.get("maximum"), rules.get("minimum"), rules.get("multipleOf")
    if most is None and least is None and factor is None:
        return None
    below, above = bool(rules.get("exclusiveMaximum")), bool(rules.get("exclusiveMinimum"))

    def bound(value: Json, limit: float) -> str:
        whole = isinstance(value, int) and float(limit).is_integer()
        return str(int(limit)) if whole else number(float(limit))

    def check(value: Json, path: str, faults: field.Faults) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        if factor is not None and not _divides(value, factor):
            faults.append(_fault(path, value, _named(path, f"should be a multiple of {bound(value, factor)}")))
        if most is not None and (value >= most if below else value > most):
            words = "less than" if below else "less than or equal to"
            faults.append(_fault(path, value, _named(path, f"should be {words} {bound(value, most)}")))
        if least is not None and (value <= least if above else value < least):
            words = "greater than" if above else "greater than or equal to"
            faults.append(_fault(path, value, _named(path, f"should be {words} {bound(value, least)}")))

    return check


def _width_check(rules: Mapping[str, Json]) -> Check | None:
    """Return the check that a number fits into the bits that a format gives it."""
    kind, form = rules.get("type", ""), rules.get("format", "")
    most = WIDTHS.get((kind, form))
    if most is None:
        return None

    def check(value: Json, path: str, faults: field.Faults) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        lowest = -most - 1 if kind == "integer" else -most
        if not lowest <= value <= most:
            text = f"Checked value must be of type {kind} with format {form} in {path}"
            faults.append(field.fault("FieldValueInvalid", f'Invalid value: "": {text}', field.ROOT))

    return check


def _divides(value: float, factor: float) -> bool:
    quotient = value / factor if factor else math.nan
    return math.isfinite(quotient) and float(quotient).is_integer()


def _array_check(rules: Mapping[str, Json]) -> Check | None:
    most, fewest, items = rules.get("maxItems"), rules.get("minItems"), rules.get("items")
    each = _compiled(items) if isinstance(items, dict) else None
    if most is None and fewest is None and each is None:
        return None

    def check(value: Json, path: str, faults: field.Faults) -> None:
        if not isinstance(value, list):
            return
        if each is not None:
            for index, item in enumerate(value):
                each(item, f"{path}[{index}]", faults)
        if fewest is not None and len(value) < fewest:
            faults.append(_fault(path, len(value), _named(path, f"should have at least {fewest} items")))
        if most is not None and len(value) > most:
            faults.append(field.too_many(path, len(value), most))

    return check


def _enum_check(rules: Mapping[str, Json]) -> Check | None:
    values = rules.get("enum")
    if not values:
        return None
    known = {json.dumps(value, sort_keys=True) for value in values}
    listed = ", ".join(_quoted(value) for value in values)

    def check(value: Json, path: str, faults: field.Faults) -> None:
        if json.dumps(value, sort_keys=True) not in known:
            text = f"Unsupported value: {shown(value)}: supported values: {listed}"
            faults.append(field.fault("FieldValueNotSupported", text, path or field.ROOT))

    return check


def _quoted(value: Json) -> str:
    return field.shown(value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))


def _object_check(rules: Mapping[str, Json]) -> Check | None:
    properties = {name: _compiled(part) for name, part in rules.get("properties", {}).items()}
    additional = rules.get("additionalProperties")
    other = _compiled(additional) if isinstance(additional, dict) else None
    required = rules.get("required", ())
    most, fewest = rules.get("maxProperties"), rules.get("minProperties")
    if not (properties or other or required or additional is False) and most is None and fewest is None:
        return None

    def check(value: Json, path: str, faults: field.Faults) -> None:
        if not isinstance(value, dict):
            return
        if fewest is not None and len(value) < fewest:
            faults.append(_fault(path, len(value), _named(path, f"should have at least {fewest} properties")))
            return
        if most is not None and len(value) > most:
            faults.append(field.too_many(path, len(value), most))
            return
        for name, found in value.items():
            below = f"{path}.{name}" if path else name
            part = properties.get(name, other)
            if part is not None:
                part(found, below, faults)
            elif additional is False:
                faults.append(_fault(path, name, f"{below} in body is a forbidden property"))
        for name in required:
            if name not in value:
                faults.append(field.required(f"{path}.{name}" if path else name))

    return check


def _junctors(rules: Mapping[str, Json]) -> Sequence[Check]:
    found: list[Check] = []
    for name, made in (("anyOf", _any_of), ("oneOf", _one_of), ("allOf", _all_of)):
        parts = rules.get(name)
        if parts:
            found.append(made([_compiled(part) for part in parts]))
    if rules.get("not") is not None:
        found.append(_not(_compiled(rules["not"])))
    return found


def _tried(checks: Sequence[Check], value: Json, path: str) -> list[field.Faults]:
    """Return the faults of each alternative: they count for nothing until one is told."""

    def tried(check: Check) -> field.Faults:
        faults: field.Faults = []
        check(value, path, faults)
        return faults

    return [field.judged(functools.partial(tried, check)) for check in checks]


def _mildest(outcomes: Sequence[field.Faults]) -> field.Faults:
    """Return the faults of the alternative that comes closest."""
    counts = [len(faults) for faults in outcomes]
    return outcomes[counts.index(min(counts))]


def _junction(path: str, text: str) -> field.Cause:
    return field.fault("FieldValueInvalid", f'Invalid value: "": {field.shown(path)} {text}', field.ROOT)


def _any_of(checks: Sequence[Check]) -> Check:
    def check(value: Json, path: str, faults: field.Faults) -> None:
        outcomes = _tried(checks, value, path)
        if all(outcomes):
            faults.append(_junction(path, "must validate at least one schema (anyOf)"))
            faults += _mildest(outcomes)

    return check


def _one_of(checks: Sequence[Check]) -> Check:
    def check(value: Json, path: str, faults: field.Faults) -> None:
        outcomes = _tried(checks, value, path)
        valid = sum(not outcome for outcome in outcomes)
        if valid == 1:
            return
        found = f"Found {valid} valid alternatives" if valid else "Found none valid"
        faults.append(_junction(path, f"must validate one and only one schema (oneOf). {found}"))
        if not valid:
            faults += _mildest(outcomes)

    return check


def _all_of(checks: Sequence[Check]) -> Check:
    def check(value: Json, path: str, faults: field.Faults) -> None:
        outcomes = _tried(checks, value, path)
        failed = [outcome for outcome in outcomes if outcome]
        for outcome in failed:
            faults += outcome
        if failed:
            rest = ". None validated" if len(failed) == len(outcomes) else ""
            faults.append(_junction(path, f"must validate all the schemas (allOf){rest}"))

    return check


def _not(inner: Check) -> Check:
    def check(value: Json, path: str, faults: field.Faults) -> None:
        if not _tried([inner], value, path)[0]:
            faults.append(_junction(path, "must not validate the schema (not)"))

    return check
