"""kubectl describe: what it says of an object of each kind, gathered from several reads."""

from __future__ import annotations

import base64
import json
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import EVERY_KIND

# Lines of each, with single spaces; some of what 1.32 says too is in NEWER.
SAID = {
    "service/web": [
        "Selector: app=web", "Type: NodePort", "Port: http 80/TCP", "TargetPort: 8080/TCP",
        "NodePort: http 30011/TCP", "Session Affinity: None", "IP Family Policy: SingleStack",
    ],
    "deployment/web": [
        "Annotations: deployment.kubernetes.io/revision: 1",
        "Replicas: 2 desired | 2 updated | 2 total | 2 available | 0 unavailable",
        "RollingUpdateStrategy: 25% max unavailable, 25% max surge",
        "Image: web:1", "Port: 8080/TCP", "cpu: 100m", "OldReplicaSets: <none>",
        "Available True MinimumReplicasAvailable", "Progressing True NewReplicaSetAvailable",
    ],
    "statefulset/db": ["Replicas: 0 desired | 0 total", "Update Strategy: RollingUpdate", "Partition: 0"],
    "daemonset/agent": ["Node-Selector: disk=none", "Desired Number of Nodes Scheduled: 0", "Image: agent:1"],
    "replicationcontroller/old": ["Replicas: 0 current / 0 desired", "Image: old:1"],
    "job/once": ["Parallelism: 1", "Completions: 1", "batch.kubernetes.io/job-name=once", "Image: once:1"],
    "cronjob/often": ["Schedule: 0 0 1 1 *", "Concurrency Policy: Allow", "Failed Job History Limit: 1"],
    "hpa/web": ["Reference: Deployment/web", "Min replicas: 2", "Max replicas: 3"],
    "pdb/web": ["Min available: 1", "Selector: app=web", "Allowed disruptions: 1", "Desired: 1", "Total: 2"],
    "ingressclass/front": ["Controller: example.com/front"],
    "networkpolicy/web": [
        "PodSelector: app=web", "Allowing ingress traffic:", "To Port: 8080/TCP", "PodSelector: app=front",
        "Not affecting egress traffic", "Policy Types: Ingress",
    ],
    "storageclass/slow": ["Provisioner: example.com/slow", "ReclaimPolicy: Delete", "VolumeBindingMode: Immediate"],
    "pv/disk": ["Finalizers: [kubernetes.io/pv-protection]", "Capacity: 1Gi", "Path: /tmp/disk", "Access Modes: RWO"],
    "pvc/data": ["StorageClass: fast", "Finalizers: [kubernetes.io/pvc-protection]", "Used By: <none>"],
    "configmap/one": ["k:", "v"],
    "secret/key": ["Type: Opaque", "k: 3 bytes"],
    "serviceaccount/robot": ["Image pull secrets: <none>"],
    "quota/few": ["Resource Used Hard", "pods 2 20"],
    "limits/small": ["Container memory - - 64Mi 64Mi -"],
    "endpoints/outside": ["Addresses: 192.0.2.1", "NotReadyAddresses: <none>", "<unset> 80 TCP"],
    "endpointslice/outside": ["AddressType: IPv4", "http 80 TCP", "- Addresses: 192.0.2.1", "Ready: <unset>"],
    "podtemplate/shape": ["Image: shape:1", "API Version: v1"],
    "priorityclass/high": ["Value: 5", "GlobalDefault: false", "Description: first of all"],
    "runtimeclass/fast": ["Handler: crun"],
    "role/reader": ["pods [] [] [get]"],
    "rolebinding/readers": ["Kind: Role", "Name: reader", "User ada"],
    "clusterrole/node-reader": ["nodes [] [] [get]", "[/logs] [] [get]"],
    "clusterrolebinding/node-readers": ["Kind: ClusterRole", "Name: node-reader", "Group crew"],
    "lease/turn": ["Holder Identity: me", "Lease Duration Seconds: 10"],
    "csidriver/csi.example.com": ["Attach Required: true"],
    "csinode/node-1": ["csi.example.com:", "Node ID: n1", "Topology Keys: [zone]"],
    "volumeattachment/attached": ["Attacher: csi.example.com", "Persistent Volume Name: disk", "Attached: false"],
    "validatingwebhookconfiguration/judges": ["Name: judges", "API Version: admissionregistration.k8s.io/v1"],
    "flowschema/mine": ["Matching Precedence: 900"],
    "prioritylevelconfiguration/mine": ["Nominal Concurrency Shares: 3"],
    "namespace/default": [
        "Labels: kubernetes.io/metadata.name=default", "Status: Active", "Name: few", "pods 2 20",
        "Container memory - - 64Mi 64Mi -",
    ],
    "node/node-1": [
        "Roles: <none>", "Taints: <none>", "Unschedulable: false", "InternalIP: 127.0.0.1", "Hostname: node-1",
        "pods: 110", "Operating System: linux",
    ],
}  # fmt: skip
NEWER = {
    "service/web": ["Internal Traffic Policy: Cluster"],
    "job/once": ["Completion Mode: NonIndexed", "Suspend: true", "Pods Statuses: 0 Active / 0 Succeeded / 0 Failed"],
    "priorityclass/high": ["PreemptionPolicy: PreemptLowerPriority"],
    "ingress/web": ["Ingress Class: front", "Default backend: <default>", "web.example"],
}  # fmt: skip


