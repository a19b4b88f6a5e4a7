"""What a definition's rules may cost in all: Kubernetes' limits, and what it says of what exceeds them. Pure.

Source: Kubernetes' documentation, "Validation rules", resource use.
"""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.cel import estimates
from control.apiserver.structural.schema import Schema

RULE_LIMIT = 10_000_000
SCHEMA_LIMIT = 100_000_000
MOST_NAMED = 4  # rules that are named where all together cost too much
HINT = "try simplifying the rule, or adding maxItems, maxProperties, and maxLength"


class Budget:
    """What the rules of one schema cost together."""

    def __init__(self) -> None:
        self._total = 0
        self._dear: list[tuple[int, str]] = []

    def judge(self, path: str, what: str, cost: int) -> field.Faults:
        """Count the cost of an expression, and judge it."""
        self._total = min(estimates.MOST, self._total + cost)
        if cost >= SCHEMA_LIMIT // 100:
            self._dear.append((cost, path))
        return [field.forbidden(path, _exceeded(what, cost, RULE_LIMIT))] if cost > RULE_LIMIT else []

    def over(self, path: str) -> field.Faults:
        """Judge what all cost together, with the dearest first."""
        if self._total <= SCHEMA_LIMIT:
            return []
        named = sorted(self._dear, key=lambda each: -each[0])[:MOST_NAMED]
        text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        faults = [field.forbidden(at, text) for _, at in named]
        return [*faults, field.forbidden(path, _exceeded(what, self._total, SCHEMA_LIMIT))]


def _exceeded(what: str, cost: int, limit: int) -> str:
    times = cost / limit
    factor = "more than 100x" if times > 100 else f"{times:f}x" if times < 1.5 else f"{times:.1f}x"
    return f"{what} exceeds budget by factor of {factor} ({HINT} where arrays, maps, and strings are declared)"


def within(schema: Schema, times: int | None) -> int | None:
    """Return how often a part of what a schema describes can be there, if it is there `times`; None for no bound."""
    if schema.type == "array":
        most = schema.rules.get("maxItems")
    elif schema.type == "object" and (schema.additional is not None or schema.open):
        most = schema.rules.get("maxProperties")
    else:
        most = 1
    return None if times is None or most is None else estimates.times(times, max(0, int(most)))
