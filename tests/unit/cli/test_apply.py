"""`apply` against a served API: what it writes, what it leaves alone, and its errors."""

from __future__ import annotations

import json
import pathlib

import pytest

from fairlead.api import objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import apply
from tests.support import served

WEB = "deploy/examples/web.yaml"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "web:1", resources: {limits: {cpu: 1}}}]
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"


def test_applying_twice_writes_nothing(plane: served.Plane) -> None:
    """Neither to a Deployment with defaults nor to a Service with an allocated address and node port."""
    first = plane.out("apply", "-f", WEB)
    revision = plane.revision()
    second = plane.out("apply", "-f", WEB)

    assert first == "deployment.apps/web created\nservice/web created\n"
    assert second == "deployment.apps/web unchanged\nservice/web unchanged\n"
    assert plane.revision() == revision


def test_last_applied_is_recorded_as_kubectl_records_it() -> None:
    """Compact, keys sorted, with an empty annotations field and a line feed; Go escapes what HTML could misread."""
    data = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "ü", "annotations": {apply.LAST_APPLIED: "old", "b": "2", "a": "1"}},
        "data": {"page": "<a & b>", "z": "tab\there", "n": None},
    }

    annotations = apply.with_last_applied(data)["metadata"]["annotations"]

    assert annotations == {
        "b": "2",
        "a": "1",
        apply.LAST_APPLIED: (
            '{"apiVersion":"v1","data":{"n":null,"page":"\\u003ca \\u0026 b\\u003e","z":"tab\\there"},'
            '"kind":"ConfigMap","metadata":{"annotations":{"a":"1","b":"2"},"name":"ü"}}\n'
        ),
    }


def test_a_scaled_deployment_keeps_its_replicas(plane: served.Plane) -> None:
    """Where the file says nothing of replicas, apply has nothing to write."""
    plane.out("apply", "-f", "-", stdin=DEPLOYMENT)
    plane.out("scale", "deploy/web", "--replicas", "5")
    revision = plane.revision()

    again = plane.out("apply", "-f", "-", stdin=DEPLOYMENT)

    assert again == "deployment.apps/web unchanged\n"
    assert plane.revision() == revision
    assert plane.call(plane.client.get(appsv1.Deployment, "web", "default")).spec.replicas == 5


def test_a_field_that_leaves_the_file_leaves_the_object(plane: served.Plane) -> None:
    """What others have added stays: the three-way patch is of last-applied, file and live object."""
    plane.out("apply", "-f", "-", stdin=CONFIG)
    plane.out("apply", "-f", "-", stdin=CONFIG.replace("{a: '1'}", "{a: '1', b: '2'}"))
    live = objects.copy(plane.call(plane.client.get(corev1.ConfigMap, "settings", "default")))
    live.data["theirs"] = "3"
    plane.call(plane.client.update(live))

    said = plane.out("apply", "-f", "-", stdin=CONFIG.replace("{a: '1'}", "{a: '4'}"))

    after = plane.call(plane.client.get(corev1.ConfigMap, "settings", "default"))
    assert said == "configmap/settings configured\n"
    assert dict(after.data) == {"a": "4", "theirs": "3"}
    recorded = json.loads(after.metadata.annotations[apply.LAST_APPLIED])
    assert recorded == {
        "apiVersion": "v1",
        "data": {"a": "4"},
        "kind": "ConfigMap",
        "metadata": {"annotations": {}, "name": "settings", "namespace": "default"},
    }


def test_a_namespace_may_come_with_what_lies_in_it(plane: served.Plane) -> None:
    """In any order: namespaces are written first."""
    inside = CONFIG.replace("{name: settings}", "{name: settings, namespace: team}")
    text = inside + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n"

    assert plane.out("apply", "-f", "-", stdin=text) == "namespace/team created\nconfigmap/settings created\n"


def test_an_object_of_a_coming_namespace_is_checked_before_the_first_write(plane: served.Plane) -> None:
    """The server judges it although its namespace does not exist yet."""
    bad = DEPLOYMENT.replace("{name: web}", "{name: web, namespace: team}", 1).replace(
        "spec:", "spec:\n  replicas: -1", 1
    )
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---" + bad
    revision = plane.revision()

    result = plane.cli("apply", "-f", "-", stdin=text)

    assert result.exit_code == 1
    assert result.stderr == (
        'error: standard input, document 2, Deployment "web": spec.replicas: '
        "Invalid value: -1: must be greater than or equal to 0\n"
    )
    assert plane.revision() == revision


