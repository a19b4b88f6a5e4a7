"""The examples of testing with Fairlead, as its users would run them: with pytest, in a process of their own."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

from tests.support import kubectl

ROOT = pathlib.Path(__file__).parents[3]
EXAMPLES = ROOT / "deploy" / "examples" / "testing"


def test_every_example_passes(tmp_path: pathlib.Path) -> None:
    """Copied to where nothing else is: pytest finds the fixture through `pytest_plugins`, and kubectl on the path."""
    (tmp_path / "kubectl").symlink_to(kubectl.newest().program)
    environment = {**kubectl.environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    shutil.copytree(EXAMPLES, tmp_path / "testing")
    shutil.copy(EXAMPLES.parent / "web.yaml", tmp_path)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "testing"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(list(EXAMPLES.glob('test_*.py')))} passed" in done.stdout
