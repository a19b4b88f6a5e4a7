"""kubectl rollout: what it prints, and what it did."""

from __future__ import annotations

from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import DEPLOYMENT, workload

Apply = Callable[[str], str]
REVISION = "{.metadata.annotations.deployment\\.kubernetes\\.io/revision}"
CAUSES = "jsonpath={range .items[*]}{.metadata.annotations.kubernetes\\.io/change-cause};{end}"
IMAGE = "jsonpath={.spec.template.spec.containers[0].image}"


def test_a_rollout_is_watched_remembered_and_undone(kubectl: Kubectl, apply: Apply) -> None:
    """History has a revision a template, with its cause; undo goes one back, or to the one that is named."""
    apply(DEPLOYMENT)
    first = kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("set", "image", "deployment/web", "web=web:2")
    second = kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=newer web")
    kubectl("set", "image", "deployment/web", "web=web:3")
    kubectl("rollout", "status", "deployment/web", "--revision=3", "--timeout=30s")
    kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=newest web", "--overwrite")
    told = "rollout", "history", "deployment/web"
    kubectl.until("get", "rs", "--sort-by", REVISION, "-o", CAUSES, says=";newer web;newest web;")
    history = kubectl(*told)
    shown = kubectl(*told, "--revision=2")
    unknown = kubectl.fails(*told, "--revision=9")

    undone = kubectl("rollout", "undo", "deployment/web")
    before = kubectl("get", "deployment/web", "-o", IMAGE)
    kubectl("rollout", "status", "deployment/web", "--revision=4", "--timeout=30s")
    back = kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    nowhere = kubectl.fails("rollout", "undo", "deployment/web", "--to-revision=9")
    kubectl("rollout", "status", "deployment/web", "--revision=5", "--timeout=30s")

    assert first.endswith('deployment "web" successfully rolled out\n')
    assert second.endswith('deployment "web" successfully rolled out\n')
    assert history == (
        "deployment.apps/web \n"
        "REVISION  CHANGE-CAUSE\n1         <none>\n2         newer web\n3         newest web\n\n"
    )
    assert shown.startswith("deployment.apps/web with revision #2\nPod Template:\n  Labels:\tapp=web\n")
    assert "    Image:\tweb:2\n" in shown
    assert unknown == "error: unable to find the specified revision\n"
    assert (undone, before) == ("deployment.apps/web rolled back\n", "web:2")
    assert (back, kubectl("get", "deployment/web", "-o", IMAGE)) == ("deployment.apps/web rolled back\n", "web:1")
    assert nowhere == "error: unable to find specified revision 9 in history\n"
    assert [line.split()[0] for line in kubectl(*told).splitlines()[2:] if line] == ["3", "4", "5"]
    other = kubectl.fails("rollout", "status", "deployment/web", "--revision=2")
    assert other == "error: desired revision (2) is different from the running revision (5)\n"


