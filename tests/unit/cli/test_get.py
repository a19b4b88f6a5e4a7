"""`get`: tables, YAML, JSON, names, selections and watching."""

from __future__ import annotations

import json

from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import served
from tests.unit.cli import objects as made

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {app: web}}\ndata: {a: '1'}\n"


def test_a_table_of_pods(plane: served.Plane) -> None:
    """kubectl's columns; the wide ones with -o wide."""
    made.pod(plane, "web-1", app="web")

    assert plane.out("get", "pods") == (
        "NAME    READY   STATUS    RESTARTS   AGE\n"
        "web-1   1/1     Running   0          2d4h\n"
    )  # fmt: skip
    assert plane.out("get", "po", "-o", "wide") == (
        "NAME    READY   STATUS    RESTARTS   AGE    IP           NODE     NOMINATED NODE   READINESS GATES\n"
        "web-1   1/1     Running   0          2d4h   10.128.1.7   node-1   <none>           <none>\n"
    )


def test_a_table_of_nodes(plane: served.Plane) -> None:
    """Cluster-scoped kinds have no namespace column, not even with -A."""
    made.node(plane, "node-1")

    assert plane.out("get", "nodes", "-A", "-o", "wide") == (
        "NAME     STATUS   ROLES    AGE    VERSION            INTERNAL-IP     EXTERNAL-IP   OS-IMAGE"
        "              KERNEL-VERSION   CONTAINER-RUNTIME\n"
        "node-1   Ready    worker   2d4h   v1.32.0+fairlead   192.168.56.21   <none>        Debian GNU/Linux 12"
        "   6.1.0            podman://4.3.1\n"
    )


def test_several_kinds_are_named_in_their_tables(plane: served.Plane) -> None:
    """As kubectl does: kind, group, name."""
    made.pod(plane, "web-1")
    made.deployment(plane, "web", 2)

    assert plane.out("get", "pod,deploy") == (
        "NAME        READY   STATUS    RESTARTS   AGE\n"
        "pod/web-1   1/1     Running   0          2d4h\n"
        "\n"
        "NAME                  READY   UP-TO-DATE   AVAILABLE   AGE\n"
        "deployment.apps/web   0/2     0            0           2d4h\n"
    )
    assert plane.out("get", "pod/web-1", "deploy/web", "-o", "name") == "pod/web-1\ndeployment.apps/web\n"


def test_one_object_as_yaml(plane: served.Plane) -> None:
    """Keys sorted, strings quoted where they would read as something else."""
    plane.out("apply", "-f", "-", stdin=CONFIG)
    found = plane.call(plane.client.get(corev1.ConfigMap, "settings", "default"))

    assert plane.out("get", "cm", "settings", "-o", "yaml") == (
        "apiVersion: v1\n"
        "data:\n"
        '  a: "1"\n'
        "kind: ConfigMap\n"
        "metadata:\n"
        "  annotations:\n"
        "    kubectl.kubernetes.io/last-applied-configuration: |\n"
        '      {"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"annotations":{},'
        '"labels":{"app":"web"},"name":"settings","namespace":"default"}}\n'
        f'  creationTimestamp: "{json_of(plane)["metadata"]["creationTimestamp"]}"\n'
        "  labels:\n"
        "    app: web\n"
        "  name: settings\n"
        "  namespace: default\n"
        f'  resourceVersion: "{found.metadata.resourceVersion}"\n'
        f"  uid: {found.metadata.uid}\n"
    )


def json_of(plane: served.Plane) -> dict[str, dict[str, str]]:
    """Return the ConfigMap as `-o json` prints it."""
    parsed: dict[str, dict[str, str]] = json.loads(plane.out("get", "cm/settings", "-o", "json"))
    return parsed


def test_several_objects_are_a_list(plane: served.Plane) -> None:
    """kubectl's v1 List, whose resourceVersion is empty; also of none."""
    plane.out("apply", "-f", "-", stdin=CONFIG)

    listed = json.loads(plane.out("get", "cm", "-o", "json"))
    none = json.loads(plane.out("get", "secrets", "-o", "json"))

    assert listed == {
        "apiVersion": "v1",
        "items": [json_of(plane)],
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }
    assert none["items"] == []


def test_selectors_and_namespaces(plane: served.Plane) -> None:
    """-l, --field-selector, -n before or after the verb, and -A with its column."""
    made.pod(plane, "web-1", app="web")
    made.pod(plane, "db-1", app="db", node="node-2")

    assert plane.out("get", "pods", "-l", "app=web", "-o", "name") == "pod/web-1\n"
    assert plane.out("get", "pods", "--field-selector", "spec.nodeName=node-2", "-o", "name") == "pod/db-1\n"
    assert plane.out("get", "pods", "--no-headers", "-A") == (
        "default   db-1    1/1   Running   0   2d4h\ndefault   web-1   1/1   Running   0   2d4h\n"
    )
    for words in (("-n", "kube-system", "get", "pods"), ("get", "pods", "-n", "kube-system")):
        result = plane.cli(*words)
        assert (result.exit_code, result.output) == (0, "No resources found in kube-system namespace.\n")


def test_what_is_not_there(plane: served.Plane) -> None:
    """kubectl's words, and exit code 1 unless told to ignore it."""
    missing = plane.cli("get", "pod", "web-1")
    ignored = plane.cli("get", "pod", "web-1", "--ignore-not-found")
    unknown = plane.cli("get", "podz")

    assert (missing.exit_code, missing.output) == (1, 'Error from server (NotFound): pods "web-1" not found\n')
    assert (ignored.exit_code, ignored.output) == (0, "")
    assert (unknown.exit_code, unknown.output) == (1, 'error: the server doesn\'t have a resource type "podz"\n')


def test_a_bad_selector_is_the_servers_error(plane: served.Plane) -> None:
    """In one line."""
    result = plane.cli("get", "pods", "-l", "a in")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error from server (BadRequest): ")
    assert len(result.stderr.splitlines()) == 1


def test_watching_prints_changes_until_interrupted(plane: served.Plane) -> None:
    """First the table of what is there, then a line for each change, aligned with it; Ctrl-C is exit code 130."""
    pod = made.pod(plane, "web-1")
    watching = plane.start("get", "pods", "-w")
    assert [watching.line(), watching.line()] == [
        "NAME    READY   STATUS    RESTARTS   AGE",
        "web-1   1/1     Running   0          2d4h",
    ]

    fresh = objects.copy(pod)
    fresh.status.containerStatuses[0].ready = False
    fresh.status.containerStatuses[0].restartCount = 1
    plane.call(plane.client.update(fresh, subresource="status"))
    changed = watching.line()
    made.pod(plane, "web-2")
    created = watching.line()

    assert changed == "web-1   0/1     Running   1          2d4h"
    assert created == "web-2   0/1     Pending   0          2d4h"
    code, _, errors = watching.interrupt()
    assert (code, errors) == (130, "")
