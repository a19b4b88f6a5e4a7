"""The two virtual environments of a lab, and the generated messages both use.

`.venv` in the checkout is the outer machine's: clients and tests run from it, and it generates the messages.
The hosts' own is made with the base's Python from the same packages, kept in the machine's cache under a name
that base and dependencies determine, and bound read-only into each host. The checkout itself is bound in too,
so that restarting a unit runs the code as it is now.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from labkit import base as bases
from labkit import layout, shell

BASE_PYTHON = (3, 11)
SECONDS = 45
RECIPE = "2"

_LAUNCHER = """\
#!/opt/fairlead-venv/bin/python
import sys

from {module} import {function}

sys.exit({function}())
"""


def project(checkout: Path) -> dict[str, object]:
    """The checkout's pyproject.toml."""
    return tomllib.loads((checkout / "pyproject.toml").read_text())


def requirements(checkout: Path) -> list[str]:
    """What Fairlead needs to run, as pyproject.toml says."""
    table = project(checkout)["project"]
    assert isinstance(table, dict)
    return [str(line) for line in table["dependencies"]]


def generator_requirements(checkout: Path) -> list[str]:
    """What generating the messages needs, as pyproject.toml says."""
    table = project(checkout)["build-system"]
    assert isinstance(table, dict)
    return [str(line) for line in table["requires"]]


def outer(checkout: Path) -> Path:
    """The virtual environment of the outer machine."""
    return checkout / ".venv"


def outer_key(checkout: Path, extras: Sequence[str]) -> str:
    """What the outer environment holds when it is up to date."""
    table = project(checkout)["project"]
    assert isinstance(table, dict)
    optional = {extra: table["optional-dependencies"][extra] for extra in sorted(extras)}
    parts = [RECIPE, requirements(checkout), generator_requirements(checkout), _scripts(checkout), optional]
    return hashlib.sha256(json.dumps([*parts, sys.version_info[:2]]).encode()).hexdigest()


def outer_is_ready(checkout: Path, extras: Sequence[str] = ()) -> bool:
    """Tell whether .venv has what this checkout needs."""
    marks = _marks(checkout)
    return outer_key(checkout, extras) in marks


def ensure_outer(checkout: Path, log: Path, extras: Sequence[str] = ()) -> None:
    """Make .venv with the project in it unless it is there; generate the messages if they are stale."""
    venv = outer(checkout)
    if not outer_is_ready(checkout, extras):
        if not (venv / "bin" / "pip").exists():
            shell.run_logged((sys.executable, "-m", "venv", str(venv)), log)
        pip = (str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check")
        shell.run_logged((*pip, *generator_requirements(checkout)), log)
        wanted = f"{checkout}[{','.join(extras)}]" if extras else str(checkout)
        # the build's own requirements are there already: no second copy of them in an isolated environment
        shell.run_logged((*pip, "--no-build-isolation", "--editable", wanted), log, cwd=checkout)
        marks = _marks(checkout) | {outer_key(checkout, extras), outer_key(checkout, ())}
        (venv / "fairlead.json").write_text(json.dumps(sorted(marks)))
    generate(checkout, log)


def generate(checkout: Path, log: Path) -> None:
    """Generate the messages unless those there were made from the .proto files as they are."""
    sources = sorted((checkout / "proto").glob("fairlead/api/pb/*.proto"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    try:
        made = json.loads((checkout / "fairlead/api/pb/generated.json").read_text())["proto_sha256"]
    except (FileNotFoundError, ValueError, KeyError):
        made = ""
    if made != digest:
        shell.run_logged((str(outer(checkout) / "bin" / "python"), "setup.py", "-q", "generate"), log, cwd=checkout)


def hosts_path(checkout: Path) -> Path:
    """Where the hosts' virtual environment lies, made or not."""
    recipe = "\n".join(
        (RECIPE, bases.RELEASE, os.uname().machine, *requirements(checkout), json.dumps(_scripts(checkout)))
    )
    return layout.CACHE / f"venv-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def ensure_hosts(checkout: Path, base: Path, log: Path) -> Path:
    """Make the hosts' virtual environment unless it is there. Needs .venv, whose pip fetches the packages."""
    target = hosts_path(checkout)
    with shell.locked(layout.CACHE / "venv.lock"):
        if not target.is_dir():
            for leftover in layout.CACHE.glob("venv-*.new"):
                shutil.rmtree(leftover)
            _make_hosts(checkout, base, target, log)
    return target


def _make_hosts(checkout: Path, base: Path, target: Path, log: Path) -> None:
    """Fetch the packages with the outer machine's pip, then install them with the base's Python."""
    fresh = target.with_name(target.name + ".new")
    wheels = fresh.with_name("wheels-" + fresh.name)
    try:
        fresh.mkdir()
        wheels.mkdir(exist_ok=True)
        pip = str(outer(checkout) / "bin" / "pip")
        wanted = requirements(checkout)
        if sys.version_info[:2] == BASE_PYTHON:
            shell.run_logged((pip, "wheel", "--quiet", "--wheel-dir", str(wheels), *wanted), log)
        else:
            foreign = ("--python-version", "{}.{}".format(*BASE_PYTHON), "--only-binary=:all:")
            shell.run_logged((pip, "download", "--quiet", "--dest", str(wheels), *foreign, *wanted), log)
        binds = {fresh: "/opt/fairlead-venv", wheels: "/tmp/wheels"}
        bases.inside(base, ("python3", "-m", "venv", "/opt/fairlead-venv"), binds)
        install = (
            "/opt/fairlead-venv/bin/pip",
            "install",
            "--quiet",
            "--no-index",
            "--find-links",
            "/tmp/wheels",
        )
        bases.inside(base, (*install, *wanted), binds)
        _link_project(checkout, fresh)
        fresh.rename(target)
    finally:
        with shell.interruptions_ignored():
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(wheels, ignore_errors=True)


def _link_project(checkout: Path, venv: Path) -> None:
    """Make the bound-in checkout importable and its programs callable, as an installation would."""
    site = next((venv / "lib").glob("python3*/site-packages"))
    (site / "fairlead-checkout.pth").write_text("/opt/fairlead\n")
    for name, entry in _scripts(checkout).items():
        module, function = entry.split(":")
        script = venv / "bin" / name
        script.write_text(_LAUNCHER.format(module=module, function=function))
        script.chmod(0o755)


def precompile(checkout: Path, base: Path, venv: Path) -> None:
    """Compile the checkout's modules with the base's Python, as the hosts cannot write what they compile."""
    binds = {checkout: "/opt/fairlead", venv: "/opt/fairlead-venv"}
    packages = tuple(
        f"/opt/fairlead/{name}" for name in ("fairlead", "control", "node") if (checkout / name).is_dir()
    )
    bases.inside(base, ("/opt/fairlead-venv/bin/python", "-m", "compileall", "-q", "-j2", *packages), binds)


def _scripts(checkout: Path) -> dict[str, str]:
    """The programs that pyproject.toml names."""
    table = project(checkout)["project"]
    assert isinstance(table, dict)
    return {str(name): str(entry) for name, entry in table.get("scripts", {}).items()}


def _marks(checkout: Path) -> set[str]:
    """The states that .venv has been brought to."""
    try:
        return set(json.loads((outer(checkout) / "fairlead.json").read_text()))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return set()
