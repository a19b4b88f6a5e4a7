"""kubectl get: every form of output, what is selected, watches, and tables of the kinds that people look at."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import CONFIG, DEPLOYMENT, OTHER

Apply = Callable[[str], str]
BOTH = CONFIG + "---" + OTHER.replace("tier: a", "tier: b").replace("k: v", "k: a")


def test_an_object_is_printed_in_every_form(kubectl: Kubectl, apply: Apply, tmp_path: pathlib.Path) -> None:
    """All of them are made of the object as it is stored."""
    apply(BOTH)
    whole = kubectl.json("get", "configmap", "one")
    (tmp_path / "columns").write_text("N  T\n.metadata.name .metadata.labels.tier\n")
    (tmp_path / "template").write_text("{{.data.k}}!")
    (tmp_path / "path").write_text("{.data.k}?")

    assert whole["data"] == {"k": "v"}
    printed = {
        form: kubectl("get", "cm", "one", "-o", form)
        for form in (
            "name",
            "jsonpath={.data}",
            "jsonpath={.metadata.labels['tier']}",
            "jsonpath-as-json={.data.k}",
            "go-template={{.data.k}} {{.kind}}",
            "custom-columns=NAME:.metadata.name,K:.data.k,NONE:.data.x",
            f"custom-columns-file={tmp_path}/columns",
            f"go-template-file={tmp_path}/template",
            f"jsonpath-file={tmp_path}/path",
        )
    }
    assert list(printed.values()) == [
        "configmap/one\n",
        '{"k":"v"}',
        "a",
        '[\n    "v"\n]\n',
        "v ConfigMap",
        "NAME   K     NONE\none    v     <none>\n",
        "N     T\none   a\n",
        "v!",
        "v?",
    ]
    as_yaml = kubectl("get", "cm", "one", "-o", "yaml")
    assert f'resourceVersion: "{whole["metadata"]["resourceVersion"]}"\n' in as_yaml
    assert as_yaml.startswith("apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\n")
    assert ("managedFields" in as_yaml) == kubectl.old  # since 1.21 they are shown if asked
    listed = kubectl("get", "cm", "-l", "tier", "-o", "jsonpath={range .items[*]}{.metadata.name}:{.data.k} {end}")
    assert listed == "one:v two:a "
    assert "unable to match a printer" in kubectl.fails("get", "cm", "one", "-o", "nonsense")


def test_what_is_listed_is_selected_sorted_and_shown_with_its_labels(kubectl: Kubectl, apply: Apply) -> None:
    """Labels in every grammar; fields where the kind has them, else the server's words."""
    apply(BOTH)

    def names(*words: str) -> list[str]:
        return [line.removeprefix("configmap/") for line in kubectl("get", "cm", "-o", "name", *words).splitlines()]

    assert names("-l", "tier") == ["one", "two"]
    assert names("-l", "tier in (a, x),tier!=b") == ["one"]
    assert names("-l", "tier notin (a),tier") == ["two"]
    assert names("--field-selector", "metadata.name!=one,metadata.name!=kube-root-ca.crt") == ["two"]
    assert names("-l", "tier", "--sort-by", "{.data.k}") == ["two", "one"]
    assert names("-l", "tier=none") == []
    assert [row[-1] for row in kubectl.rows("get", "cm", "-l", "tier", "--show-labels")] == [
        "LABELS",
        "tier=a",
        "tier=b",
    ]
    columns = kubectl.rows("get", "cm", "-L", "tier,none")
    assert [columns[0], columns[2][:1] + columns[2][3:]] == [["NAME", "DATA", "AGE", "TIER", "NONE"], ["one", "a"]]
    everywhere = kubectl.rows("get", "cm", "-A", "--show-kind", "--no-headers")
    assert ["default", "configmap/one"] in [row[:2] for row in everywhere]
    assert ["kube-system", "configmap/kube-root-ca.crt"] in [row[:2] for row in everywhere]
    unable = 'Error from server (BadRequest): Unable to find "/v1, Resource={}" that match label selector "{}", '
    unable += 'field selector "{}": '
    assert kubectl.fails("get", "cm", "--field-selector", "data.k=v") == (
        unable.format("configmaps", "", "data.k=v")
        + '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"\n'
    )
    assert kubectl.fails("get", "pods", "--field-selector", "spec.foo=1") == (
        unable.format("pods", "", "spec.foo=1") + "field label not supported: spec.foo\n"
    )
    assert kubectl.fails("get", "cm", "-l", "a b") == (
        unable.format("configmaps", "a b", "")
        + "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt\n"
    )