def lines(text: str) -> list[str]:
    """Return the lines of a text, each with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture
def every_kind(kubectl: Kubectl) -> None:
    """An object of each kind."""
    kubectl("create", "-f", str(EVERY_KIND))
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")


def test_each_kind_is_described(kubectl: Kubectl, every_kind: None) -> None:
    """All of one command; parts that belong to other objects (quotas, endpoints, Leases) are found."""
    wanted = {name: said + ([] if kubectl.old else NEWER.get(name, [])) for name, said in SAID.items()}

    parts = re.split(r"\n\n\n(?=Name:)", kubectl("describe", *wanted))

    assert len(parts) == len(wanted)
    for (name, said), part in zip(wanted.items(), parts, strict=True):
        found = lines(part)
        assert found[0] == f"Name: {name.partition('/')[2]}"
        assert {name: [line for line in said if line not in found]} == {name: []}


def test_what_belongs_to_an_object_is_described_with_it(kubectl: Kubectl, every_kind: None) -> None:
    """Backends of an Ingress, events of pods, an owner; what is not there is not found.

    1.20 looks for the endpoints of a default backend that no cluster has, against Kubernetes too.
    """
    names = kubectl("get", "pods", "-l", "app=web", "-o", "name").split()

    ingress = lines(kubectl("describe", "ingress/web"))
    pods = lines(kubectl("describe", "pods", "-l", "app=web"))
    bare = lines(kubectl("describe", names[0], "--show-events=false"))
    replicaset = lines(kubectl("describe", "replicaset", "-l", "app=web"))
    by_prefix = lines(kubectl("describe", "deploy", "we"))
    missing = kubectl.fails("describe", "pod", "nope")

    default = '<error: endpoints "default-http-backend" not found>'
    said = [f"Default backend: default-http-backend:80 ({default})"] if kubectl.old else NEWER["ingress/web"]
    assert {"Name: web", *said} <= set(ingress)
    assert kubectl.old or [line for line in ingress if re.fullmatch(r"/ web:80 \([0-9.:,]*\)", line)] != []
    assert [f"Name: {name.removeprefix('pod/')}" in pods for name in names] == [True, True]
    event = r"Normal Scheduled \S+ default-scheduler Successfully assigned .*"
    assert len([line for line in pods if re.fullmatch(event, line)]) == 2
    assert pods.count("QoS Class: Burstable") == 2
    assert [line for line in pods if line.startswith("Controlled By: ReplicaSet/web-")] != []
    assert [line for line in bare if line.startswith(("Events:", "Normal"))] == []
    assert {"Controlled By: Deployment/web", "Replicas: 2 current / 2 desired", "Image: web:1"} <= set(replicaset)
    assert "Name: web" in by_prefix
    assert missing == 'Error from server (NotFound): pods "nope" not found\n'


def test_a_signing_request_is_described_with_its_subject(kubectl: Kubectl) -> None:
    """kubectl reads the request itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "crew"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "ada"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())
    spec = {
        "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
    }
    body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "ada"}}

    kubectl("create", "-f", "-", stdin=json.dumps({**body, "spec": spec}))

    said = lines(kubectl("describe", "csr", "ada"))
    assert {"Signer: kubernetes.io/kube-apiserver-client", "Status: Pending", "Common Name: ada"} <= set(said)
    assert {"Requesting User: kubernetes-admin", "Organization: crew"} <= set(said)
