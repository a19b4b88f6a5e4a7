"""Real kubectl for tests: Debian's, and the newest that the machine has.

    for client in kubectl.every(): client.out(kubeconfig, "get", "pods")

`deploy/test` fetches Debian's. A newer one is whatever FAIRLEAD_KUBECTL names or stands on the path.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from testkit import clients

CALL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One kubectl: its program and its minor version (20 for v1.20.2)."""

    program: pathlib.Path
    minor: int

    def run(
        self, kubeconfig: pathlib.Path, *words: str, stdin: str | None = None, seconds: float = CALL_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end; its cache of discovery is its own."""
        with tempfile.TemporaryDirectory(prefix="fairlead-kubectl-") as cache:
            return ended(self.command(kubeconfig, pathlib.Path(cache), *words), stdin, environment(), seconds)

    def command(self, kubeconfig: pathlib.Path, cache: pathlib.Path, *words: str) -> list[str]:
        """Return a command line for those who run it themselves."""
        return [str(self.program), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}", *words]

    def out(self, kubeconfig: pathlib.Path, *words: str, stdin: str | None = None) -> str:
        """Run a command line that must succeed and return what it prints."""
        done = self.run(kubeconfig, *words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def __str__(self) -> str:
        return f"kubectl-1.{self.minor}"


def ended(
    command: list[str], stdin: str | None, env: dict[str, str], seconds: float = CALL_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end; without `stdin` its input is empty."""
    return subprocess.run(
        command,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=env,
    )


def environment() -> dict[str, str]:
    """Return this process' environment without a proxy or a kubeconfig of the person who runs the tests.

    A kubectl that lives for a moment does not collect garbage: that costs a quarter of its time.
    """
    left_out = {"KUBECONFIG", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | {"GOGC": "off"}


def old() -> Kubectl:
    """Return Debian's kubectl."""
    program = clients.KUBECTL / "usr" / "bin" / "kubectl"
    assert program.exists(), f"{program} is missing: deploy/test fetches it"
    return Kubectl(program, _minor(program))


def every() -> list[Kubectl]:
    """Return Debian's kubectl and, where the machine has a newer one, that too."""
    found = [old()]
    named = os.environ.get("FAIRLEAD_KUBECTL") or shutil.which("kubectl")
    if named and (minor := _minor(pathlib.Path(named))) > found[0].minor:
        found.append(Kubectl(pathlib.Path(named), minor))
    return found


def newest() -> Kubectl:
    """Return the newest kubectl that there is."""
    return every()[-1]


def _minor(program: pathlib.Path) -> int:
    told = subprocess.run(
        [program, "version", "--client", "-o", "json"], capture_output=True, text=True, check=True, env=environment()
    )
    return int(json.loads(told.stdout)["clientVersion"]["minor"].rstrip("+"))
