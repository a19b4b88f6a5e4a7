"""Unmodified clients against a whole cluster: real kubectl, and what else people use. As new for each test.

Debian's kubectl is 1.20; where the machine has a newer one, every test of kubectl runs with both. The cluster serves
what older clients ask for (apiCompat); its containers only pretend: what they must really do is in tests/lab.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import kubernetes
import orjson
import pytest
import yaml

from fairlead.testing import cluster as testing
from tests.clients.whole import manifests
from tests.support import kubectl as programs

NEWER_MINOR = 30  # from here on kubectl behaves as 1.32's in all that these tests do


@pytest.fixture(scope="session")
def running() -> Iterator[testing.Threaded]:
    """One cluster for the whole run, with two nodes."""
    with testing.in_thread(testing.Settings(nodes=2, config={"apiCompat": "1.20"})) as made:
        yield made


@pytest.fixture
def cluster(running: testing.Threaded) -> Iterator[testing.Threaded]:
    """The cluster, taken back to its beginning after the test."""
    yield running
    running.reset()


@dataclass(frozen=True)
class Kubectl:
    """A kubectl that is connected to the cluster; what it has learnt of the API it keeps in `cache`."""

    program: programs.Kubectl
    kubeconfig: pathlib.Path
    cache: pathlib.Path

    @property
    def old(self) -> bool:
        """Whether this is Debian 12's 1.20 rather than one that is about as new as the API."""
        return self.program.minor < NEWER_MINOR

    def command(self, *words: str) -> list[str]:
        """Return a command line for those who run it themselves."""
        return self.program.command(self.kubeconfig, self.cache, *words)

    def run(self, *words: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end, with more in its environment if named."""
        return programs.ended(self.command(*words), stdin, {**programs.environment(), **env})

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Run a command line that must succeed and return what it prints."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *words: str, stdin: str | None = None) -> str:
        """Run a command line that must fail and return its error."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(words)} succeeded: {done.stdout}"
        return done.stderr

    def json(self, *words: str) -> Any:
        """Run a command line that prints JSON and return it parsed."""
        return orjson.loads(self(*words, "-o", "json"))

    def rows(self, *words: str) -> list[list[str]]:
        """Run a command line that prints a table and return its rows, each cut where two spaces or more are."""
        return [re.split(r" {2,}", line.rstrip()) for line in self(*words).splitlines()]

    def until(self, *words: str, says: str) -> None:
        """Run a command line again and again until it prints a text."""
        end = time.monotonic() + programs.CALL_SECONDS
        while (said := self(*words)) != says:
            assert time.monotonic() < end, f"kubectl {' '.join(words)} still says {said!r}, not {says!r}"

    @contextlib.contextmanager
    def following(self, *words: str, errors: bool = False) -> Iterator[Callable[[], str]]:
        """Run a command line that goes on for the time of the block; yields what reads its next line.

        With `errors` that is also what it says on its standard error.
        """
        process = subprocess.Popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else None,
            text=True,
            env=programs.environment(),
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline
        finally:
            process.terminate()
            process.wait(programs.CALL_SECONDS)
            process.stdout.close()


@pytest.fixture(scope="session")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where each kubectl keeps what it has learnt of the API."""
    return tmp_path_factory.mktemp("discovered")


@pytest.fixture(params=programs.every(), ids=str)
def kubectl(
    request: pytest.FixtureRequest, cluster: testing.Threaded, discovered: pathlib.Path, tmp_path: pathlib.Path
) -> Kubectl:
    """Each kubectl that there is, as administrator. A test that defines kinds begins with knowing nothing."""
    kept = tmp_path if "define" in request.fixturenames else discovered
    return Kubectl(request.param, cluster.kubeconfig, kept / str(request.param))


@pytest.fixture
def apply(kubectl: Kubectl) -> Callable[[str], str]:
    """Apply a manifest that is given as text."""
    return lambda manifest: kubectl("apply", "-f", "-", stdin=manifest)


@pytest.fixture
def boats(kubectl: Kubectl, define: Callable[[str], None]) -> None:
    """A custom kind with a schema."""
    define(manifests.BOATS)


@pytest.fixture
def editor(tmp_path: pathlib.Path) -> Callable[[str], str]:
    """Make a KUBE_EDITOR that runs a sed script; what it was shown last lies in `seen` beside it."""

    def made(script: str) -> str:
        program = tmp_path / "editor"
        program.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/seen\nsed -i -e \'{script}\' "$1"\n')
        program.chmod(0o755)
        return str(program)

    return made


@pytest.fixture
def python(cluster: testing.Threaded) -> Iterator[kubernetes.client.ApiClient]:
    """The official Python client, as administrator."""
    with kubernetes.config.new_client_from_config(str(cluster.kubeconfig)) as made:
        yield made


@pytest.fixture
def define(python: kubernetes.client.ApiClient) -> Callable[[str], None]:
    """Create the CustomResourceDefinition that is given as text, and wait until it is served."""
    extensions = kubernetes.client.ApiextensionsV1Api(python)

    def established(definition: Any) -> bool:
        conditions = (definition.status and definition.status.conditions) or ()
        return any((each.type, each.status) == ("Established", "True") for each in conditions)

    def made(text: str) -> None:
        name = extensions.create_custom_resource_definition(yaml.safe_load(text)).metadata.name
        for event in kubernetes.watch.Watch().stream(
            extensions.list_custom_resource_definition, field_selector=f"metadata.name={name}", timeout_seconds=30
        ):
            if established(event["object"]):
                return
        raise AssertionError(f"{name} is not served")

    return made
