"""Fixtures of the tests that need several machines: the lab of this checkout, brought up if it is not.

The files run in an order that goes from what leaves the cluster alone to what breaks it. What tests measure is
printed at the end of the run. Tests marked `full` run with `--full` only.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator

import pytest

from fairlead.client import kubeconfig
from labkit import layout
from tests.support import asking, figuring, journal, sessions
from tests.support import console as consoles
from tests.support import kubectl as programs
from tests.support import lab as labs

ORDER = (
    "main_job",
    "idle",
    "trust",
    "machines",
    "kubectl",
    "kubectl_work",
    "conformance",
    "node_faults",
    "node_death",
    "control_death",
    "footprint",
)
WHOLE_SECONDS = 60.0


_FIGURES = pytest.StashKey[figuring.Figures]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the option that asks for everything."""
    parser.addoption("--full", action="store_true", help="also the tests marked full")


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker, and begin with no figures."""
    config.addinivalue_line("markers", "full: runs with --full only")
    config.stash[_FIGURES] = figuring.Figures()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files in order, and leave out what was not asked for."""
    left_out = [item for item in items if item.get_closest_marker("full") and not config.getoption("--full")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted((item for item in items if item not in left_out), key=_place)


def _place(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    return ORDER.index(name) if name in ORDER else len(ORDER)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    noted = config.stash[_FIGURES].noted
    if noted:
        terminalreporter.section("measured on the lab")
    for figure in noted:
        terminalreporter.write_line(str(figure))


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> figuring.Figures:
    """Where measurements go."""
    return pytestconfig.stash[_FIGURES]


@pytest.fixture(scope="session")
def the_lab(figures: figuring.Figures) -> Iterator[labs.Lab]:
    """One lab for the whole run: the checkout's own, left up if it was up, taken down if it was not."""
    assert os.geteuid() == 0, "the lab's tests need root"
    was_there = layout.load(labs.CHECKOUT) is not None
    started = time.monotonic()
    done = subprocess.run([labs.LAB, "up"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = layout.load(labs.CHECKOUT)
    assert found is not None
    if not was_there:
        figures.note(f"deploy/lab up, {found.shape}, until the example answers", time.monotonic() - started)
    yield labs.Lab(found)
    if not was_there:
        subprocess.run([labs.LAB, "down"], stdin=subprocess.DEVNULL, capture_output=True, check=True)


@pytest.fixture
def lab(the_lab: labs.Lab) -> Iterator[labs.Lab]:
    """The lab, whole before each test and made whole after it."""
    the_lab.mend()
    yield the_lab
    the_lab.mend()


@pytest.fixture(scope="session")
def the_api(the_lab: labs.Lab) -> Iterator[asking.Api]:
    """The cluster's API, as administrator, for the whole run."""
    with asking.Api(kubeconfig.load(str(the_lab.kubeconfig))) as api:
        yield api


@pytest.fixture
def api(lab: labs.Lab, the_api: asking.Api) -> asking.Api:
    """The API of a cluster in which every node is ready and the example runs."""

    def probe() -> str:
        states = the_api.readiness()
        if set(states) != set(lab.nodes) or set(states.values()) != {"True"}:
            return f"nodes are {dict(states)}"
        return sessions.steady(lab, the_api)

    labs.wait_until(probe, WHOLE_SECONDS)
    return the_api


@pytest.fixture(scope="session")
def the_journal(the_api: asking.Api) -> Iterator[journal.Journal]:
    """A writer that goes on through all that tests do to the cluster; its objects are removed at the end."""
    with journal.Journal(the_api) as writer:
        yield writer
    writer.remove()


@pytest.fixture(scope="session")
def kubectl_cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where kubectl keeps what it has discovered: once for the run, as at a person's."""
    return tmp_path_factory.mktemp("kubectl-cache")


@pytest.fixture(scope="module")
def room(the_lab: labs.Lab, kubectl_cache: pathlib.Path) -> Iterator[consoles.Console]:
    """A namespace for kubectl to work in; it is deleted with all that a file's tests left there."""
    console = consoles.Console(programs.newest(), the_lab.kubeconfig, kubectl_cache, consoles.NAMESPACE)
    console("wait", "nodes", "--all", "--for=condition=Ready")
    console("create", "namespace", consoles.NAMESPACE)
    yield console
    console("delete", "namespace", consoles.NAMESPACE, "--timeout=60s")


@pytest.fixture(params=programs.every(), ids=str)
def kubectl(request: pytest.FixtureRequest, room: consoles.Console, lab: labs.Lab) -> consoles.Console:
    """Each kubectl that there is."""
    return dataclasses.replace(room, program=request.param)


@pytest.fixture
def newest(room: consoles.Console, lab: labs.Lab) -> consoles.Console:
    """The newest kubectl, where the version makes no difference."""
    return room
