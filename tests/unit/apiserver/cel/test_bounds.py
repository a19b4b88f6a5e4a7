"""No expression and no object keeps the process busy: what would take long is refused before it runs."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.apiserver.cel import costs, expressions, library

NAMED = [{"name": f"n{index}", "port": index} for index in range(5000)]


def doubled(source: str, times: int) -> str:
    """Return an expression that is a value put together with itself, again and again."""
    for index in range(times):
        source = f"[{source}].map(x{index}, {' + '.join([f'x{index}'] * 8)})[0]"
    return source


def nested(source: str, times: int) -> str:
    """Return an expression of loops in loops."""
    for index in range(times):
        source = f"self.all(x{index}, {source})"
    return source


@functools.cache
def checker() -> library.Checker:
    """Return a checker that knows nothing of `self`."""
    return library.Checker({"self": "dyn"})


def evaluated(source: str, data: Any) -> Any:
    """Return the value of an expression, if it may cost what it does."""
    expression = expressions.compiled(source, checker())
    if not expression.bound.is_harmless:
        expression.cost({"self": costs.measure(data)})
    return expression.evaluate(library.Activation({"self": data}))


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (doubled("self", 7) + ".size() > 1", "a" * 1000),
        (doubled("self", 7) + ".size() > 1", list(range(1000))),
        ("self.all(x, self == self)", NAMED),
        ("self.all(x, x in self)", NAMED),
        ("self.all(x, self.join(',').contains(x))", ["word"] * 5000),
        ("self.all(x, self.map(y, y + x).join().size() > 0)", ["word" * 1000] * 90),
        ("self.all(x, x.matches('^(([a-z])+.)+[A-Z]([a-z])+$'))", ["a" * 100_000] * 300),
        ("self.all(x, sets.contains(self, self))", list(range(2000))),
        ("self.replace('', self).size() > 1", "a" * 100_000),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_would_take_too_long_is_not_begun(source: str, data: Any) -> None:
    """The bound is worked out from the sizes of the values, before the evaluation."""
    with pytest.raises(library.Error) as failed:
        evaluated(source, data)

    assert str(failed.value) in ("operation cancelled: actual cost limit exceeded", "result is too large")


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (nested("x0 >= 0", 3), list(range(40))),
        ("self.all(x, x >= 0)", list(range(10_001))),
    ],
)
def test_loops_end_after_ten_thousand_turns(source: str, data: Any) -> None:
    """However they are nested, all loops of one evaluation share the library's limit."""
    with pytest.raises(library.TooCostly) as failed:
        evaluated(source, data)

    assert str(failed.value) == "operation cancelled: actual cost limit exceeded"


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("self.all(x, x.name != '' && x.port < 65536)", NAMED),
        ("self.all(a, self.exists_one(b, a.name == b.name && a.port == b.port))", NAMED[:90]),
        ("self.map(x, x.name).isSorted() || true", NAMED[:1000]),
        ("self.size() < 2000000 && self.matches('a+')", "a" * 1_000_000),
        ("self.filter(x, x.startsWith('kubernetes.io/')).size() == 0", [f"a/{index}" for index in range(4000)]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_rules_usually_ask_is_asked(source: str, data: Any) -> None:
    """The bound leaves room for large lists and unique names."""
    assert evaluated(source, data) is True


def test_a_rule_without_loops_needs_no_measuring() -> None:
    """Most rules cost little whatever the object."""
    found = [
        expressions.compiled(source, checker()).bound.is_harmless
        for source in ("self.a <= self.b", "self == self", "has(self.a) != has(self.b)", "self.all(x, x == self)")
    ]

    assert found == [True, True, True, False]


def test_a_regular_expression_is_searched_in_one_pass() -> None:
    """A pattern that makes others backtrack for ages does not."""
    assert evaluated("self.matches('^(a+)+$')", "a" * 200_000 + "b") is False


LETTERS = "self.all(x,y)+[]{}'\"0123<>=!&|?:%/*-. \n\\"


@given(st.text(alphabet=LETTERS, max_size=40))
def test_no_text_is_more_than_refused(source: str) -> None:
    """Whatever is written, it has a value, or an error that says why it has none."""
    told = "a value"
    try:
        evaluated(source, {"x": [1, "a"], "y": {"b": None}})
    except library.Error as error:
        told = str(error)

    assert told


def test_deep_values_can_be_measured() -> None:
    """What lies deeper than anyone writes counts as large."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]

    assert costs.measure(deep).weight > costs.LARGEST
