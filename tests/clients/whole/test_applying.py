"""kubectl's daily verbs: what they print, and what they did."""

from __future__ import annotations

from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


def test_apply_creates_then_leaves_unchanged_then_configures(kubectl: Kubectl, apply: Callable[[str], str]) -> None:
    """The three words of apply, each true."""
    first, second = apply(DEPLOYMENT), apply(DEPLOYMENT)
    third = apply(DEPLOYMENT.replace("web:1", "web:2"))

    assert (first, second, third) == (
        "deployment.apps/web created\n",
        "deployment.apps/web unchanged\n",
        "deployment.apps/web configured\n",
    )
    template = kubectl.json("get", "deployment/web")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "web:2"


def test_an_unknown_field_is_refused_before_anything_is_written(
    kubectl: Kubectl, apply: Callable[[str], str]
) -> None:
    """Old clients judge by OpenAPI, new ones let the server judge; either names the field."""
    error = kubectl.fails("apply", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicsa: 2"))

    assert '"replicsa"' in error or '"spec.replicsa"' in error
    assert "NotFound" in kubectl.fails("get", "deployment/web")


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
