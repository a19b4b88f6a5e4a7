"""Which checks and test suites a run of `deploy/test` consists of. Pure: options in, steps out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

# what tests use of the machine: program -> Debian package that has it
TOOLS = {
    "etcd": "etcd-server",
    "etcdctl": "etcd-client",
    "gcc": "gcc",
    "iptables": "iptables",
    "podman": "podman",
    "crun": "crun",
    "runc": "runc",
    "conmon": "conmon",
    "buildah": "buildah",
    "busybox": "busybox-static",
    "shellcheck": "shellcheck",
    "systemd-analyze": "systemd",
    "ip": "iproute2",
    "curl": "curl",
    "vagrant": "vagrant",
}
# what no program on the path shows: file -> Debian package that has it
FILES = {"/usr/share/rubygems-integration/all/specifications/vagrant-libvirt-*.gemspec": "vagrant-libvirt"}
# suites that may run beside others: those of a row are one run, and the longest comes first
SHARING = (("tests/fuzz", "tests/clients"), ("tests/unit", "tests/contract", "tests/golden"))
# suites that make namespaces, mounts and rules, or measure: nothing runs beside them
ALONE = ("tests/integration",)
ALONE_IN_FULL = ("tests/faults", "tests/bench")
# what tests/fuzz reads: how many times as much it tries in a full run
FULL_ENVIRONMENT = (("FUZZ_TIMES", "20"),)
LAB_SUITE = "tests/lab"
PACKAGES = ("fairlead", "control", "node")
TOOL_PACKAGES = ("labkit", "testkit")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    only: str | None = None
    lab: bool = True
    full: bool = False
    vagrant: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One command: a check that passes or fails as a whole, or a pytest run that counts its tests.

    Steps may run beside each other unless they are to be `alone`.
    """

    name: str
    command: tuple[str, ...]
    is_pytest: bool = False
    alone: bool = False
    environment: tuple[tuple[str, str], ...] = ()


def checks(checkout: Path, bin_folder: Path) -> list[Step]:
    """The checks that run nothing: style, types, import contracts, shell scripts."""
    shell_files = tuple(str(path.relative_to(checkout)) for path in shell_scripts(checkout))
    present = [name for name in PACKAGES if (checkout / name).is_dir()]
    return [
        Step("ruff check", (str(bin_folder / "ruff"), "check", "--quiet", ".")),
        Step("shellcheck", ("shellcheck", *shell_files)),
        Step("lint-imports", (str(bin_folder / "lint-imports"), "--no-cache")),
        Step("mypy", (str(bin_folder / "mypy"), *present)),
        Step(
            "mypy deploy",
            (str(bin_folder / "mypy"), *(word for name in TOOL_PACKAGES for word in ("-p", name))),
            environment=(("MYPYPATH", "deploy"),),
        ),
    ]


def suites(checkout: Path, bin_folder: Path, options: Options) -> list[Step]:
    """The pytest runs that need no lab."""
    machine = ALONE + (ALONE_IN_FULL if options.full else ())
    rows: list[tuple[tuple[str, ...], bool]] = [*((row, False) for row in SHARING), (machine, True)]
    environment = FULL_ENVIRONMENT if options.full else ()
    steps = []
    for folders, alone in rows:
        if options.only:
            paths = [path for name in folders for path in _of_room(checkout, name, options.only)]
        else:
            paths = [name for name in folders if has_tests(checkout / name)]
        if paths:
            step = pytest(bin_folder, " ".join(paths), paths)
            steps.append(dataclasses.replace(step, alone=alone, environment=environment))
    return steps


def lab_suite(checkout: Path, bin_folder: Path, options: Options) -> list[Step]:
    """The pytest run on the lab, or none."""
    if not options.lab or not has_tests(checkout / LAB_SUITE):
        return []
    paths = _of_room(checkout, LAB_SUITE, options.only) if options.only else [LAB_SUITE]
    more = ["--full"] if options.full else []
    return [pytest(bin_folder, LAB_SUITE, paths, "--timeout=600", *more)] if paths else []


def pytest(bin_folder: Path, name: str, paths: Sequence[str], *more: str) -> Step:
    """A pytest run over some paths."""
    command = (str(bin_folder / "python"), "-m", "pytest", "-q", "--durations=5", *more, *paths)
    return Step(f"pytest {name}", command, is_pytest=True)


def has_tests(folder: Path) -> bool:
    """Tell whether a folder has tests."""
    return bool(list(folder.rglob("test_*.py")))


def shell_scripts(checkout: Path) -> list[Path]:
    """Every shell script of the project, found by its first line."""
    found = []
    for folder in ("deploy", ".ci"):
        for path in sorted((checkout / folder).rglob("*")):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                with path.open("rb") as file:
                    first = file.readline()
                if first.startswith(b"#!") and first.rstrip().endswith((b"sh", b"bash")):
                    found.append(path)
    return found


def _of_room(checkout: Path, suite: str, room: str) -> list[str]:
    """A suite's tests of one room: all if it has the room's name, else its folder, or files that have its name."""
    if suite == f"tests/{room}":
        return [suite] if has_tests(checkout / suite) else []
    folder = checkout / suite / room
    if folder.is_dir():
        return [f"{suite}/{room}"]
    return sorted(str(path.relative_to(checkout)) for path in (checkout / suite).rglob(f"test_{room}*.py"))
