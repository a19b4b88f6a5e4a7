"""What a run of deploy/test consists of."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit import plan, runner

BIN = Path("/bin")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a few tests."""
    for name in (
        "tests/unit/api/test_codec.py",
        "tests/unit/proxy/test_rules.py",
        "tests/golden/test_proxy_texts.py",
        "tests/integration/test_store.py",
        "tests/bench/test_budgets.py",
        "tests/lab/test_proxy_from_hosts.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def paths(steps: list[plan.Step]) -> list[str]:
    """The folders and files that pytest is given."""
    return [word for step in steps for word in step.command if word.startswith("tests/")]


def test_a_plain_run_has_every_suite_but_the_long_ones(checkout: Path) -> None:
    """Benchmarks and long fault tests belong to --full."""
    assert paths(plan.suites(checkout, BIN, plan.Options())) == [
        "tests/unit",
        "tests/golden",
        "tests/integration",
    ]


def test_what_wants_the_machine_alone_says_so(checkout: Path) -> None:
    """Suites that change the machine, or measure it, have nothing beside them; those of the code share it."""
    steps = plan.suites(checkout, BIN, plan.Options(full=True))

    assert paths([step for step in steps if not step.alone]) == ["tests/unit", "tests/golden"]
    assert paths([step for step in steps if step.alone]) == ["tests/integration", "tests/bench"]


def test_a_full_run_has_the_benchmarks_too(checkout: Path) -> None:
    """--full adds what takes long."""
    assert "tests/bench" in paths(plan.suites(checkout, BIN, plan.Options(full=True)))
    assert "--full" in plan.lab_suite(checkout, BIN, plan.Options(full=True))[0].command
    assert "--full" not in plan.lab_suite(checkout, BIN, plan.Options())[0].command


def test_what_a_run_measured_is_found_in_its_output() -> None:
    """The figures stand in a section of their own, between pytest's other sections."""
    output = "..\n=== measured on the lab ===\ntakeover  5.1 s  limit 8 s\n=== slowest durations ===\n1 passed\n"

    assert runner.measured(output) == ["takeover  5.1 s  limit 8 s"]
    assert runner.measured("1 passed\n") == []


def test_one_room_has_its_folder_and_the_files_with_its_name(checkout: Path) -> None:
    """--only ROOM finds a room's tests in every suite."""
    options = plan.Options(only="proxy")

    found = paths(plan.suites(checkout, BIN, options)) + paths(plan.lab_suite(checkout, BIN, options))

    assert found == [
        "tests/unit/proxy",
        "tests/golden/test_proxy_texts.py",
        "tests/lab/test_proxy_from_hosts.py",
    ]


@pytest.mark.parametrize(("room", "want"), [("lab", ["tests/lab"]), ("nowhere", [])])
def test_a_suite_is_a_room_of_its_own_and_what_is_none_has_no_tests(
    checkout: Path, room: str, want: list[str]
) -> None:
    """The lab has no folder of its own name."""
    options = plan.Options(only=room)

    assert paths(plan.suites(checkout, BIN, options)) + paths(plan.lab_suite(checkout, BIN, options)) == want


def test_no_lab_leaves_the_machines_out(checkout: Path) -> None:
    """--no-lab boots nothing."""
    assert plan.lab_suite(checkout, BIN, plan.Options(lab=False)) == []