def test_every_fault_of_the_server_is_a_line_and_nothing_is_written(
    plane: served.Plane, tmp_path: pathlib.Path
) -> None:
    """The whole input is tried before the first write; good documents wait for the bad ones to be mended."""
    path = tmp_path / "all.yaml"
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 0}], type: Nodeport}\n"
    path.write_text(CONFIG + "---" + DEPLOYMENT.replace("name: web, image", "name: Web, image") + "---\n" + service)
    revision = plane.revision()

    result = plane.cli("apply", "-f", str(path))

    lines = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (1, "")
    assert lines[0].startswith(
        f'error: {path}, document 2, Deployment "web": spec.template.spec.containers[0].name: Invalid value: "Web": '
    )
    assert [line.split(": ")[2] for line in lines[1:]] == [
        "spec.ports[0].port",
        "spec.ports[0].targetPort",
        "spec.type",
    ]
    assert plane.revision() == revision


def test_an_immutable_field_is_named(plane: served.Plane) -> None:
    """With file, document and object, as every other fault."""
    plane.out("apply", "-f", "-", stdin=DEPLOYMENT)

    result = plane.cli("apply", "-f", "-", stdin=DEPLOYMENT.replace("app: web", "app: other"))

    assert result.exit_code == 1
    assert result.stderr.startswith(
        'error: standard input, document 1, Deployment "web": spec.selector: Invalid value: '
    )
    assert result.stderr.endswith(": field is immutable\n")
    assert len(result.stderr.splitlines()) == 1


def test_folders_files_and_lists_are_read(plane: served.Plane, tmp_path: pathlib.Path) -> None:
    """A folder gives its manifests in the order of their names; -R its subfolders', too."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in ("two", "three")
    ]}))  # fmt: skip
    (tmp_path / "a.yaml").write_text(CONFIG)
    (tmp_path / "deep" / "c.yml").write_text(CONFIG.replace("settings", "four"))
    (tmp_path / "README.md").write_text("no manifest")

    flat = plane.out("apply", "-f", str(tmp_path))
    deep = plane.out("apply", "-R", "-f", str(tmp_path))

    assert flat == "configmap/settings created\nconfigmap/two created\nconfigmap/three created\n"
    assert deep == (
        "configmap/settings unchanged\nconfigmap/two unchanged\nconfigmap/three unchanged\nconfigmap/four created\n"
    )


def test_dry_runs_write_nothing(plane: served.Plane) -> None:
    """Neither the client's nor the server's."""
    revision = plane.revision()

    client = plane.out("apply", "-f", "-", "--dry-run=client", stdin=CONFIG)
    server = plane.out("apply", "-f", "-", "--dry-run=server", stdin=CONFIG)

    assert client == "configmap/settings would be applied (dry run)\n"
    assert server == "configmap/settings created (server dry run)\n"
    assert plane.revision() == revision


def test_a_quantity_written_otherwise_is_no_change(plane: served.Plane) -> None:
    """`cpu: 1` in the file is `cpu: "1"` on the server."""
    plane.out("apply", "-f", "-", stdin=DEPLOYMENT)

    assert plane.out("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            DEPLOYMENT.replace("image:", "imagee:"),
            'standard input, document 1, Deployment "web": unknown field "spec.template.spec.containers[0].imagee"',
        ),
        (
            DEPLOYMENT.replace("spec:\n  selector", "spec:\n  replicas: three\n  selector"),
            'standard input, document 1, Deployment "web": spec.replicas: expected an integer, got "three"',
        ),
        (CONFIG.replace("ConfigMap", "ConfigMop"), 'no matches for kind "ConfigMop" in version "v1"'),
    ],
)
def test_bad_input_is_one_line(plane: served.Plane, text: str, fault: str) -> None:
    """It names file, document, object and field."""
    result = plane.cli("apply", "-f", "-", stdin=text)

    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert fault in result.stderr
