"""What Kubernetes takes a rule to cost at most: figures of its own estimate, for schemas with bounds and without."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from control.apiserver.cel import estimates, sizes, typed
from control.apiserver.structural import checking, schema

Json = dict[str, Any]

NUMBER, BOOLEAN, STRING = {"type": "number"}, {"type": "boolean"}, {"type": "string"}
INTEGER = {"type": "integer"}
EITHER = {"x-kubernetes-int-or-string": True}
OBJECT: Json = {"type": "object", "properties": {"required": STRING, "optional": STRING}, "required": ["required"]}
BYTES = {"type": "string", "format": "byte"}
DURATION, DATE, MOMENT = ({"type": "string", "format": form} for form in ("duration", "date", "date-time"))


def array(items: Json) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def mapping(values: Json) -> Json:
    """Return the schema of a map."""
    return {"type": "object", "additionalProperties": values}


def fields(**properties: Json) -> Json:
    """Return the schema of an object."""
    return {"type": "object", "properties": properties}


def bounded(written: Json, most: int, within: bool) -> Json:
    """Return a schema with a bound, and with `within` those in it, too."""
    found = copy.deepcopy(written)
    if "additionalProperties" in found:
        found["maxProperties"] = most
        found["additionalProperties"] = bounded(found["additionalProperties"], most, within) if within else (
            found["additionalProperties"]
        )
    elif found.get("type") == "array":
        found["maxItems"] = most
        found["items"] = bounded(found["items"], most, within) if within else found["items"]
    elif found.get("type") == "string":
        found["maxLength"] = most
    return found


def estimated(written: Json, rule: str) -> int:
    """Return the estimate of a rule on a value that is no resource."""
    parsed = schema.parse(written)
    types = typed.Types()
    condition = checking.Checkers(types, types.of(parsed, False)).condition({"rule": rule})
    sized = sizes.of(parsed, False)
    assert sized is not None
    return estimates.of(condition.bound.tree, sized)


@pytest.mark.parametrize(
    ("written", "rule", "unbounded", "most", "expected"),
    [
        (array(NUMBER), "self.all(x, true)", 4718591, 10, 32),
        (array(STRING), "self.all(x, true)", 3145727, 20, 62),
        (array(BOOLEAN), "self.all(x, true)", 1887437, 5, 17),
        (array(array(NUMBER)), "self.all(x, true)", 3145727, 100, 302),
        (array(OBJECT), "self.all(x, true)", 555128, 50, 152),
        (mapping(NUMBER), "self.all(x, true)", 1348169, 10, 32),
        (mapping(STRING), "self.all(x, true)", 1179647, 3, 11),
        (mapping(BOOLEAN), "self.all(x, true)", 943718, 100, 302),
        (STRING, "self.contains('test')", 314574, 10, 5),
        (STRING, "self.startsWith('test')", 2, 15, 2),
        (STRING, "self.endsWith('test')", 2, 30, 2),
        (STRING, 'size(self + "hello") > size("hello")', 314578, 4, 7),
        (array(NUMBER), "self[1] == 0.0", 2, 5000, 2),
        (array(STRING), "self[1] == self[1]", 314577, 8, 314577),
        (array(NUMBER), "self.all(x, self.all(y, true))", None, 10, 352),
        (array(NUMBER), "self.all(x, self.all(y, self.all(z, true)))", None, 10, 3552),
        (STRING, 'self.matches("x")', 314574, 50, 22),
        (STRING, '"".matches("(((((((((())))))))))[0-9]")', 7, 10, 7),
        (STRING, 'self.matches("")', 1, 100, 1),
        (mapping(NUMBER), 'self["x"] == 0.0', 2, 0, 2),
        (STRING, 'self == "x"', 2, 0, 1),
        (BYTES, 'self == b"x"', 2, 0, 1),
        (array(NUMBER), "self.all(x, x == 0.0)", 6291454, 3 * 1024 * 2048, 25165826),
        (array(mapping(OBJECT)), 'self.all(x, x["y"].required == "z")', 7340027, 10, 72),
        (array(EITHER), "self.all(x, true)", 4718591, 10, 32),
        (array(EITHER), "self[0] == 5", 3, 10, 3),
        (array(BOOLEAN), "self[0] == false", 2, 25, 2),
        (array(array(NUMBER)), "self[0][0] == -1.0", 3, 51, 3),
        (array(mapping(NUMBER)), "self.all(x, x.y == 25.2)", 6291452, 12, 74),
        (array(mapping(NUMBER)), "self[0].x > 2.0", 4, 3000, 4),
        (array(DURATION), "self.all(x, true)", 2359295, 5, 17),
        (array(DURATION), "self[0].getHours() == 2", 4, 525, 4),
        (array(DATE), "self.all(x, true)", 725936, 15, 47),
        (array(DATE), "self[2].getDayOfMonth() == 13", 4, 42, 4),
        (array(MOMENT), "self.all(x, true)", 428963, 25, 77),
        (array(MOMENT), "self[2].getMinutes() == 45", 4, 99, 4),
        (mapping(EITHER), "self.all(x, true)", 1348169, 15, 47),
        (mapping(OBJECT), "self.all(x, true)", 428963, 20, 62),
        (mapping(mapping(NUMBER)), "self.all(x, true)", 1179647, 10, 32),
        (mapping(array(NUMBER)), "self.all(x, true)", 1179647, 25, 77),
        (mapping(DURATION), "self.all(x, true)", 1048577, 5, 17),
        (mapping(DATE), "self.all(x, true)", 524288, 10, 32),
        (mapping(MOMENT), "self.all(x, true)", 349526, 25, 77),
        (STRING, "self.find('[0-9]+') == ''", 629147, 10, 11),
        (STRING, "self.lowerAscii() == 'lower!'", 314575, 10, 6),
        (mapping(INTEGER), "oldSelf.size() == self.size()", 5, 10, 5),
        (mapping(MOMENT), 'self["a"] == self["b"]', 8, 7, 8),
        (mapping(DURATION), 'self["c"] == self["d"]', 8, 42, 8),
        ({**STRING, "enum": ["A", "B", "C", "LongValue"]}, "self.contains('A')", 2, 1000, 401),
    ],
)
def test_a_rule_costs_what_kubernetes_takes_it_to(
    written: Json, rule: str, unbounded: int | None, most: int, expected: int
) -> None:
    """Without a bound of the value itself, and with one."""
    first = estimated(written, rule)
    assert first == unbounded if unbounded is not None else first > 10_000_000
    assert estimated(bounded(written, most, within=False), rule) == expected


@pytest.mark.parametrize(
    ("written", "rule", "unbounded", "expected"),
    [
        (mapping(STRING), "self.all(x, x.contains(self[x]))", 2752507, 72),
        (array(STRING), "self.join(' ') == 'aa bb'", 329853068905, 43),
        (array(STRING), "self.isSorted() == true", 329854432052, 52),
    ],
)
def test_bounds_within_count(written: Json, rule: str, unbounded: int, expected: int) -> None:
    """Each bound of ten."""
    assert [estimated(each, rule) for each in (written, bounded(written, 10, within=True))] == [unbounded, expected]


def test_texts_that_are_made_have_their_own_size() -> None:
    """By replacing, and by splitting."""
    short = {**STRING, "maxLength": 4}
    parts = {"before": {**STRING, "maxLength": 2}, "after": short}
    rule = "self.str.replace(self.before, self.after) == 'does not matter'"
    split = "self.str.split(self.separator) == []"
    ten = {**STRING, "maxLength": 10}
    assert estimated(fields(str=STRING, **parts), rule) == 629154
    assert estimated(fields(str=short, **parts), rule) == 12
    assert estimated(fields(str=STRING, separator=STRING), split) == 629160
    assert estimated(fields(str=ten, separator=ten), split) == 22


@pytest.mark.parametrize(("length", "each"), [(16, 11), (63, 30), (253, 106), (1024, 414)])
def test_what_one_element_costs(length: int, each: int) -> None:
    """Whose texts have a bound."""
    written = {**array({**STRING, "maxLength": length}), "maxItems": 1000}
    assert estimated(written, "self.all(x, x.contains('gpu'))") == 1000 * each + 2


def test_an_optional_old_value_costs_as_much_as_one_that_is_there() -> None:
    """What makes it an optional is not the rule's."""
    parsed, types = schema.parse(STRING), typed.Types()
    written = {"rule": "!oldSelf.hasValue() || self.contains('a')", "optionalOldSelf": True}
    condition = checking.Checkers(types, types.of(parsed, False)).condition(written)
    sized = sizes.of(parsed, False)
    assert sized is not None
    assert estimates.of(condition.bound.tree, sized) == 3 + 314574


