"""Warnings to the caller of a request."""

from __future__ import annotations

import asyncio

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
