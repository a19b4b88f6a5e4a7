"""kubectl auth, other names and credentials: who one is, what one may, and what is said to who may not."""

from __future__ import annotations

import base64
import pathlib
import re
from collections.abc import Callable

import pytest
import yaml

from control import pki
from fairlead.testing import cluster as testing
from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import DEPLOYMENT

WARNED = "Warning: resource 'nodes' is not namespace scoped\n"
RULES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: sees-nodes}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
"""


def stranger() -> bytes:
    """Return the certificate of an authority that signed nothing here."""
    return pki.create_authority("stranger").pem


def forbidden(verb: str, resource: str, scope: str = 'in the namespace "default"') -> str:
    """Return what ada is told where she may not."""
    return (
        f'Error from server (Forbidden): {resource} is forbidden: User "ada" cannot {verb} resource "{resource}" '
        f'in API group "" {scope}\n'
    )


def test_can_i_answers_with_a_word_and_an_exit_code(kubectl: Kubectl) -> None:
    """Also for others, subresources, paths and other namespaces."""
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "ada-reads", "--role=reader", "--user=ada")
    asked = "auth", "can-i"

    def answer(*words: str) -> tuple[int, str]:
        done = kubectl.run(*asked, *words)
        return done.returncode, done.stdout

    assert answer("delete", "nodes") == (0, "yes\n")
    assert answer("list", "pods", "--as=ada") == (0, "yes\n")
    assert answer("list", "pods", "--as=ada", "-n", "kube-system") == (1, "no\n")
    assert answer("list", "pods", "--as=ada", "-A") == (1, "no\n")
    assert answer("list", "pods", "--as=bob", "-q") == (1, "")
    assert answer("get", "pods", "--subresource=log", "--as=ada") == (1, "no\n")
    assert answer("get", "pods/any", "--as=ada") == (0, "yes\n")
    assert answer("get", "/healthz", "--as=ada") == (0, "yes\n")
    assert answer("get", "/metrics", "--as=ada") == (1, "no\n")
    assert kubectl.run(*asked, "delete", "nodes").stderr.startswith(WARNED)
    rules = kubectl.rows(*asked, "--list", "--as=ada")
    assert rules[0] == ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]
    assert ["pods", "[]", "[]", "[get list]"] in rules


def test_one_may_be_somebody_else_and_is_told_what_that_one_may_not(kubectl: Kubectl) -> None:
    """A group's role counts; every refusal names user, verb, resource and scope."""
    kubectl("create", "clusterrole", "reader", "--verb=list", "--resource=pods")
    kubectl("create", "rolebinding", "devs-read", "--clusterrole=reader", "--group=devs")

    assert kubectl("get", "pods", "--as=ada", "--as-group=devs") == ""
    assert kubectl.fails("get", "pods", "--as=ada") == forbidden("list", "pods")
    assert kubectl.fails("get", "nodes", "--as=ada") == forbidden("list", "nodes", "at the cluster scope")
    everywhere = kubectl.fails("get", "pods", "-A", "--as=ada", "--as-group=devs")
    assert everywhere == forbidden("list", "pods", "at the cluster scope")
    one = kubectl.fails("delete", "pod", "web", "--as=ada")
    assert one == forbidden("delete", "pods").replace("pods is", 'pods "web" is')
    whoami = "auth", "whoami", "--as=ada", "--as-group=devs"
    if kubectl.old:
        assert 'error: unknown command "whoami"' in kubectl.fails("auth", "whoami")
        return
    assert kubectl.rows(*whoami, "--as-uid=u1") == [
        ["ATTRIBUTE", "VALUE"],
        ["Username", "ada"],
        ["UID", "u1"],
        ["Groups", "[devs system:authenticated]"],
    ]
    own = kubectl.rows("auth", "whoami")
    assert own[1:3] == [["Username", "kubernetes-admin"], ["Groups", "[system:masters system:authenticated]"]]
    assert own[3][0] == "Extra: authentication.kubernetes.io/credential-id"
    assert re.fullmatch(r"\[X509SHA256=[0-9a-f]{64}\]", own[3][1])


