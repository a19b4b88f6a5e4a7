"""kubectl delete: what goes, what stays, and what it waits for."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import CONFIG, DEPLOYMENT, OTHER

Apply = Callable[[str], str]
FORCED = "Immediate deletion does not wait for confirmation that the running resource has been terminated."


def names(kubectl: Kubectl, *words: str) -> list[str]:
    """Return what is listed."""
    return kubectl("get", *words, "-o", "name").split()


def test_what_is_named_labelled_or_in_a_file_is_deleted(kubectl: Kubectl, apply: Apply) -> None:
    """And nothing else; what is not there is an error unless that is passed over."""
    apply(CONFIG + "---" + OTHER)
    for name in ("a", "b", "c"):
        kubectl("create", "configmap", name)
    kubectl("label", "cm", "a", "b", "x=y")

    by_file = kubectl("delete", "-f", "-", stdin=CONFIG + "---" + OTHER)
    by_label = kubectl("delete", "cm", "-l", "x=y")
    partly = kubectl.run("delete", "cm", "c", "nope")
    ignored = kubectl("delete", "cm", "nope", "--ignore-not-found")
    name_only = kubectl("delete", "sa/default", "-o", "name")

    assert by_file == 'configmap "one" deleted\nconfigmap "two" deleted\n'
    assert by_label == 'configmap "a" deleted\nconfigmap "b" deleted\n'
    assert (partly.returncode, partly.stdout) == (1, 'configmap "c" deleted\n')
    assert partly.stderr == 'Error from server (NotFound): configmaps "nope" not found\n'
    assert (ignored, name_only) == ("", "serviceaccount/default\n")
    assert names(kubectl, "cm") == ["configmap/kube-root-ca.crt"]
    assert "no name" in kubectl.fails("delete", "cm")
    assert (
        kubectl.fails("delete", "cm", "x", "--all") == "error: name cannot be provided when a selector is specified\n"
    )
    assert "You must provide one or more resources" in kubectl.fails("delete")


def test_all_of_a_kind_are_deleted_or_those_with_a_field(kubectl: Kubectl) -> None:
    """A dry run deletes none."""
    for name in ("a", "b", "c"):
        kubectl("create", "secret", "generic", name, f"--type=t/{name}")

    dry = kubectl("delete", "secrets", "--field-selector=type=t/a", "--dry-run=server")
    one = kubectl("delete", "secrets", "--field-selector=type=t/a")
    left = [name for name in names(kubectl, "secrets") if "-token-" not in name]
    everything = kubectl("delete", "secrets", "--all")

    assert dry == 'secret "a" deleted (server dry run)\n'
    assert (one, left) == ('secret "a" deleted\n', ["secret/b", "secret/c"])
    assert {'secret "b" deleted', 'secret "c" deleted'} <= set(everything.splitlines())


def test_dependents_are_orphaned_or_deleted_with_their_owner(kubectl: Kubectl, apply: Apply) -> None:
    """Foreground waits for them, background does not."""
    apply(DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    kubectl("delete", "deployment", "web", "--cascade=orphan")
    (orphan,) = kubectl.json("get", "replicasets")["items"]
    kept = names(kubectl, "pods")
    said = kubectl("delete", "replicaset", "--all", "--cascade=foreground")
    after_foreground = names(kubectl, "replicasets,pods")
    apply(DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("delete", "deployment", "web", "--cascade=background")
    kubectl.until("get", "replicasets,pods", "-o", "name", says="")

    assert ("ownerReferences" in orphan["metadata"], len(kept)) == (False, 2)
    assert said == f'replicaset.apps "{orphan["metadata"]["name"]}" deleted\n'
    assert after_foreground == []
    assert kubectl.fails("delete", "deploy", "web", "--cascade=odd") == (
        'error: invalid cascade value (odd). Must be "background", "foreground", or "orphan"\n'
    )


def test_pods_are_deleted_with_a_grace_period_now_or_by_force(kubectl: Kubectl) -> None:
    """By force at once, from the API, with a warning; else once the node has ended them."""
    for name in ("slow", "now", "forced", "zero"):
        kubectl("create", "-f", "-", stdin=json.dumps(pod(name)))
    for name in ("slow", "now", "forced", "zero"):
        kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=30s")

    said = [
        kubectl("delete", "pod", "slow", "--grace-period=5"),
        kubectl("delete", "pod", "now", "--now"),
        kubectl("delete", "pod", "zero", "--grace-period=0"),
    ]
    forced = kubectl.run("delete", "pod", "forced", "--grace-period=0", "--force")

    assert said == [f'pod "{name}" deleted\n' for name in ("slow", "now", "zero")]
    assert forced.stdout == 'pod "forced" force deleted\n'
    assert f"arning: {FORCED}" in forced.stderr
    assert names(kubectl, "pods") == []


def pod(name: str) -> object:
    """A pod that ends when it is asked to."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "main:1"}]},
    }


def test_a_deletion_waits_for_finalizers_unless_told_not_to(kubectl: Kubectl) -> None:
    """The object stays, marked, until the last finalizer goes."""
    kubectl("create", "configmap", "held")
    kubectl("patch", "cm", "held", "-p", '{"metadata": {"finalizers": ["example.com/hold"]}}')

    said = kubectl("delete", "cm", "held", "--wait=false")
    marked = kubectl.json("get", "cm", "held")["metadata"]
    waited = kubectl.run("delete", "cm", "held", "--timeout=1s")
    kubectl("patch", "cm", "held", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')

    assert said == 'configmap "held" deleted\n'
    assert ("deletionTimestamp" in marked, marked["finalizers"]) == (True, ["example.com/hold"])
    assert waited.returncode == 1
    assert waited.stderr.endswith("error: timed out waiting for the condition on configmaps/held\n")
    assert kubectl.fails("get", "cm", "held") == 'Error from server (NotFound): configmaps "held" not found\n'


def test_a_namespace_goes_with_all_that_lies_in_it(kubectl: Kubectl) -> None:
    """kubectl returns when it is gone; what is asked for by URL is answered with a Status."""
    kubectl("create", "namespace", "gone")
    kubectl("create", "configmap", "inside", "-n", "gone")
    kubectl("create", "configmap", "outside")

    said = kubectl("delete", "namespace", "gone")
    raw = json.loads(kubectl("delete", "--raw", "/api/v1/namespaces/default/configmaps/outside"))

    assert said == 'namespace "gone" deleted\n'
    assert kubectl.fails("get", "ns", "gone") == 'Error from server (NotFound): namespaces "gone" not found\n'
    assert kubectl("get", "cm", "-n", "gone", "-o", "name") == ""
    assert (raw["status"], raw["details"]["name"]) == ("Success", "outside")


def test_a_deletion_can_be_asked_about_first(kubectl: Kubectl) -> None:
    """Since 1.27: -i."""
    kubectl("create", "configmap", "one")
    if kubectl.old:
        assert "unknown shorthand flag: 'i'" in kubectl.fails("delete", "cm", "one", "-i", stdin="n\n")
        return

    no = kubectl("delete", "cm", "one", "-i", stdin="n\n")
    kept = names(kubectl, "cm", "one")
    yes = kubectl("delete", "cm", "one", "-i", stdin="y\n")

    assert no.startswith("You are about to delete the following 1 resource(s):\nconfigmap/one\n")
    assert (kept, yes.endswith('configmap "one" deleted\n')) == (["configmap/one"], True)
    assert kubectl("get", "cm", "one", "--ignore-not-found") == ""
