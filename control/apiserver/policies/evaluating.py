"""Expressions of admission evaluated for one request: variables when they are read, costs added up. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from control.apiserver.cel import costs, expressions, library

Json = Any

EXHAUSTED = "validation failed due to running out of cost budget, no further validation rules will be run"


class Failure(Exception):
    """An expression that has no value; worded as Kubernetes words it."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression as written, ready to run or with the reason why it cannot."""

    source: str
    expression: expressions.Expression | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A match condition."""

    name: str
    compiled: Compiled


class Evaluation:
    """One request before the expressions of one policy or webhook."""

    def __init__(self, values: Mapping[str, Json], variables: Mapping[str, Compiled] | None = None) -> None:
        self._values = values
        self._variables = variables or {}
        self._worked_out: dict[str, Json] = {}
        self._failed: dict[str, str] = {}
        self._sizes: dict[str, costs.Size] = {}
        self._budget = costs.BUDGET

    def value(self, compiled: Compiled) -> Json:
        """Return an expression's value; Failure where it has none."""
        if compiled.expression is None:
            raise Failure(f"compilation error: {compiled.error}")
        try:
            return self._evaluated(compiled.expression)
        except library.Error as error:
            raise Failure(f"expression '{compiled.source}' resulted in error: {error}") from None

    def _evaluated(self, expression: expressions.Expression) -> Json:
        for name in sorted(expression.variables):
            self._work_out(name)
        values = {**self._values, "variables": self._worked_out} if expression.variables else self._values
        self._spend(expression, values)
        try:
            return expression.evaluate(library.Activation(values))
        except library.Error as error:
            raise self._explained(error, expression) from None

    def _work_out(self, name: str) -> None:
        """Find a variable's value, or why it has none, once."""
        compiled = self._variables.get(name)
        if compiled is None or name in self._worked_out or name in self._failed:
            return
        if compiled.expression is None:
            self._failed[name] = compiled.error
            return
        try:
            self._worked_out[name] = library.returned(self._evaluated(compiled.expression))
        except library.TooCostly:
            raise
        except library.Error as error:
            self._failed[name] = str(error)

    def _explained(self, error: library.Error, expression: expressions.Expression) -> library.Error:
        """Return the error of a variable instead of that it is missing."""
        for name in expression.variables:
            if str(error) == f"no such key: {name}" and name in self._failed:
                return library.Error(f'composited variable "{name}" fails to evaluate: {self._failed[name]}')
        return error

    def _spend(self, expression: expressions.Expression, values: Mapping[str, Json]) -> None:
        units = expressions.EVALUATION
        if not expression.bound.is_harmless:
            units = expression.cost({name: self._size(name, values) for name in expression.names & set(values)})
        self._budget -= units
        if self._budget < 0:
            raise library.TooCostly(EXHAUSTED)

    def _size(self, name: str, values: Mapping[str, Json]) -> costs.Size:
        if name not in self._sizes or name == "variables":  # which grow
            self._sizes[name] = costs.measure(values[name])
        return self._sizes[name]


def holds(conditions: Sequence[Condition], evaluation: Evaluation) -> bool:
    """Say whether all match conditions hold: one that is false decides, else one that fails raises Failure."""
    failures: list[str] = []
    for condition in conditions:
        try:
            if evaluation.value(condition.compiled) is False:
                return False
        except Failure as failure:
            failures.append(str(failure))
    if failures:
        raise Failure(failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]")
    return True
