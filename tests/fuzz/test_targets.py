"""Each fuzz target withstands what hypothesis makes of its seeds, and in a full run what atheris finds."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import platform

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.fuzz import __main__ as searching
from tests.fuzz import requests

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
TARGETS = searching.every()
EXAMPLES = 60
SEARCH_SECONDS = 20
# where atheris has wheels
PLATFORM = "x86_64"

pytestmark = pytest.mark.timeout(60 + 60 * TIMES)


def inputs(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return any bytes, and seeds with a few bytes changed, cut or added."""
    good = st.sampled_from([seed for seed in seeds if seed] or [b"\0"])
    return st.one_of(st.binary(max_size=100), st.text(max_size=60).map(str.encode), good.flatmap(requests.flipped))


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_withstands_any_bytes(name: str) -> None:
    """Seeds are taken; what becomes of them is read or refused with a documented error."""
    target = TARGETS[name]
    seeds = list(target.seeds())

    @hypothesis.settings(max_examples=EXAMPLES * TIMES, deadline=None, database=None, derandomize=TIMES == 1)
    @hypothesis.given(inputs(seeds))
    def search(data: bytes) -> None:
        target.run(data)

    for seed in seeds:
        target.run(seed)
    search()


@pytest.mark.full
@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_withstands_a_search_for_its_branches(name: str, tmp_path: pathlib.Path) -> None:
    """atheris follows the branches of our code; `pip install -e .[fuzz]` installs it."""
    if importlib.util.find_spec("atheris") is None and platform.machine() != PLATFORM:
        pytest.skip(f"needs atheris, which has wheels for {PLATFORM} alone")
    assert searching.search(name, SEARCH_SECONDS, tmp_path) == 0