def test_reconcile_adds_what_a_role_lacks(kubectl: Kubectl) -> None:
    """And takes away only if told."""
    kubectl("create", "role", "reader", "--verb=get", "--resource=pods")

    made = kubectl.run("auth", "reconcile", "-f", "-", stdin=RULES)
    rules = kubectl.json("get", "role/reader")["rules"]
    again = kubectl.run("auth", "reconcile", "-f", "-", stdin=RULES)
    kubectl("auth", "reconcile", "-f", "-", "--remove-extra-permissions", stdin=RULES)

    both = "role.rbac.authorization.k8s.io/reader", "clusterrole.rbac.authorization.k8s.io/sees-nodes"
    assert made.stdout == again.stdout == "".join(f"{role} reconciled\n" for role in both)
    assert [line.strip() for line in made.stderr.splitlines() if "required" in line] == [
        "reconciliation required update",
        "reconciliation required create",
    ]
    assert [rule["resources"] for rule in rules] == [["pods"], ["configmaps"]]
    assert again.stderr == ""
    assert [rule["resources"] for rule in kubectl.json("get", "role/reader")["rules"]] == [["configmaps"]]


def test_an_editor_edits_its_namespace_and_no_more(kubectl: Kubectl) -> None:
    """The role `edit`, bound in one namespace."""
    kubectl("create", "namespace", "apart")
    kubectl("create", "rolebinding", "ada-edits", "--clusterrole=edit", "--user=ada")

    created = kubectl("apply", "-f", "-", "--as=ada", stdin=DEPLOYMENT)
    scaled = kubectl("scale", "deployment/web", "--replicas=1", "--as=ada")

    assert (created, scaled) == ("deployment.apps/web created\n", "deployment.apps/web scaled\n")
    assert "kube-root-ca.crt" in kubectl("get", "configmaps", "-o", "name", "--as=ada")
    apart = kubectl.fails("get", "configmaps", "-n", "apart", "--as=ada")
    assert apart == forbidden("list", "configmaps", 'in the namespace "apart"')
    role = kubectl.fails("create", "role", "more", "--verb=*", "--resource=pods", "--as=ada")
    assert 'User "ada" cannot create resource "roles" in API group "rbac.authorization.k8s.io"' in role
    assert 'cannot get resource "nodes"' in kubectl.fails("cordon", "node-1", "--as=ada")
    assert kubectl.json("get", "deployment/web")["spec"]["replicas"] == 1


@pytest.fixture
def config(cluster: testing.Threaded, tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Write the administrator's kubeconfig with another user or another cluster."""

    def written(user: object = None, **changed: object) -> pathlib.Path:
        known = yaml.safe_load(cluster.kubeconfig.read_text())
        known["clusters"][0]["cluster"].update(changed)
        known["users"][0]["user"] = user or known["users"][0]["user"]
        path = tmp_path / "other.conf"
        path.write_text(yaml.safe_dump(known))
        return path

    return written


def test_credentials_are_believed_or_not_and_the_server_is_too(
    kubectl: Kubectl, config: Callable[..., pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """A token, a wrong one, none, an authority that did not sign, and a server that is not there."""
    kubectl("create", "serviceaccount", "bot")
    path = "/api/v1/namespaces/default/serviceaccounts/bot/token"
    request = '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":[]}}'
    (tmp_path / "request.json").write_text(request)
    answer = yaml.safe_load(kubectl("create", "--raw", path, "-f", str(tmp_path / "request.json")))

    def told(*made: object, **changed: object) -> str:
        other = Kubectl(kubectl.program, config(*made, **changed), tmp_path)
        return other.fails("get", "pods", "--request-timeout=5s")

    assert told({"token": answer["status"]["token"]}) == forbidden("list", "pods").replace(
        "ada", "system:serviceaccount:default:bot"
    )
    assert told({"token": "nonsense"}) == "error: You must be logged in to the server (Unauthorized)\n"
    strange = told(**{"certificate-authority-data": base64.b64encode(stranger()).decode()})
    assert "x509: certificate signed by unknown authority" in strange
    away = told(server="https://127.0.0.1:1")
    assert "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n" in away


def test_verbose_output_shows_what_is_asked(
    kubectl: Kubectl, cluster: testing.Threaded, config: Callable[..., pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """The request, the answer's code and the bodies, but never the token."""
    other = Kubectl(kubectl.program, config({"token": "nonsense"}), tmp_path)

    said = other.run("get", "--raw", "/api/v1/namespaces/default/pods?limit=5", "-v=8").stderr

    assert f"GET {cluster.url}/api/v1/namespaces/default/pods?limit=5\n" in said
    assert "Authorization: Bearer <masked>" in said
    assert "Response Status: 401 Unauthorized" in said
    body = '"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}'
    assert body in re.sub(r"\s", "", said)
    assert "nonsense" not in said
