"""Connections: what a user is told when there is none."""

from __future__ import annotations

import pathlib
import time

import click
import click.testing
import pytest
import yaml

from control import config as configs
from fairlead.cli import __main__ as program
from fairlead.cli import session
from tests.support import served
from tests.unit.cli import objects as made

ANSWER_SECONDS = 10.0


def run(*words: str) -> click.testing.Result:
    """Run a command line."""
    return click.testing.CliRunner().invoke(program.main, words, catch_exceptions=False)


def test_a_missing_kubeconfig_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the ways to name another."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))

    result = run("get", "pods")

    assert (result.exit_code, result.output) == (
        1,
        f"error: {tmp_path}/nothing: No such file or directory; name a kubeconfig with --kubeconfig or KUBECONFIG\n",
    )


def test_an_unreachable_server_is_named_within_seconds(certificates: configs.Config, tmp_path: pathlib.Path) -> None:
    """Its address, what happened, and which file the address is from; a refused connection and a silent host."""
    with served.silent_host() as port:
        for closed_port, why in ((1, "connection refused"), (port, "")):
            text = (certificates.pki.parent / "admin.conf").read_text().replace(":7443", f":{closed_port}")
            (tmp_path / "conf").write_text(text)
            began = time.monotonic()

            result = run("get", "pods", "--kubeconfig", str(tmp_path / "conf"))

            assert time.monotonic() - began < ANSWER_SECONDS
            assert result.exit_code == 1
            assert result.stderr.startswith(f"error: no control process answers: 127.0.0.1:{closed_port}: {why}")
            assert result.stderr.endswith(f"(the address is from {tmp_path}/conf; is the cluster running?)\n")


def test_following_outlives_a_restart_of_the_server(plane: served.Plane) -> None:
    """A watch and a wait go on where they were; what happened meanwhile is not missed."""
    made.pod(plane, "web-1")
    watching = plane.start("get", "pods", "-w", "--no-headers")
    waiting = plane.start("wait", "--for=create", "pod/web-1", "pod/web-2", "--timeout", "30s")
    began = [watching.line(), waiting.line()]

    plane.restart()
    made.pod(plane, "web-2")

    assert began == ["web-1   1/1   Running   0   2d4h", "pod/web-1 condition met"]
    assert watching.line().startswith("web-2   0/1   Pending")
    assert waiting.end() == (0, "pod/web-2 condition met\n", "")
    assert watching.interrupt()[0] == session.INTERRUPTED


def test_a_server_of_another_cluster_is_refused(
    plane: served.Plane, tmp_path_factory: pytest.TempPathFactory, tmp_path: pathlib.Path
) -> None:
    """The kubeconfig's authority is the only one that is trusted."""
    other = served.make_pki(tmp_path_factory.mktemp("other"))
    text = (other.pki.parent / "admin.conf").read_text().replace(":7443", f":{plane.port}")
    (tmp_path / "conf").write_text(text)

    result = run("get", "pods", "--kubeconfig", str(tmp_path / "conf"))

    assert result.exit_code == 1
    assert "its certificate is not of the authority that we trust" in result.stderr


def test_the_context_chooses_cluster_user_and_namespace(plane: served.Plane) -> None:
    """--context names another than the current one; -n overrules its namespace."""
    document = yaml.safe_load(plane.kubeconfig.read_text())
    (context,) = document["contexts"]
    document["contexts"].append({"name": "system", "context": {**context["context"], "namespace": "kube-system"}})
    plane.kubeconfig.write_text(yaml.safe_dump(document))

    assert "kube-system namespace" in plane.cli("get", "pods", "--context", "system").output
    assert "kube-public namespace" in plane.cli("get", "pods", "--context", "system", "-n", "kube-public").output
    assert "default namespace" in plane.cli("get", "pods").output
    assert plane.cli("get", "pods", "--context", "none").output.endswith('contexts has no entry named "none"\n')


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("1m30s", 90.0), ("2h", 7200.0), ("0.5s", 0.5)])
def test_durations(text: str, seconds: float) -> None:
    """As Go writes them, or bare seconds."""
    assert session.DURATION.convert(text, None, None) == seconds


def test_a_bad_duration_is_a_usage_error() -> None:
    """It says what a good one looks like."""
    with pytest.raises(click.BadParameter, match='"soon" is not a duration, for example 30s, 1m30s or 2h'):
        session.DURATION.convert("soon", None, None)
