"""No object, however odd, breaks a strategy: it is judged, or let pass, without an exception."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.validation import meta
from fairlead.api import codec
from tests.unit.api import test_round_trips
from tests.unit.apiserver import judging

SEEDS = 60


def odd(kind: str, seed: int) -> Any:
    """Return an object with something in every field, of a generation that can still be counted."""
    message = judging.STRATEGIES[kind].message
    made = test_round_trips.made(message.DESCRIPTOR.full_name, seed)
    obj: Any = codec.from_json(codec.to_json(made), message)
    obj.metadata.generation = 1
    return obj


@pytest.mark.parametrize("kind", judging.STRATEGIES)
def test_an_odd_object_is_judged(kind: str) -> None:
    """As a creation, an update and, where there is one, a status."""
    strategy = judging.STRATEGIES[kind]
    for seed in range(SEEDS):
        obj, old = odd(kind, seed), odd(kind, seed + 1000)
        strategy.default(obj)
        strategy.default(old)
        strategy.prepare_for_create(obj)
        meta.validate(obj.metadata, strategy.kind.namespaced, strategy.name_rule)
        assert isinstance(list(strategy.validate(obj)), list)
        strategy.prepare_for_update(obj, old)
        assert isinstance(list(strategy.validate_update(obj, old)), list)
        if "status" in strategy.kind.subresources:
            fresh = odd(kind, seed)
            strategy.prepare_for_status_update(fresh, old)
            assert isinstance(list(strategy.validate_status_update(fresh, old)), list)
