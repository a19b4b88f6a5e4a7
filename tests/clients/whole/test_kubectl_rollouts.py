"""kubectl rollout: what it prints, and what it did."""

from __future__ import annotations

from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import DEPLOYMENT


def test_rollout_can_be_watched_undone_and_restarted(kubectl: Kubectl, apply: Callable[[str], str]) -> None:
    """History has a revision a template; undo goes back to the one before."""
    apply(DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("set", "image", "deployment/web", "web=web:2")
    said = kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    history = kubectl("rollout", "history", "deployment/web")

    undone = kubectl("rollout", "undo", "deployment/web")

    assert said.endswith('deployment "web" successfully rolled out\n')
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
    assert undone == "deployment.apps/web rolled back\n"
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl("get", "deployment/web", "-o", image) == "web:1"
