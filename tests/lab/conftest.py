"""Fixtures of the tests that need several machines: the lab of this checkout, brought up if it is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from labkit import layout
from tests.support import lab as labs


@pytest.fixture(scope="session")
def the_lab() -> Iterator[labs.Lab]:
    """One lab for the whole run: the checkout's own, left up if it was up, taken down if it was not."""
    assert os.geteuid() == 0, "the lab's tests need root"
    was_there = layout.load(labs.CHECKOUT) is not None
    done = subprocess.run([labs.LAB, "up"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = layout.load(labs.CHECKOUT)
    assert found is not None
    yield labs.Lab(found)
    if not was_there:
        subprocess.run([labs.LAB, "down"], stdin=subprocess.DEVNULL, capture_output=True, check=True)


@pytest.fixture
def lab(the_lab: labs.Lab) -> Iterator[labs.Lab]:
    """The lab, whole before each test and made whole after it."""
    the_lab.mend()
    yield the_lab
    the_lab.mend()
