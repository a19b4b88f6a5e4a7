"""Label and field selectors: texts and messages compiled to predicates.

Lists, watches, controllers and the scheduler ask `matches`; texts are parsed once and remembered. Source:
Kubernetes' documentation, "Labels and Selectors" and "Field Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fairlead import memo
from fairlead.api import names
from fairlead.api.pb import meta_v1_pb2 as metav1

IN, NOT_IN, EXISTS, NOT_EXISTS = "in", "notin", "exists", "!"
EQUALS, NOT_EQUALS, GREATER, LESS = "=", "!=", "gt", "lt"
_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS, "Gt": GREATER, "Lt": LESS}


LONGEST_REMEMBERED = 1024  # characters of a selector's text


class SelectorError(ValueError):
    """A selector that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the condition; an absent label meets `!=` and `notin`."""
        value = labels.get(self.key)
        operator = self.operator
        if operator in (IN, EQUALS):
            return value in self.values
        if operator in (NOT_IN, NOT_EQUALS):
            return value not in self.values
        if operator == EXISTS:
            return value is not None
        if operator == NOT_EXISTS:
            return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None or not re.fullmatch(r"[-+]?[0-9]+", value, re.ASCII):
            return False
        (limit,) = self.values
        return int(value) > int(limit) if self.operator == GREATER else int(value) < int(limit)

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == NOT_EXISTS:
            return f"!{self.key}"
        listed = ",".join(sorted(self.values))
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({listed})"
        sign = {GREATER: ">", LESS: "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{listed}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that must all be met: without one everything matches, unless `nothing` is set.

    `pairs` are the labels and values wanted where nothing else is: most selectors, and the fast way. Otherwise
    `needed` are the labels that must be there, and `by_key` the conditions on each label: an object has few labels, a
    text may have thousands of conditions.
    """

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    pairs: tuple[tuple[str, str], ...] | None = None
    needed: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    by_key: Mapping[str, Sequence[Requirement]] = field(default_factory=dict, compare=False, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet every condition."""
        if self.nothing:
            return False
        if self.pairs is None:
            return self._fits(labels)
        for key, value in self.pairs:  # noqa: SIM110 - a generator would cost more than the comparison
            if labels.get(key) != value:
                return False
        return True

    def _fits(self, labels: Mapping[str, str]) -> bool:
        if not all(key in labels for key in self.needed):
            return False
        return all(wanted.matches(labels) for key in labels for wanted in self.by_key.get(key, ()))

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        """Return the canonical text, ordered by key."""
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


@memo.remembered(4096, longest=LONGEST_REMEMBERED)
def parse(text: str) -> Selector:
    """Return the selector of a text such as `app=web,tier in (a,b),!canary`; SelectorError with Kubernetes' words."""
    return _Parser(text).selector()


def of_labels(labels: Mapping[str, str]) -> Selector:
    """Return the selector that wants exactly these labels and no others in particular."""
    return _sorted(Requirement(key, EQUALS, frozenset((value,))) for key, value in labels.items())


def of_message(selector: metav1.LabelSelector | None) -> Selector:
    """Return the selector of a LabelSelector: None matches nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    found = [Requirement(key, EQUALS, frozenset((value,))) for key, value in selector.matchLabels.items()]
    for expression in selector.matchExpressions:
        operator = _OPERATORS.get(expression.operator)
        if operator is None or operator in (GREATER, LESS):
            raise SelectorError(f'"{expression.operator}" is not a valid label selector operator')
        found.append(requirement(expression.key, operator, list(expression.values)))
    return _sorted(found)


def requirement(key: str, operator: str, values: list[str]) -> Requirement:
    """Return one condition, checked; `operator` is the text form's (`in`) or Kubernetes' name (`In`)."""
    operator = _OPERATORS.get(operator, operator)
    faults = names.qualified_name(key)
    if faults:
        raise SelectorError(f'key: Invalid value: "{key}": {"; ".join(faults)}')
    if operator in (IN, NOT_IN) and not values:
        raise SelectorError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in (EQUALS, NOT_EQUALS) and len(values) != 1:
        raise SelectorError(f"values: Invalid value: {values}: exact-match compatibility requires one single value")
    if operator in (EXISTS, NOT_EXISTS) and values:
        raise SelectorError(
            f"values: Invalid value: {values}: values set must be empty for exists and does not exist"
        )
    if operator in (GREATER, LESS) and (len(values) != 1 or not re.fullmatch(r"[-+]?[0-9]+", values[0], re.ASCII)):
        raise SelectorError(
            f"values: Invalid value: {values}: for 'Gt', 'Lt' operators, the value must be an integer"
        )
    for index, value in enumerate(values):
        faults = names.label_value(value)
        if faults:
            raise SelectorError(f'values[{index}][{key}]: Invalid value: "{value}": {"; ".join(faults)}')
    return Requirement(key, operator, frozenset(values))


def _sorted(found: Iterable[Requirement]) -> Selector:
    requirements = tuple(sorted(found, key=lambda each: each.key))
    if any(each.operator != EQUALS for each in requirements):
        by_key: dict[str, list[Requirement]] = {}
        for each in requirements:
            by_key.setdefault(each.key, []).append(each)
        needed = frozenset(each.key for each in requirements if each.operator not in (NOT_IN, NOT_EQUALS, NOT_EXISTS))
        return Selector(requirements, needed=needed, by_key=by_key)
    return Selector(requirements, pairs=tuple((each.key, next(iter(each.values))) for each in requirements))


_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+|$)")
_SIGNS = {"=": EQUALS, "==": EQUALS, "!=": NOT_EQUALS, ">": GREATER, "<": LESS, "in": IN, "notin": NOT_IN}


class _Parser:
    """A reader of Kubernetes' selector grammar, one token ahead."""

    def __init__(self, text: str) -> None:
        self.tokens = [match[1] for match in _TOKEN.finditer(text.strip())]
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position]

    def take(self) -> str:
        token = self.tokens[self.position]
        self.position = min(self.position + 1, len(self.tokens) - 1)
        return token

    def selector(self) -> Selector:
        found: list[Requirement] = []
        while self.peek():
            found.append(self.requirement())
            after = self.take()
            if after == "":
                break
            if after != ",":
                raise SelectorError(f"found '{after}', expected: ',' or 'end of string'")
            if self.peek() in ("", ","):
                raise SelectorError(f"found '{self.peek()}', expected: identifier after ','")
        return _sorted(found)

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.take()
            return requirement(self.identifier(), NOT_EXISTS, [])
        key = self.identifier()
        if self.peek() in ("", ","):
            return requirement(key, EXISTS, [])
        sign = self.take()
        if sign not in _SIGNS:
            raise SelectorError(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
        operator = _SIGNS[sign]
        return requirement(key, operator, self.set() if operator in (IN, NOT_IN) else [self.value()])

    def identifier(self) -> str:
        token = self.take()
        if not token or token in ("=", "==", "!=", "!", "(", ")", ",", "<", ">"):
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def value(self) -> str:
        """Return the value after a sign; nothing there is the empty value."""
        return "" if self.peek() in ("", ",") else self.identifier()

    def set(self) -> list[str]:
        if (token := self.take()) != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        values = [""] if self.peek() in (",", ")") else [self.identifier()]
        while (token := self.take()) == ",":
            values.append("" if self.peek() in (",", ")") else self.identifier())
        if token != ")":
            raise SelectorError(f"found '{token}', expected: ',' or ')'")
        return values


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field: it is, or is not, a text."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{self.operator}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions on fields such as `spec.nodeName`, which must all be met."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object's fields, given by path, meet every condition; an absent field is empty."""
        for each in self.requirements:
            if (fields.get(each.field, "") == each.value) != (each.operator == EQUALS):
                return False
        return True

    def required(self, field: str) -> str | None:
        """Return the text that a field must have, None where the selector leaves it open."""
        return next(iter(self.values(field, EQUALS)), None)

    def values(self, field: str, operator: str) -> frozenset[str]:
        """Return the texts that a field must, or must not, have."""
        return frozenset(each.value for each in self.requirements if (each.field, each.operator) == (field, operator))

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements

    def __str__(self) -> str:
        return ",".join(str(each) for each in self.requirements)


@memo.remembered(4096, longest=LONGEST_REMEMBERED)
def parse_fields(text: str) -> FieldSelector:
    """Return the selector of a text such as `spec.nodeName=node-1,status.phase!=Running`."""
    terms = [term for term in re.findall(r"(?:\\.|[^,\\])+|\\$", text) if term]
    return FieldSelector(tuple(_field_requirement(term, text) for term in terms))


def _field_requirement(term: str, text: str) -> FieldRequirement:
    match = re.match(r"([^=!\\]*)(!=|==|=)(.*)", term, re.DOTALL)
    if match is None:
        raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
    return FieldRequirement(match[1], NOT_EQUALS if match[2] == "!=" else EQUALS, _unescaped(match[3]))


def _unescaped(value: str) -> str:
    if re.search(r"\\([^\\,=]|$)", re.sub(r"\\\\", "", value)):
        raise SelectorError(f"invalid field selector: invalid escape sequence: {value}")
    if re.search(r"(?<!\\)=", re.sub(r"\\\\", "", value)):
        raise SelectorError(f"invalid field selector: unescaped character in value: {value}")
    return re.sub(r"\\([\\,=])", r"\1", value)
