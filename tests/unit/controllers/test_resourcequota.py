"""When the quota controller believes its count: at once what is more, what is less once all is quiet."""

from __future__ import annotations

import pytest

from control.controllers import resourcequota
from fairlead.api import quantity, quotas
from fairlead.api.pb import core_v1_pb2 as corev1


def quota(hard: dict[str, str], status_hard: dict[str, str], used: dict[str, str]) -> corev1.ResourceQuota:
    """Return a quota with its status."""
    made = corev1.ResourceQuota()
    for amounts, target in ((hard, made.spec.hard), (status_hard, made.status.hard), (used, made.status.used)):
        quantity.write({name: quantity.parse(each) for name, each in amounts.items()}, target)
    return made


TEN = {"pods": "10"}


@pytest.mark.parametrize(
    ("found", "counted", "quiet", "want"),
    [
        (quota(TEN, {}, {}), "3", 0.0, ("pods=3", None)),  # new: taken over at once
        (quota(TEN, TEN, {"pods": "3"}), "3", 9.0, (None, None)),
        (quota(TEN, TEN, {"pods": "3"}), "5", 0.0, ("pods=5", None)),  # more than charged: at once
        (quota(TEN, TEN, {"pods": "3"}), "2", 0.25, (None, 0.75)),  # less: an object may be on its way
        (quota(TEN, TEN, {"pods": "3"}), "2", 1.0, ("pods=2", None)),
        (
            quota({"pods": "20"}, TEN, {"pods": "3"}),
            "2",
            0.25,
            ("pods=3", 0.75),
        ),  # a new limit at once, the count later
        (quota(TEN, {"pods": "10", "secrets": "1"}, {"pods": "2", "secrets": "0"}), "2", 0.0, ("pods=2", None)),
    ],
)
def test_decide(
    found: corev1.ResourceQuota, counted: str, quiet: float, want: tuple[str | None, float | None]
) -> None:
    """What is written as used, and when to look again."""
    used, again = resourcequota.decide(found, {"pods": quantity.parse(counted)}, quiet)

    assert (None if used is None else quotas.shown(used, used), again) == want
