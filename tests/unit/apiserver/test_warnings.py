"""Warnings to the caller of a request."""

from __future__ import annotations

import asyncio

import pytest

from control.apiserver import warnings


async def test_warnings_reach_the_request_that_they_belong_to() -> None:
    """Requests at the same time keep theirs apart; a text is said once; outside of a request nothing is kept."""

    async def request(name: str) -> list[str]:
        with warnings.collected() as found:
            warnings.add(name)
            await asyncio.sleep(0)
            warnings.add(name)
            warnings.add("deprecated")
        return found

    warnings.add("nobody hears this")

    assert await asyncio.gather(request("a"), request("b")) == [["a", "deprecated"], ["b", "deprecated"]]


@pytest.mark.parametrize(
    ("lengths", "told"),
    [
        ([4000, 96], [4000, 96]),
        ([4000, 97], [256, 97]),
        ([1_000_000], [256]),
        ([256] * 17, [256] * 16),
        ([1] * 4097, [1] * 4096),
    ],
)
def test_what_is_much_together_is_cut(lengths: list[int], told: list[int]) -> None:
    """As Kubernetes cuts: each text to 256 characters once all are more than 4,096, and no more than these."""
    assert [len(text) for text in warnings.fitting(["x" * length for length in lengths])] == told
