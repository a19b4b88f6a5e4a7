"""JSON texts that are kept."""

from __future__ import annotations

import tracemalloc

import orjson

from fairlead.api import jsontext


def test_a_text_that_is_kept_takes_little_more_memory_than_it_has_bytes() -> None:
    """Numbers are what orjson makes most room for."""
    value = {"numbers": list(range(500))}

    tracemalloc.start()
    kept = [jsontext.dumps(value) for _ in range(50)]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept[0] == orjson.dumps(value)
    assert used < 2 * sum(map(len, kept))


def test_options_are_orjsons() -> None:
    """Such as sorted keys."""
    assert jsontext.dumps({"b": 1, "a": 2}, orjson.OPT_SORT_KEYS) == b'{"a":2,"b":1}'
