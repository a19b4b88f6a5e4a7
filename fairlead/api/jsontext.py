"""JSON texts that are kept: each in as many bytes as it has.

orjson leaves a text in the buffer that it was written into, which takes 4 kB at least and some thirty times a text's
length. What is sent at once and forgotten may stay so; what a cache holds is copied out of it.
"""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: Any, option: int = 0) -> bytes:
    """Return the JSON text of a value; options are orjson's."""
    return bytes(memoryview(orjson.dumps(value, option=option)))
