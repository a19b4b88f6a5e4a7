"""An API server in memory, and the client that may do everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver.server import ApiServer
from fairlead.testing import control


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server with the built-in objects."""
    async with control.memory_api(now=lambda: 1000.0) as made:
        yield made


@pytest.fixture
def admin(api: ApiServer) -> Any:
    """A client of system:masters."""
    return api.as_user(*control.ADMIN)
