"""An operator, tested: kopf runs it beside the test, and a website becomes what its handlers say."""

import subprocess

import kopf
import kopf.testing
import kubernetes
import pytest

from fairlead.testing import cluster

WEBSITES = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: websites.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: websites, singular: website, kind: Website}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
HOME = {"apiVersion": "example.com/v1", "kind": "Website", "metadata": {"name": "home"}, "spec": {"title": "Hello"}}


@kopf.on.login()
def login(**given: object) -> kopf.ConnectionInfo | None:
    """Be who the kubeconfig says."""
    return kopf.login_with_kubeconfig(**given)


@kopf.on.create("example.com", "v1", "websites")
def publish(spec: kopf.Spec, name: str, patch: kopf.Patch, **_: object) -> None:
    """Say where a website is; the operator under test."""
    patch.status["url"] = f"https://{name}.example.com/{spec['title'].lower()}"


def test_a_website_is_published(fairlead_cluster: cluster.Threaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator sees the website that is made after it has begun, and writes its status."""
    monkeypatch.setenv("KUBECONFIG", str(fairlead_cluster.kubeconfig))
    kubectl = ["kubectl", f"--kubeconfig={fairlead_cluster.kubeconfig}"]
    subprocess.run([*kubectl, "apply", "-f", "-"], input=WEBSITES, text=True, check=True)
    subprocess.run([*kubectl, "wait", "--for=condition=Established", "crd/websites.example.com"], check=True)

    with kubernetes.config.new_client_from_config(str(fairlead_cluster.kubeconfig)) as client:
        websites = kubernetes.dynamic.DynamicClient(client).resources.get(kind="Website")
        with kopf.testing.KopfRunner(["run", "--all-namespaces", __file__]):
            websites.create(HOME, namespace="default")
            seen = websites.watch(namespace="default", timeout=20)
            url = next(event["object"].status.url for event in seen if event["object"].status)

    assert url == "https://home.example.com/hello"
