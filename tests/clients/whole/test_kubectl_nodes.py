"""kubectl taint, cordon, uncordon and drain: what is said, what is refused, and where pods then run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.whole.conftest import Kubectl

Apply = Callable[[str], str]
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  nodeName: node-1
  containers: [{{name: main, image: "main:1"}}]
  volumes: [{volumes}]
---
"""
DAEMON = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec:
  updateStrategy: {type: OnDelete}
  selector: {matchLabels: {app: ds}}
  template: {metadata: {labels: {app: ds}}, spec: {containers: [{name: main, image: "main:1"}]}}
"""
DAEMONS_POD = """
apiVersion: v1
kind: Pod
metadata:
  name: ds-1
  labels: {app: ds}
  ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: ds, uid: UID, controller: true}]
spec:
  nodeName: node-1
  containers: [{name: main, image: "main:1"}]
"""
ALL = "--ignore-daemonsets", "--force", "--delete-emptydir-data"


def test_a_taint_is_set_kept_overwritten_and_removed(kubectl: Kubectl, apply: Apply) -> None:
    """A taint of every node keeps pods away until it goes."""
    set_ = kubectl("taint", "node", "node-1", "k=v:NoSchedule", "k=e:PreferNoSchedule")
    kept = kubectl.fails("taint", "node", "node-1", "k=w:NoSchedule")
    overwritten = kubectl("taint", "node", "node-1", "k=w:NoSchedule", "--overwrite")
    taints = kubectl.json("get", "node/node-1")["spec"]["taints"]
    removed = kubectl("taint", "node", "node-1", "k:NoSchedule-"), kubectl("taint", "node", "node-1", "k-")
    missing = kubectl.fails("taint", "node", "node-1", "k-")
    nonsense = kubectl.fails("taint", "node", "node-1", "k=v:Nonsense")
    everywhere = kubectl("taint", "nodes", "--all", "q=1:NoSchedule")
    kubectl("run", "kept-away", "--image=main:1")
    scheduled = "jsonpath={.status.conditions[?(@.type=='PodScheduled')].%s}"
    kubectl.until("get", "pod/kept-away", "-o", scheduled % "reason", says="Unschedulable")
    why = kubectl("get", "pod/kept-away", "-o", scheduled % "message")
    kubectl("taint", "nodes", "--all", "q-")
    kubectl("wait", "--for=condition=Ready", "pod/kept-away", "--timeout=30s")

    assert (set_, overwritten) == ("node/node-1 tainted\n", "node/node-1 modified\n")
    assert kept == "error: node node-1 already has k taint(s) with same effect(s) and --overwrite is false\n"
    assert sorted(taints, key=lambda taint: str(taint["effect"])) == [
        {"key": "k", "value": "w", "effect": "NoSchedule"},
        {"key": "k", "value": "e", "effect": "PreferNoSchedule"},
    ]
    assert removed == ("node/node-1 untainted\n", "node/node-1 untainted\n")
    assert missing == 'error: taint "k" not found\n'
    assert nonsense.startswith("error: invalid taint effect: Nonsense, unsupported taint effect")
    assert everywhere == "node/node-1 tainted\nnode/node-2 tainted\n"
    assert why.startswith("0/2 nodes are available: 2 node(s) had untolerated taint {q: 1}.")
    assert "taints" not in kubectl.json("get", "node/node-1")["spec"]


def test_a_cordoned_node_takes_no_pods(kubectl: Kubectl) -> None:
    """And says so, until it is uncordoned."""
    tried = kubectl("cordon", "node-1", "--dry-run=server")
    cordoned, again = kubectl("cordon", "node-1"), kubectl("cordon", "node-1")
    shown = kubectl.rows("get", "node", "node-1")[1][1]
    kubectl("run", "there", "--image=main:1")
    kubectl("wait", "--for=condition=Ready", "pod/there", "--timeout=30s")
    where = kubectl("get", "pod/there", "-o", "jsonpath={.spec.nodeName}")
    uncordoned, once_more = kubectl("uncordon", "node-1"), kubectl("uncordon", "node-1")

    assert tried == "node/node-1 cordoned (server dry run)\n"
    assert (cordoned, again) == ("node/node-1 cordoned\n", "node/node-1 already cordoned\n")
    assert (shown, where) == ("Ready,SchedulingDisabled", "node-2")
    assert (uncordoned, once_more) == ("node/node-1 uncordoned\n", "node/node-1 already uncordoned\n")
    assert "unschedulable" not in kubectl.json("get", "node/node-1")["spec"]


@pytest.fixture
def various(kubectl: Kubectl, apply: Apply) -> None:
    """On the first node: a pod of a daemon set, one of nobody, and one of nobody with a scratch volume."""
    apply(DAEMON)
    uid = kubectl("get", "daemonset/ds", "-o", "jsonpath={.metadata.uid}")
    pods = POD.format(name="alone", volumes="") + POD.format(name="scratch", volumes="{name: v, emptyDir: {}}")
    apply(pods + DAEMONS_POD.replace("UID", uid))


@pytest.mark.usefixtures("various")
def test_a_drain_says_what_it_would_take_and_takes_it_when_told(kubectl: Kubectl) -> None:
    """Each flag lifts one refusal; what a daemon set runs stays."""
    alone = (
        "Pods not managed by ReplicationController, ReplicaSet, Job, DaemonSet or StatefulSet"
        if kubectl.old
        else "cannot delete Pods that declare no controller"
    )
    refused = kubectl.fails("drain", "node-1")
    fewer = kubectl.fails("drain", "node-1", "--ignore-daemonsets", "--force")
    tried = kubectl("drain", "node-1", *ALL, "--dry-run=client").splitlines()
    on_server = kubectl.run("drain", "node-1", *ALL, "--dry-run=server")
    before = kubectl("get", "pods", "--field-selector=spec.nodeName=node-1", "-o", "name").split()
    one = kubectl("drain", "node-1", "--pod-selector=app=alone", "--force").splitlines()
    drained = kubectl.run("drain", "node-1", *ALL, "-v=8")

    assert f"cannot delete {alone} (use --force to override): default/alone\n" in refused
    assert "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/ds-1\n" in refused
    scratch = "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/scratch"
    assert f"{scratch}\n" in refused
    assert fewer.endswith(f"There are pending nodes to be drained:\n node-1\n{'error: ' * kubectl.old}{scratch}\n")
    assert tried == [
        "node/node-1 already cordoned (dry run)",
        "evicting pod default/alone (dry run)",
        "evicting pod default/scratch (dry run)",
        "node/node-1 drained (dry run)",
    ]
    if kubectl.old:  # it asks for definitions of v1beta1, which no current cluster has
        assert (on_server.returncode, "failed to check CRD: failed to list CRDs" in on_server.stderr) == (1, True)
    else:
        assert on_server.stdout.endswith("node/node-1 drained (server dry run)\n")
    assert before == ["pod/alone", "pod/ds-1", "pod/scratch"]
    assert one[0] == "node/node-1 already cordoned"
    assert one[-1] == f"node/node-1 {'evicted' if kubectl.old else 'drained'}"
    assert drained.returncode == 0
    assert f'"apiVersion":"policy/{"v1beta1" if kubectl.old else "v1"}"' in drained.stderr
    assert "pod/scratch evicted\n" in drained.stdout
    left = kubectl("get", "pods", "--field-selector=spec.nodeName=node-1", "-o", "name")
    assert left == "pod/ds-1\n"


def test_a_drain_waits_for_a_disruption_budget(kubectl: Kubectl) -> None:
    """While none may go it tells so and tries again; without the budget the pod moves to the other node."""
    kubectl("create", "deployment", "web", "--image=web:1")
    kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=1")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    pod, node = kubectl(
        "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name} {.items[0].spec.nodeName}"
    ).split()
    kubectl.until("get", "pdb/web", "-o", "jsonpath={.status.currentHealthy}", says="1")

    with kubectl.following("drain", node, errors=True) as line:
        blocked = [line() for _ in range(3)]
    still = kubectl("get", "pods", "-l", "app=web", "-o", "name")
    kubectl("delete", "poddisruptionbudget", "web")
    drained = kubectl("drain", node, "--timeout=30s")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    assert blocked == [
        f"node/{node} cordoned\n",
        f"evicting pod default/{pod}\n",
        f'error when evicting pods/"{pod}" -n "default" (will retry after 5s): '
        "Cannot evict pod as it would violate the pod's disruption budget.\n",
    ]
    assert still == f"pod/{pod}\n"
    assert f"pod/{pod} evicted\n" in drained
    elsewhere = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].spec.nodeName}")
    assert elsewhere != node
