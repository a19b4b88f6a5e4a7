"""kubectl edit, replace and diff: what they print, and what they changed."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable

import pytest

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import CONFIG, DEPLOYMENT, OTHER

Editor = Callable[[str], str]


@pytest.fixture(autouse=True)
def _objects(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=CONFIG + "---" + OTHER + "---" + DEPLOYMENT)


def test_an_edit_sends_what_was_changed_in_the_editor(
    kubectl: Kubectl, editor: Editor, tmp_path: pathlib.Path
) -> None:
    """Only that: what another changes meanwhile stays. An edit that changes nothing is cancelled."""
    other = " ".join(kubectl.command("label", "cm", "one", "meanwhile=yes"))
    program = pathlib.Path(editor("s/k: v/k: w/"))
    program.write_text(program.read_text() + f"{other} >/dev/null\n")

    edited = kubectl.run("edit", "configmap/one", KUBE_EDITOR=str(program))
    seen = (tmp_path / "seen").read_text()
    nothing = kubectl.run("edit", "cm", "one", KUBE_EDITOR="true")
    as_json = kubectl.run("edit", "cm", "one", "-o", "json", KUBE_EDITOR=editor('s/"k": "w"/"k": "x"/'))
    several = kubectl.run("edit", "cm", "one", "two", KUBE_EDITOR=editor("s/k: v/k: q/"))

    assert (edited.stdout, edited.stderr) == ("configmap/one edited\n", "")
    assert seen.startswith("# Please edit the object below. Lines beginning with a '#' will be ignored,\n")
    assert "\n  k: v\n" in seen
    assert (nothing.returncode, nothing.stderr + nothing.stdout) == (0, "Edit cancelled, no changes made.\n")
    assert json.loads(as_json.stdout)["data"] == {"k": "x"}
    assert ("configmap/two edited\n" in several.stdout, several.stderr) == (True, "")
    found = kubectl.json("get", "cm/one", "cm/two")["items"]
    assert [each["data"] for each in found] == [{"k": "x"}, {"k": "q"}]
    assert found[0]["metadata"]["labels"] == {"meanwhile": "yes", "tier": "a"}


def test_an_edit_that_is_refused_is_shown_again_with_the_reason(
    kubectl: Kubectl, editor: Editor, tmp_path: pathlib.Path
) -> None:
    """Left as it is, it is given up, and what was typed is kept in a file."""
    invalid = kubectl.run("edit", "deployment/web", KUBE_EDITOR=editor("s/replicas: 2/replicas: -1/"))
    shown = (tmp_path / "seen").read_text()
    renamed = kubectl.run("edit", "cm/one", KUBE_EDITOR=editor("s/  name: one/  name: three/"))
    shown_renamed = (tmp_path / "seen").read_text()
    missing = kubectl.run("edit", "cm/nope", KUBE_EDITOR="true")

    reason = "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    assert invalid.returncode == 1
    assert f'deployments.apps "web" was not valid:\n# * {reason}\n' in shown
    assert 'error: deployments.apps "web" is invalid\n' in invalid.stderr
    kept = re.search(
        r"A copy of your changes has been stored to \"(\S+)\"\nerror: Edit cancelled, no valid changes",
        invalid.stderr,
    )
    assert kept is not None
    pathlib.Path(kept[1]).unlink()
    assert renamed.returncode == 1
    assert "At least one of apiVersion, kind and name was changed" in renamed.stderr + shown_renamed
    for path in re.findall(r'stored to "(\S+)"', renamed.stderr):
        pathlib.Path(path).unlink()
    assert missing.stderr == 'Error from server (NotFound): configmaps "nope" not found\n'
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "2"
    assert kubectl("get", "cm", "-l", "tier", "-o", "name") == "configmap/one\nconfigmap/two\n"


def test_an_edit_of_the_status_reaches_the_status(kubectl: Kubectl, editor: Editor) -> None:
    """1.20 does not know the flag."""
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    words = ("edit", "deployment/web", "--subresource=status")
    script = editor("s/observedGeneration: .*/&\\n  collisionCount: 7/")

    done = kubectl.run(*words, KUBE_EDITOR=script)

    if kubectl.old:
        assert "unknown flag: --subresource" in done.stderr
        return
    assert done.stdout == "deployment.apps/web edited\n"
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.status.collisionCount}") == "7"


def test_replace_writes_the_whole_object_unless_it_is_old(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    """What the manifest does not have goes; a resourceVersion must be the current one."""
    read = kubectl("get", "cm", "one", "-o", "yaml")

    bare = kubectl("replace", "-f", "-", stdin=OTHER.replace("k: v", "j: w"))
    first = kubectl("replace", "-f", "-", stdin=read.replace("k: v", "k: w"))
    again = kubectl.fails("replace", "-f", "-", stdin=read.replace("k: v", "k: x"))
    missing = kubectl.fails("replace", "-f", "-", stdin=CONFIG.replace("one", "nope"))
    dry = kubectl("replace", "-f", "-", "--dry-run=server", stdin=DEPLOYMENT.replace("web:1", "web:2"))
    raw = kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps/two").replace('"w"', '"z"')
    kubectl("replace", "--raw", "/api/v1/namespaces/default/configmaps/two", "-f", "-", stdin=raw)

    assert (bare, first) == ("configmap/two replaced\n", "configmap/one replaced\n")
    assert again == (
        'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on configmaps '
        '"one": the object has been modified; please apply your changes to the latest version and try again\n'
    )
    assert missing == 'Error from server (NotFound): error when replacing "STDIN": configmaps "nope" not found\n'
    assert dry == "deployment.apps/web replaced (server dry run)\n"
    one, two = kubectl.json("get", "cm/one", "cm/two")["items"]
    assert (one["data"], two["data"]) == ({"k": "w"}, {"j": "z"})
    assert "annotations" not in two["metadata"]
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "web:1"


def test_replace_by_force_deletes_and_makes_anew(kubectl: Kubectl) -> None:
    """Also what an update may not change, and what was not there."""
    uid = kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.uid}")
    other = DEPLOYMENT.replace("app: web", "app: other")

    refused = kubectl.fails("replace", "-f", "-", stdin=other)
    forced = kubectl("replace", "--force", "-f", "-", stdin=other + "---" + CONFIG.replace("one", "new"))

    assert "spec.selector" in refused
    assert "field is immutable" in refused
    assert forced == ('deployment.apps "web" deleted\ndeployment.apps/web replaced\nconfigmap/new replaced\n')
    found = kubectl.json("get", "deployment/web")
    assert (found["metadata"]["uid"] != uid, found["spec"]["selector"]["matchLabels"]) == (True, {"app": "other"})


def test_replace_reaches_a_subresource(kubectl: Kubectl) -> None:
    """1.20 does not know the flag."""
    words = ("replace", "--subresource=scale", "-f", "-")
    scale = kubectl("get", "--raw", "/apis/apps/v1/namespaces/default/deployments/web/scale")

    if kubectl.old:
        assert "unknown flag: --subresource" in kubectl.fails(*words, stdin=scale)
        return
    read = kubectl("get", "deployment/web", "-o", "json")
    status = kubectl(
        "replace", "--subresource=status", "-f", "-", stdin=read.replace('"replicas": 2', '"replicas": 9')
    )
    assert status == "deployment.apps/web replaced\n"
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "2"


def changes(text: str) -> list[str]:
    """Return the lines of a diff that differ, without the names of its files and the times of managers."""
    lines = [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return [line for line in lines if line[1:].split()[:1] != ["time:"]]


def test_diff_shows_what_apply_would_change(kubectl: Kubectl) -> None:
    """Exit code 1 where something would, 0 where nothing would; nothing is written."""
    changed = kubectl.run("diff", "-f", "-", stdin=CONFIG.replace("k: v", "k: w"))
    image = kubectl.run("diff", "-f", "-", stdin=DEPLOYMENT.replace("web:1", "web:2"))
    same = kubectl.run("diff", "-f", "-", stdin=DEPLOYMENT + "---" + CONFIG)
    new = kubectl.run("diff", "-f", "-", stdin=CONFIG.replace("name: one", "name: new"))
    server_side = kubectl.run(
        "diff", "--server-side", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: 3")
    )
    other = kubectl.run("diff", "-f", "-", stdin=CONFIG.replace("k: v", "k: w"), KUBECTL_EXTERNAL_DIFF="diff -q")
    bad = kubectl.run("diff", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: -2"))

    assert (changed.returncode, changed.stderr) == (1, "")
    assert re.match(
        r"diff -u -N \S+/LIVE-\d+/v1\.ConfigMap\.default\.one \S+/MERGED-\d+/v1\.ConfigMap", changed.stdout
    )
    assert changes(changed.stdout) == ["-  k: v", "+  k: w"]
    assert image.returncode == 1
    assert {"-      - image: web:1", "+      - image: web:2"} <= set(changes(image.stdout))
    assert (same.returncode, same.stdout) == (0, "")
    assert new.returncode == 1
    assert {"+kind: ConfigMap", "+  k: v", "+  name: new"} <= set(changes(new.stdout))
    assert [line for line in changes(new.stdout) if line.startswith("-")] == []
    assert server_side.returncode == 1
    assert {"-  replicas: 2", "+  replicas: 3"} <= set(changes(server_side.stdout))
    assert re.fullmatch(r"Files \S+ and \S+ differ\n", other.stdout)
    assert (bad.returncode > 1, "must be greater than or equal to 0" in bad.stderr) == (True, True)
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "web:1"
    assert kubectl("get", "cm/new", "--ignore-not-found") == ""


def test_diff_of_a_secret_is_masked(kubectl: Kubectl) -> None:
    """Since 1.21."""
    kubectl("create", "secret", "generic", "key", "--from-literal=a=old")
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {a: new}\n"

    shown = [line for line in changes(kubectl.run("diff", "-f", "-", stdin=secret).stdout) if " a: " in line]

    assert shown == (["-  a: b2xk", "+  a: bmV3"] if kubectl.old else ["-  a: '*** (before)'", "+  a: '*** (after)'"])