def test_a_paused_rollout_does_nothing_until_it_goes_on(kubectl: Kubectl, apply: Apply) -> None:
    """Each command tells what a paused deployment does not do; afterwards the change is rolled out once."""
    apply(DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    paused = kubectl("rollout", "pause", "deployment/web")
    twice = kubectl.fails("rollout", "pause", "deployment/web")
    kubectl("set", "image", "deployment/web", "web=web:2")
    waiting = kubectl.run("rollout", "status", "deployment/web", "--timeout=1s")
    restart = kubectl.fails("rollout", "restart", "deployment/web")
    sets = kubectl("get", "rs", "-l", "app=web", "-o", "name").splitlines()
    resumed = kubectl("rollout", "resume", "deployment/web")
    going = kubectl.fails("rollout", "resume", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--revision=2", "--timeout=30s")

    assert (paused, resumed) == ("deployment.apps/web paused\n", "deployment.apps/web resumed\n")
    assert twice == 'error: deployments.apps "web" is already paused\n'
    assert going == 'error: deployments.apps "web" is not paused\n'
    assert (waiting.returncode, waiting.stdout) == (
        1,
        'Waiting for deployment "web" rollout to finish: 0 out of 2 new replicas have been updated...\n',
    )
    assert waiting.stderr == "error: timed out waiting for the condition\n"
    assert restart == 'error: deployments.apps "web" can\'t restart paused deployment (run rollout resume first)\n'
    kubectl("rollout", "pause", "deployment/web")
    undo = kubectl.fails("rollout", "undo", "deployment/web")
    assert undo.startswith("error: you cannot rollback a paused deployment; resume it first with ")
    assert len(sets) == 1
    running = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert set(running.split()) >= {"web:2"}


def test_a_restart_stamps_the_template(kubectl: Kubectl, apply: Apply) -> None:
    """That makes a new revision, whose pods are new."""
    apply(DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    said = kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--revision=2", "--timeout=30s")

    found = kubectl.json("get", "deployment/web")
    assert said == "deployment.apps/web restarted\n"
    assert list(found["spec"]["template"]["metadata"]["annotations"]) == ["kubectl.kubernetes.io/restartedAt"]
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    by_label = ("rollout", "restart", "deployment", "-l", "app=web")
    if kubectl.old:
        assert "unknown shorthand flag: 'l'" in kubectl.fails(*by_label)
    else:
        kubectl.run(*by_label)  # refused within the same second as the one before
        assert kubectl("rollout", "status", "deployment", "-l", "app=web", "--timeout=30s").count("rolled out") == 1


def test_a_rollout_that_cannot_finish_says_so(kubectl: Kubectl, apply: Apply) -> None:
    """No node has what its pods ask for: after the deadline status fails, and undo saves the deployment."""
    apply(DEPLOYMENT.replace("replicas: 2", "replicas: 2\n  progressDeadlineSeconds: 1"))
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    kubectl("set", "resources", "deployment/web", "--requests=cpu=999")
    stuck = kubectl.run("rollout", "status", "deployment/web", "--timeout=30s")
    left = kubectl("get", "deployment/web", "-o", "jsonpath={.status.availableReplicas}")
    condition = kubectl(
        "get", "deployment/web", "-o", "jsonpath={.status.conditions[?(@.type=='Progressing')].reason}"
    )
    kubectl("rollout", "undo", "deployment/web")
    saved = kubectl("rollout", "status", "deployment/web", "--revision=3", "--timeout=30s")

    assert stuck.returncode == 1
    assert stuck.stderr == 'error: deployment "web" exceeded its progress deadline\n'
    assert (left, condition) == ("2", "ProgressDeadlineExceeded")
    assert saved.endswith('deployment "web" successfully rolled out\n')


def test_what_cannot_be_rolled_is_told(kubectl: Kubectl, apply: Apply) -> None:
    """Stateful sets and daemon sets are restarted, never paused; replica sets know nothing of rollouts."""
    apply(
        "---".join(
            workload("apps/v1", *which)
            for which in (("StatefulSet", "db"), ("DaemonSet", "ds"), ("ReplicaSet", "rs"))
        )
    )

    restarted = [kubectl("rollout", "restart", which) for which in ("statefulset/db", "daemonset/ds")]

    assert restarted == ["statefulset.apps/db restarted\n", "daemonset.apps/ds restarted\n"]
    stamped = "jsonpath={.spec.template.metadata.annotations}"
    assert "kubectl.kubernetes.io/restartedAt" in kubectl("get", "statefulset/db", "-o", stamped)
    assert "kubectl.kubernetes.io/restartedAt" in kubectl("get", "daemonset/ds", "-o", stamped)
    assert kubectl.fails("rollout", "pause", "sts/db") == 'error: statefulsets.apps "db" pausing is not supported\n'
    assert kubectl.fails("rollout", "status", "rs/rs") == (
        "error: no status viewer has been implemented for ReplicaSet.apps\n"
    )
    assert kubectl.fails("rollout", "history", "rs/rs") == (
        'error: no history viewer has been implemented for "ReplicaSet.apps"\n'
    )