@pytest.mark.parametrize(
    "rule",
    [
        "isURL(self) && url(self).getHost() == 'a'",
        "isIP(self) && ip(self).family() == 4 && !ip(self).isLoopback()",
        "cidr(self).containsIP('10.0.0.1') && cidr(self).containsCIDR(self) && cidr(self).ip() == ip(self)",
        "isQuantity(self) && quantity(self).isGreaterThan(quantity('1'))",
        "sets.contains([self], ['a']) || sets.equivalent([self], ['b'])",
        "timestamp(self) > timestamp('2020-01-01T00:00:00Z') && duration(self) < duration('1h')",
        "[self, self].exists_one(x, x == 'a') && {'a': self}.all(k, k != self)",
        "self in ['a', 'b'] && bytes(self) != b'' && string(1) + self != ''",
        "type(self) == string && dyn(self) == 'a' && '%s'.format([self]) != ''",
        "self.substring(1).trim().charAt(0) < 'b' && self.upperAscii().indexOf('A') == 0",
    ],
)
def test_every_function_has_a_cost(rule: str) -> None:
    """With a bound of the text it is one that passes; without, it is larger."""
    short = estimated({**STRING, "maxLength": 10}, rule)
    assert 0 < short < 1_000_000 or "string(1)" in rule
    assert estimated(STRING, rule) >= short
