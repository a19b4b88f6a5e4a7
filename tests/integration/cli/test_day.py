"""A day with the command line: a whole cluster, from manifest to deletion."""

from __future__ import annotations

import click.testing

from fairlead.cli import __main__ as program
from tests.support import whole

WEB = str(whole.ROOT / "deploy" / "examples" / "web.yaml")


def test_a_deployment_is_applied_scaled_rolled_out_and_deleted(cluster: whole.Cluster) -> None:
    """Each command finds what the one before brought about."""

    def cli(*words: str) -> str:
        result = click.testing.CliRunner().invoke(
            program.main, ["--kubeconfig", str(cluster.kubeconfig), *words], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return result.stdout

    applied = cli("apply", "-f", WEB)
    rolled = cli("rollout", "status", "deploy/web", "--timeout", "60s")
    cli("scale", "deploy/web", "--replicas", "5")
    cli("wait", "--for=jsonpath={.status.availableReplicas}=5", "deploy/web")
    pods = cli("get", "pods", "-l", "app=web", "--no-headers").splitlines()
    cli("rollout", "restart", "deploy/web")
    restarted = cli("rollout", "status", "deploy/web", "--timeout", "60s")
    history = cli("rollout", "history", "deploy/web")
    described = cli("describe", "deploy/web")
    log = cli("logs", "deploy/web")
    deleted = cli("delete", "-f", WEB)
    cli("wait", "--for=delete", "pods", "-l", "app=web")

    assert applied == "deployment.apps/web created\nservice/web created\n"
    assert rolled.splitlines()[-1] == 'deployment "web" successfully rolled out'
    assert [line.split()[1:3] for line in pods] == [["1/1", "Running"]] * 5
    assert restarted.splitlines()[-1] == 'deployment "web" successfully rolled out'
    assert [line.split()[0] for line in history.split("\n\n")[0].splitlines()[2:]] == ["1", "2"]
    assert "Scaled up replica set" in described
    assert log.endswith(" pretends\n")
    assert deleted == 'deployment.apps "web" deleted\nservice "web" deleted\n'