def test_pods_are_selected_by_their_node_and_phase(kubectl: Kubectl, apply: Apply) -> None:
    """The fields that Kubernetes lets one select pods by."""
    apply(DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    on_first = kubectl("get", "pods", "--field-selector", "spec.nodeName=node-1,status.phase=Running", "-o", "name")
    elsewhere = kubectl("get", "pods", "--field-selector", "spec.nodeName!=node-1", "-o", "name")
    none = kubectl.run("get", "pods", "--field-selector", "status.phase=Pending")

    everything = kubectl("get", "pods", "-o", "name").splitlines()
    assert sorted(on_first.splitlines() + elsewhere.splitlines()) == everything
    assert len(everything) == 2
    assert (none.stdout, none.stderr) == ("", "No resources found in default namespace.\n")


def test_several_kinds_and_names_are_read_at_once(kubectl: Kubectl, apply: Apply) -> None:
    """What is missing is named beside what is there, or passed over if asked."""
    apply(BOTH + "---" + DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    pair = kubectl("get", "cm/one", "deploy/web", "-o", "name")
    partly = kubectl.run("get", "cm", "one", "nope", "two", "-o", "name")
    ignored = kubectl("get", "cm", "nope", "--ignore-not-found")
    whole = kubectl("get", "all", "-o", "name").splitlines()
    from_file = kubectl("get", "-f", "-", "-o", "name", stdin=BOTH)

    assert pair == "configmap/one\ndeployment.apps/web\n"
    assert (partly.returncode, partly.stdout) == (1, "configmap/one\nconfigmap/two\n")
    assert partly.stderr == 'Error from server (NotFound): configmaps "nope" not found\n'
    assert ignored == ""
    assert [re.sub("-[a-z0-9-]+$", "", name) for name in whole] == [
        "pod/web",
        "pod/web",
        "service/kubernetes",
        "deployment.apps/web",
        "replicaset.apps/web",
    ]
    assert from_file == "configmap/one\nconfigmap/two\n"
    assert kubectl.fails("get", "nonsense") == 'error: the server doesn\'t have a resource type "nonsense"\n'
    assert kubectl.fails("get", "-A", "cm", "one") == (
        "error: a resource cannot be retrieved by name across all namespaces\n"
    )


def test_a_collection_is_read_in_pages(kubectl: Kubectl) -> None:
    """All of it, however small the pages."""
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number:03}"}} for number in range(60)]
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    paged = kubectl("get", "cm", "--chunk-size=7", "-o", "name").splitlines()
    table = kubectl.rows("get", "cm", "--chunk-size=7", "--no-headers")
    raw = json.loads(kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps?limit=7"))

    assert paged == [f"configmap/c{number:03}" for number in range(60)] + ["configmap/kube-root-ca.crt"]
    assert [f"configmap/{row[0]}" for row in table] == paged
    assert (len(raw["items"]), raw["metadata"]["remainingItemCount"]) == (7, 54)


def test_raw_answers_are_printed_as_they_are(kubectl: Kubectl) -> None:
    """Discovery, health, and what is not there."""
    version = json.loads(kubectl("get", "--raw", "/version"))
    missing = kubectl.fails("get", "--raw", "/nope")

    assert (version["major"], version["minor"]) == ("1", "32")
    assert kubectl("get", "--raw", "/readyz") == "ok"
    assert missing == "Error from server (NotFound): the server could not find the requested resource\n"


def test_a_watch_prints_each_event(kubectl: Kubectl, apply: Apply) -> None:
    """What is there first, unless only what comes is asked for; the kind of event if asked."""
    apply(CONFIG)
    words = ("get", "cm", "-l", "tier", "--no-headers")
    with (
        kubectl.following(*words, "-w", "--output-watch-events") as everything,
        kubectl.following("get", "cm", "one", "--watch-only", "-o", "jsonpath={.data.k}{'\\n'}") as only,
    ):
        events = [everything().split()[:2]]
        kubectl("patch", "cm", "one", "-p", '{"data":{"k":"w"}}')
        changed = only()
        apply(OTHER)
        kubectl("label", "cm", "two", "tier-")
        kubectl("delete", "cm", "one")
        events += [everything().split()[:2] for _ in range(4)]

    assert events == [
        ["ADDED", "one"],
        ["MODIFIED", "one"],
        ["ADDED", "two"],
        ["DELETED", "two"],  # it left the selection
        ["DELETED", "one"],
    ]
    assert changed == "w\n"


def test_a_subresource_is_read_with_its_own_columns(kubectl: Kubectl, apply: Apply) -> None:
    """1.20 does not know the flag."""
    apply(DEPLOYMENT)
    if kubectl.old:
        assert "unknown flag: --subresource" in kubectl.fails("get", "deploy", "web", "--subresource=scale")
        return
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    scale = kubectl.rows("get", "deploy", "web", "--subresource=scale")
    status = kubectl("get", "deploy", "web", "--subresource=status", "-o", "jsonpath={.kind}/{.status.replicas}")

    assert (scale[0], scale[1][:3]) == (["NAME", "DESIRED", "AVAILABLE", "AGE"], ["web", "2", "2"])
    assert status == "Deployment/2"
    assert kubectl.fails("get", "cm", "kube-root-ca.crt", "--subresource=scale").startswith(
        "Error from server (NotFound)"
    )
