"""Expressions that are checked, bounded and ready to run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.apiserver.cel import costs, library, trees

EVALUATION = 1000.0  # units that any evaluation takes: what stands around it
LIMIT_EXCEEDED = "operation cancelled: actual cost limit exceeded"


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression; `names` are all that it mentions, `type` is what the checker says it is.

    `variables` are the parts of a policy's `variables` that it reads.
    """

    program: library.Program
    bound: costs.Bound
    type: str
    names: frozenset[str]
    variables: frozenset[str] = frozenset()

    def evaluate(self, given: library.Activation) -> Any:
        """Return the value; library.Error where there is none."""
        return self.program.evaluate(given)

    def cost(self, sizes: Mapping[str, costs.Size]) -> float:
        """Return the most units that an evaluation takes; library.TooCostly where that is more than one may."""
        units = self.bound.of(sizes)[0]
        if units > costs.CALL_LIMIT:
            raise library.TooCostly(LIMIT_EXCEEDED)
        return units + EVALUATION


def compiled(source: str, checker: library.Checker) -> Expression:
    """Return a compiled expression; library.CompileError where it cannot be one."""
    checked = checker.check(source)
    bound, names = costs.Bound(checked.tree), trees.names(checked.tree)
    return Expression(library.Program(source), bound, checked.type, names, trees.parts_of(checked.tree, "variables"))
