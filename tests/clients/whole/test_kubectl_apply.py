"""kubectl apply: what it prints, and what the cluster has then."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import CONFIG, DEPLOYMENT, OTHER

Apply = Callable[[str], str]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DATA = "jsonpath={.data}"
IMAGE = "jsonpath={.spec.template.spec.containers[0].image}"


def test_apply_creates_then_leaves_unchanged_then_configures(kubectl: Kubectl, apply: Apply) -> None:
    """The three words of apply, each true; a second document is none of the first's business."""
    said = [apply(text) for text in (DEPLOYMENT, DEPLOYMENT, DEPLOYMENT.replace("web:1", "web:2") + "---" + CONFIG)]

    assert said == [
        "deployment.apps/web created\n",
        "deployment.apps/web unchanged\n",
        "deployment.apps/web configured\nconfigmap/one created\n",
    ]
    assert kubectl("get", "deployment/web", "-o", IMAGE) == "web:2"


def test_apply_removes_what_its_manifest_no_longer_has_and_keeps_what_others_wrote(
    kubectl: Kubectl, apply: Apply
) -> None:
    """The three-way merge: last applied, manifest, live object."""
    apply(DEPLOYMENT.replace("{app: web}}\nspec", "{app: web, tier: front}}\nspec", 1))
    kubectl("label", "deployment/web", "note=mine")
    kubectl("scale", "deployment/web", "--replicas=3")

    said = apply(DEPLOYMENT.replace("  replicas: 2\n", ""))

    found = kubectl.json("get", "deployment/web")
    assert said == "deployment.apps/web configured\n"
    assert found["metadata"]["labels"] == {"app": "web", "note": "mine"}
    assert found["spec"]["replicas"] == 1  # taken out of the manifest, and defaulted


def test_a_list_is_applied_item_by_item(kubectl: Kubectl, apply: Apply) -> None:
    """Both v1 List and a kind's own list; generateName has no place in apply."""
    of_any = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1}}\n"
    of_any += "- {apiVersion: v1, kind: Secret, metadata: {name: l2}}\n"
    of_one = "apiVersion: v1\nkind: ConfigMapList\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l3}}"
    generated = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {generateName: gen-}}"

    assert apply(of_any) == "configmap/l1 created\nsecret/l2 created\n"
    assert apply(of_one) == "configmap/l3 created\n"
    assert kubectl.fails("apply", "-f", "-", stdin=generated) == (
        "error: from gen-: cannot use generate name with apply\n"
    )
    assert kubectl("get", "cm/l1", "secret/l2", "cm/l3", "-o", "name") == "configmap/l1\nsecret/l2\nconfigmap/l3\n"


