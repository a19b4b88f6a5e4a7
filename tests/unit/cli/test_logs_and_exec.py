"""`logs` and `exec`: which container is meant, and what passes through."""

from __future__ import annotations

from tests.support import served
from tests.unit.cli import objects as made


def test_a_log_is_printed_as_it_is(plane: served.Plane) -> None:
    """With the options that the server is asked for."""
    made.pod(plane, "web-1", "web", "side")
    plane.relay.lines["web-1", "side"] = ["one", "two", "three"]

    text = plane.out(
        "logs", "web-1", "-c", "side", "--tail", "2", "--since", "5m", "--timestamps", "--limit-bytes", "9"
    )

    (asked,) = plane.relay.asked
    assert text == "two\nthree\n"
    assert (asked.container, asked.tailLines, asked.sinceSeconds, asked.timestamps, asked.limitBytes) == (
        "side", 2, 300, True, 9,
    )  # fmt: skip


def test_the_log_of_the_last_instance(plane: served.Plane) -> None:
    """-p; where there was none the server's words are shown."""
    made.pod(plane, "web-1")
    plane.relay.lines["web-1", "", "-p"] = ["the end"]

    missing = plane.cli("logs", "web-1", "web", "-p")

    assert plane.out("logs", "-p", "web-1") == "the end\n"
    assert (missing.exit_code, missing.stderr) == (
        1,
        'Error from server (BadRequest): previous terminated container "web" in pod "web-1" not found\n',
    )


def test_a_workload_stands_for_its_best_pod(plane: served.Plane) -> None:
    """The one that is ready; which one is said on standard error."""
    made.deployment(plane, "web", 2)
    made.pod(plane, "web-b", app="web")
    made.pod(plane, "web-a", app="web")
    plane.out("delete", "pod", "web-a", "--no-wait")
    plane.relay.lines["web-b", ""] = ["hello"]

    result = plane.cli("logs", "deploy/web")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "hello\n", "Found 2 pods, using pod/web-b\n")


def test_a_workload_without_pods_has_no_log(plane: served.Plane) -> None:
    """One line says so."""
    made.deployment(plane, "web", 2)

    result = plane.cli("logs", "deploy/web")

    assert (result.exit_code, result.output) == (
        1,
        "Error from server (NotFound): deploy/web: no pods match its selector\n",
    )


def test_a_command_in_a_container(plane: served.Plane) -> None:
    """Both output streams pass, its options are its own."""
    made.pod(plane, "web-1")

    result = plane.cli("exec", "web-1", "-c", "web", "--", "ls", "-l", "/")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "ls -l /\n", "to the error stream\n")


def test_a_command_gets_standard_input(plane: served.Plane) -> None:
    """-i: to its end."""
    made.pod(plane, "web-1")

    code, out, _ = plane.start("exec", "-i", "web-1", "--", "cat").end("some input\n")

    assert (code, out) == (0, "cat\nsome input\n")


def test_a_commands_exit_code_is_ours(plane: served.Plane) -> None:
    """So that scripts can ask."""
    made.pod(plane, "web-1")

    assert plane.cli("exec", "web-1", "--", "false").exit_code == 1
