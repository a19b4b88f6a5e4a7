"""kubectl label and annotate: what is there already is kept unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import CONFIG, OTHER

Apply = Callable[[str], str]
CONFLICT = (
    'Error from server (Conflict): Operation cannot be fulfilled on configmaps "one": the object has been modified; '
    "please apply your changes to the latest version and try again\n"
)


def test_labels_are_added_kept_overwritten_and_removed(kubectl: Kubectl, apply: Apply) -> None:
    """Each step says what it did, and the object agrees."""
    apply(CONFIG)

    added = kubectl("label", "configmap/one", "app=x")
    kept = kubectl.fails("label", "configmap/one", "app=y")
    tried = kubectl("label", "configmap/one", "app=y", "--overwrite", "--dry-run=server")
    overwritten = kubectl("label", "configmap/one", "app=z", "--overwrite")
    listed = kubectl("label", "configmap/one", "--list")
    late = kubectl.fails("label", "configmap/one", "app=w", "--overwrite", "--resource-version=1")
    removed = kubectl("label", "configmap/one", "app-", "none-").splitlines()
    malformed = kubectl.fails("label", "configmap/one", "a b=c")

    assert (added, overwritten) == ("configmap/one labeled\n", "configmap/one labeled\n")
    assert kept == "error: 'app' already has a value (x), and --overwrite is false\n"
    assert tried == f"configmap/one labeled{'' if kubectl.old else ' (server dry run)'}\n"
    assert sorted(listed.splitlines()) == ["app=z", "tier=a"]
    assert late == CONFLICT
    assert removed == ['label "none" not found.', f"configmap/one {'labeled' if kubectl.old else 'unlabeled'}"]
    assert malformed.startswith(
        'The ConfigMap "one" is invalid: metadata.labels: Invalid value: "a b": name part must consist of '
    )
    assert kubectl.json("get", "configmap/one")["metadata"]["labels"] == {"tier": "a"}


def test_several_objects_are_labelled_at_once(kubectl: Kubectl, apply: Apply) -> None:
    """All of a kind, those of a selector, those of a file."""
    apply(CONFIG + "---" + OTHER)
    kubectl("create", "namespace", "apart")
    kubectl("create", "configmap", "far", "-n", "apart")

    everything = kubectl("label", "configmap", "--all", "x=1", "-n", "apart").splitlines()
    selected = kubectl("label", "configmap", "-l", "tier=a", "y=2")
    nobody = kubectl("label", "configmap", "-l", "tier=none", "y=2")

    assert "configmap/far labeled" in everything
    assert selected == "configmap/one labeled\nconfigmap/two labeled\n"
    assert nobody == ""
    assert kubectl("get", "configmap", "-A", "-l", "y=2", "-o", "name") == "configmap/one\nconfigmap/two\n"
    assert "configmap/far" in kubectl("get", "configmap", "-A", "-l", "x=1", "-o", "name")
    assert kubectl("label", "-f", "-", "z=3", stdin=CONFIG) == "configmap/one labeled\n"
    assert kubectl("get", "configmap", "-l", "z", "-o", "name") == "configmap/one\n"


def test_annotations_are_added_kept_overwritten_and_removed(kubectl: Kubectl, apply: Apply) -> None:
    """Their values are free text."""
    apply(CONFIG)

    added = kubectl("annotate", "configmap/one", "note=a b: c", "example.com/x=1")
    kept = kubectl.fails("annotate", "configmap/one", "note=y")
    overwritten = kubectl("annotate", "configmap/one", "note=z", "--overwrite")
    late = kubectl.fails("annotate", "configmap/one", "note=w", "--overwrite", "--resource-version=1")
    removed = kubectl("annotate", "configmap/one", "example.com/x-")
    everything = kubectl("annotate", "configmap", "--all", "seen=yes").splitlines()

    assert {added, overwritten, removed} == {"configmap/one annotated\n"}
    assert kept == (
        "error: --overwrite is false but found the following declared annotation(s): "
        "'note' already has a value (a b: c)\n"
    )
    assert late == CONFLICT
    assert "configmap/one annotated" in everything
    found = kubectl.json("get", "configmap/one")["metadata"]["annotations"]
    found.pop("kubectl.kubernetes.io/last-applied-configuration")
    assert found == {"note": "z", "seen": "yes"}
    assert "note=z" in kubectl("annotate", "configmap/one", "--list").splitlines()
