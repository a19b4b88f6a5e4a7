"""A manifest, tested: what is applied becomes what was meant, and nothing of it is refused."""

import pathlib
import subprocess

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import cluster

MANIFEST = pathlib.Path(__file__).parents[1] / "web.yaml"


def test_the_manifest_gives_three_pods_behind_a_service(fairlead_cluster: cluster.Threaded) -> None:
    """Deployment, ReplicaSet, scheduler and endpoints work as in production; only the containers pretend."""
    kubectl = ["kubectl", f"--kubeconfig={fairlead_cluster.kubeconfig}"]

    subprocess.run([*kubectl, "apply", "-f", MANIFEST], check=True)
    subprocess.run([*kubectl, "rollout", "status", "deployment/web", "--timeout=20s"], check=True)

    pods = fairlead_cluster.call(fairlead_cluster.running.client().list(corev1.Pod, "default")).items
    assert {pod.spec.nodeName for pod in pods} == {"node-1", "node-2"}
    endpoints = subprocess.run(
        [*kubectl, "get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "name"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert endpoints.startswith("endpointslice.discovery.k8s.io/web-")