def test_a_directory_is_applied_with_what_lies_below_it_if_asked(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    """-R descends."""
    below = tmp_path / "manifests" / "below"
    below.mkdir(parents=True)
    (below.parent / "config.yaml").write_text(CONFIG)
    (below / "web.yaml").write_text(DEPLOYMENT)

    flat = kubectl("apply", "-f", str(below.parent))
    deep = kubectl("apply", "-R", "-f", str(below.parent))

    assert (flat, deep) == ("configmap/one created\n", "deployment.apps/web created\nconfigmap/one unchanged\n")


def test_a_kustomization_is_built_applied_read_and_deleted(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    """Each version builds with its own kustomize; the older one's wants its bases apart, as `bases`."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "web.yaml").write_text(DEPLOYMENT)
    (base / "kustomization.yaml").write_text("resources: [web.yaml]\ncommonLabels: {team: red}\n")
    (tmp_path / "kustomization.yaml").write_text(
        "bases: [base]\nnamePrefix: my-\nimages: [{name: web, newTag: '7'}]\n"
        "configMapGenerator: [{name: settings, literals: [a=b]}]\n"
    )

    made = kubectl("apply", "-k", str(tmp_path))
    again = kubectl("apply", "-k", str(tmp_path))
    web = kubectl.json("get", "deployment/my-web")
    settings = kubectl.json("get", "-k", str(tmp_path))["items"][0]
    gone = kubectl("delete", "-k", str(tmp_path))

    name = settings["metadata"]["name"]
    assert name.startswith("my-settings-")
    assert made == f"configmap/{name} created\ndeployment.apps/my-web created\n"
    assert again == f"configmap/{name} unchanged\ndeployment.apps/my-web unchanged\n"
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "web:7"
    assert web["spec"]["selector"]["matchLabels"] == {"app": "web", "team": "red"}
    assert settings["data"] == {"a": "b"}
    assert gone == f'configmap "{name}" deleted\ndeployment.apps "my-web" deleted\n'


def test_prune_deletes_what_carries_the_label_and_is_not_in_the_manifest(kubectl: Kubectl, apply: Apply) -> None:
    """1.20 prunes kinds that Kubernetes removed since, and stops at the first, unless it is told which."""
    apply(CONFIG + "---" + OTHER)
    kubectl("create", "configmap", "by-hand")
    kubectl("label", "configmap/by-hand", "tier=a")  # not applied, so none of prune's
    prune = ("apply", "--prune", "-l", "tier=a", "-f", "-")

    if kubectl.old:
        assert kubectl.fails(*prune, stdin=CONFIG) == (
            "error: error retrieving RESTMappings to prune: invalid resource extensions/v1beta1, Kind=Ingress, "
            'Namespaced=true: no matches for kind "Ingress" in version "extensions/v1beta1"\n'
        )
    else:
        assert kubectl(*prune, stdin=CONFIG) == "configmap/one unchanged\nconfigmap/two pruned\n"
        apply(OTHER)
    allowed = "--prune-whitelist" if kubectl.old else "--prune-allowlist"
    elsewhere = kubectl(*prune, f"{allowed}=core/v1/Secret", stdin=CONFIG)
    here = kubectl(*prune, f"{allowed}=core/v1/ConfigMap", stdin=CONFIG)

    assert (elsewhere, here) == ("configmap/one unchanged\n", "configmap/one unchanged\nconfigmap/two pruned\n")
    assert kubectl("get", "cm", "-l", "tier=a", "-o", "name") == "configmap/by-hand\nconfigmap/one\n"


def test_a_dry_run_writes_nothing(kubectl: Kubectl, apply: Apply) -> None:
    """The client's merely says so; the server's answers with what would be, defaults and all."""
    client = kubectl("apply", "-f", "-", "--dry-run=client", stdin=DEPLOYMENT)
    server = kubectl("apply", "-f", "-", "--dry-run=server", stdin=DEPLOYMENT)
    shown = kubectl("apply", "-f", "-", "--dry-run=server", "-o", "jsonpath={.spec.strategy.type}", stdin=DEPLOYMENT)
    missing = kubectl("get", "deployment/web", "--ignore-not-found")
    apply(DEPLOYMENT)
    changed = kubectl("apply", "-f", "-", "--dry-run=server", stdin=DEPLOYMENT.replace("web:1", "web:2"))
    bad = kubectl.fails(
        "apply", "-f", "-", "--dry-run=server", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: -2")
    )

    assert client == "deployment.apps/web created (dry run)\n"
    assert server == "deployment.apps/web created (server dry run)\n"
    assert (shown, missing) == ("RollingUpdate", "")
    assert changed == "deployment.apps/web configured (server dry run)\n"
    assert bad == (
        'The Deployment "web" is invalid: spec.replicas: Invalid value: -2: must be greater than or equal to 0\n'
    )
    assert kubectl("get", "deployment/web", "-o", IMAGE) == "web:1"


def test_server_side_apply_names_whom_it_conflicts_with(kubectl: Kubectl) -> None:
    """Manager and field; force takes the field over."""
    server_side = ("apply", "--server-side", "-f", "-")
    changed = DEPLOYMENT.replace("web:1", "web:2")

    first = kubectl(*server_side, stdin=DEPLOYMENT)
    again = kubectl(*server_side, stdin=DEPLOYMENT)
    conflict = kubectl.fails(*server_side, "--field-manager=other", stdin=changed)
    image = kubectl("get", "deployment/web", "-o", IMAGE)
    forced = kubectl(*server_side, "--field-manager=other", "--force-conflicts", stdin=changed)
    shown = () if kubectl.old else ("--show-managed-fields",)
    found = kubectl.json("get", "deployment/web", *shown)

    assert first == again == forced == "deployment.apps/web serverside-applied\n"
    assert conflict.splitlines()[0] == (
        'error: Apply failed with 1 conflict: conflict with "kubectl": '
        '.spec.template.spec.containers[name="web"].image'
    )
    assert image == "web:1"
    fields = {each["manager"]: each["fieldsV1"] for each in found["metadata"]["managedFields"]}
    container = 'k:{"name":"web"}'
    owned = {
        manager: "f:image" in fields[manager]["f:spec"]["f:template"]["f:spec"]["f:containers"][container]
        for manager in ("kubectl", "other")
    }
    assert owned == {"kubectl": False, "other": True}
    assert LAST_APPLIED not in found["metadata"].get("annotations", {})


def test_what_was_last_applied_is_shown_set_and_edited(
    kubectl: Kubectl, apply: Apply, tmp_path: pathlib.Path, editor: Callable[[str], str]
) -> None:
    """view-last-applied, set-last-applied and edit-last-applied touch the annotation alone."""
    apply(CONFIG)
    kubectl("create", "configmap", "raw", "--from-literal=a=b")
    raw = tmp_path / "raw.yaml"
    raw.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: raw}\ndata: {a: b}\n")

    viewed = kubectl.json("apply", "view-last-applied", "configmap/one")
    none = kubectl.fails("apply", "set-last-applied", "-f", str(raw))
    created = kubectl("apply", "set-last-applied", "-f", str(raw), "--create-annotation")
    kubectl_edit = kubectl.run("apply", "edit-last-applied", "configmap/one", KUBE_EDITOR=editor("s/k: v/k: w/"))

    assert viewed == {
        "apiVersion": "v1",
        "data": {"k": "v"},
        "kind": "ConfigMap",
        "metadata": {"annotations": {}, "labels": {"tier": "a"}, "name": "one", "namespace": "default"},
    }
    assert none == (
        "error: no last-applied-configuration annotation found on resource: raw, to create the annotation, "
        "run the command with --create-annotation\n"
    )
    assert (created, kubectl_edit.stdout) == ("configmap/raw configured\n", "configmap/one edited\n")
    assert "a: b" in kubectl("apply", "view-last-applied", "-f", str(raw))
    assert kubectl.json("apply", "view-last-applied", "configmap/one")["data"] == {"k": "w"}
    assert kubectl.json("get", "configmap/one")["data"] == {"k": "v"}


def test_apply_takes_over_what_was_created_otherwise_with_a_warning(kubectl: Kubectl) -> None:
    """The annotation is added, and what apply does not name stays."""
    kubectl("create", "configmap", "one", "--from-literal=a=b")

    done = kubectl.run("apply", "-f", "-", stdin=CONFIG)

    assert done.stdout == "configmap/one configured\n"
    assert f"Warning: resource configmaps/one is missing the {LAST_APPLIED} annotation" in done.stderr
    found = kubectl.json("get", "configmap/one")
    assert found["data"] == {"a": "b", "k": "v"}
    assert LAST_APPLIED in found["metadata"]["annotations"]


def test_an_unknown_field_is_refused_before_anything_is_written(kubectl: Kubectl) -> None:
    """Old clients judge by OpenAPI, new ones let the server judge; either names the field."""
    wrong = DEPLOYMENT.replace("replicas: 2", "replicsa: 2")

    error = kubectl.fails("apply", "-f", "-", stdin=wrong)
    missing = kubectl.fails("get", "deployment/web")
    let_through = kubectl.run("apply", "--validate=false", "-f", "-", stdin=wrong)

    if kubectl.old:
        assert error == (
            'error: error validating "STDIN": error validating data: ValidationError(Deployment.spec): unknown field '
            '"replicsa" in io.k8s.api.apps.v1.DeploymentSpec; if you choose to ignore these errors, turn validation '
            "off with --validate=false\n"
        )
    else:
        assert error == (
            'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be '
            'handled as a Deployment: strict decoding error: unknown field "spec.replicsa"\n'
        )
    assert "NotFound" in missing
    assert let_through.stdout == "deployment.apps/web created\n"
    # 1.20 does not say how strict the server should be, and it warns; 1.32 says: ignore
    assert let_through.stderr == ('Warning: unknown field "spec.replicsa"\n' if kubectl.old else "")


def test_validation_can_warn_or_be_strict(kubectl: Kubectl) -> None:
    """1.20 knows only true and false."""
    wrong = DEPLOYMENT.replace("replicas: 2", "replicsa: 2")

    if kubectl.old:
        assert 'invalid argument "warn" for "--validate" flag' in kubectl.fails(
            "apply", "--validate=warn", "-f", "-", stdin=wrong
        )
        return
    strict = kubectl.fails("apply", "--validate=strict", "-f", "-", stdin=wrong)
    warned = kubectl.run("apply", "--validate=warn", "-f", "-", stdin=wrong)
    again = kubectl.fails("apply", "--validate=strict", "-f", "-", stdin=wrong.replace("replicsa: 2", "replicsa: 3"))

    assert 'strict decoding error: unknown field "spec.replicsa"' in strict
    assert (warned.stdout, warned.stderr) == (
        "deployment.apps/web created\n",
        'Warning: unknown field "spec.replicsa"\n',
    )
    assert again == (
        'The request is invalid: patch: Invalid value: "map[metadata:map[annotations:map['
        f"{LAST_APPLIED}:" + again.split(f"{LAST_APPLIED}:")[1]
    )
    assert again.endswith('strict decoding error: unknown field "spec.replicsa"\n')


@pytest.mark.parametrize(
    ("manifest", "old", "new"),
    [
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x\n",
            "error: error parsing STDIN: error converting YAML to JSON: yaml: line 3: did not find expected "
            "',' or '}'\n",
            None,
        ),
        (
            "---\n{apiVersion: v1, kind: Nonsense, metadata: {name: x}}",
            'error: unable to recognize "STDIN": no matches for kind "Nonsense" in version "v1"\n',
            'error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind '
            '"Nonsense" in version "v1"\nensure CRDs are installed first\n',
        ),
        (
            "---\n{apiVersion: foo/v1, kind: ConfigMap, metadata: {name: x}}",
            'error: unable to recognize "STDIN": no matches for kind "ConfigMap" in version "foo/v1"\n',
            'error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind '
            '"ConfigMap" in version "foo/v1"\nensure CRDs are installed first\n',
        ),
        (
            "---\n{apiVersion: v1, metadata: {name: x}}",
            'error: error validating "STDIN": error validating data: kind not set; if you choose to ignore these '
            "errors, turn validation off with --validate=false\n",
            None,
        ),
        (
            "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: b\0}}",
            "error: error parsing STDIN: error converting YAML to JSON: yaml: control characters are not allowed\n",
            None,
        ),
        (
            '---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: "x\\0y"}}',
            'The ConfigMap "x\\x00y" is invalid: metadata.name: Invalid value: "x\\x00y": a lowercase RFC 1123 '
            "subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with "
            "an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n",
            None,
        ),
    ],
    ids=["yaml", "kind", "version", "no-kind", "control-character", "nul-in-name"],
)
def test_a_bad_manifest_is_refused_in_words_that_say_why(
    kubectl: Kubectl, manifest: str, old: str, new: str | None
) -> None:
    """Most of it by kubectl itself, from what discovery and OpenAPI tell."""
    assert kubectl.fails("apply", "-f", "-", stdin=manifest) == (old if kubectl.old or new is None else new)


def test_a_nul_within_a_value_is_kept(kubectl: Kubectl, apply: Apply) -> None:
    """A string may hold any character, in etcd too."""
    said = apply('---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: "b\\0"}}')

    assert said == "configmap/x created\n"
    assert kubectl.json("get", "configmap/x")["data"] == {"a": "b\0"}


def test_an_immutable_field_is_named(kubectl: Kubectl, apply: Apply) -> None:
    """With the value that was asked for, in Go's notation where Kubernetes has it."""
    apply(DEPLOYMENT + "---" + CONFIG.rstrip() + "\nimmutable: true\n")

    selector = kubectl.fails("apply", "-f", "-", stdin=DEPLOYMENT.replace("app: web", "app: webb"))
    config = kubectl.fails("apply", "-f", "-", stdin=CONFIG.replace("k: v", "k: w"))

    assert selector == (
        'The Deployment "web" is invalid: spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map['
        'string]string{"app":"webb"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable\n'
    )
    assert config == (
        'The ConfigMap "one" is invalid: \n'
        "* immutable: Forbidden: field is immutable when `immutable` is set\n"
        "* data: Forbidden: field is immutable when `immutable` is set\n"
    )
    assert kubectl("get", "configmap/one", "-o", "jsonpath={.data.k}{.immutable}") == "vtrue"
