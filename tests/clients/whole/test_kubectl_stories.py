"""Stories of several verbs: a deployment's life, a namespace's end, quotas and limits, Pod Security."""

from __future__ import annotations

import pytest

from tests.clients.whole.conftest import Kubectl

LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: small, namespace: apart}
spec: {limits: [{type: Container, max: {cpu: 500m}, default: {cpu: 200m}, defaultRequest: {cpu: 100m}}]}
"""
BIG = """
apiVersion: v1
kind: Pod
metadata: {name: big, namespace: apart}
spec: {containers: [{name: main, image: "main:1", resources: {limits: {cpu: "1"}}}]}
"""
VIOLATED = (
    'allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "web" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "web" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)


@pytest.fixture
def apart(kubectl: Kubectl) -> str:
    """A namespace that pods can be made in."""
    kubectl("create", "namespace", "apart")
    kubectl.until("get", "serviceaccounts", "-n", "apart", "-o", "name", says="serviceaccount/default\n")
    return "--namespace=apart"


def test_a_deployments_life(kubectl: Kubectl) -> None:
    """Created, exposed, scaled, rolled, paused, undone and deleted with all that it had."""
    kubectl("create", "deployment", "web", "--image=web:1", "--port=80")
    kubectl("expose", "deployment/web")
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("set", "image", "deployment/web", "web=web:2")
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "env", "deployment/web", "A=1")
    kubectl("rollout", "resume", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    ready = "jsonpath={.items[*].status.containerStatuses[0].ready}"
    kubectl.until("get", "pods", "-l", "app=web", "-o", ready, says="true true true")
    images = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.containers[*].image}")

    deleted = kubectl(
        "delete", "deployment/web", "service/web", "--cascade=" + ("true" if kubectl.old else "foreground")
    )

    assert images == "web:1 web:1 web:1"
    assert deleted == 'deployment.apps "web" deleted\nservice "web" deleted\n'
    kubectl.until("get", "deployments,replicasets,pods", "-l", "app=web", "-o", "name", says="")


def test_a_namespace_goes_with_everything_in_it(kubectl: Kubectl, apart: str) -> None:
    """kubectl waits until it is gone; afterwards nothing can be made in it."""
    kubectl("create", "deployment", "web", "--image=web:1", apart)
    kubectl("create", "configmap", "one", apart)

    said = kubectl("delete", "namespace", "apart")

    assert said == 'namespace "apart" deleted\n'
    assert kubectl.fails("get", "namespace", "apart") == (
        'Error from server (NotFound): namespaces "apart" not found\n'
    )
    assert kubectl("get", "all,configmaps", apart, "-o", "name") == ""
    late = kubectl.fails("create", "configmap", "two", apart)
    assert late.endswith('namespaces "apart" not found\n')


def test_a_quota_and_limits_are_told(kubectl: Kubectl, apart: str) -> None:
    """What one pod may have is filled in or refused; the second is one too many."""
    kubectl("apply", "-f", "-", stdin=LIMITS)
    kubectl("create", "quota", "few", "--hard=pods=1", apart)
    kubectl.until("get", "quota", "few", apart, "-o", "jsonpath={.status.used.pods}", says="0")

    big = kubectl.fails("create", "-f", "-", stdin=BIG)
    kubectl("run", "one", "--image=web:1", apart)
    resources = kubectl.json("get", "pod", "one", apart)["spec"]["containers"][0]["resources"]
    second = kubectl.fails("run", "two", "--image=web:1", apart)
    described = kubectl.rows("describe", "quota", "few", apart)

    assert big == (
        'Error from server (Forbidden): error when creating "STDIN": pods "big" is forbidden: '
        "maximum cpu usage per Container is 500m, but limit is 1\n"
    )
    assert resources == {"limits": {"cpu": "200m"}, "requests": {"cpu": "100m"}}
    assert second == (
        'Error from server (Forbidden): pods "two" is forbidden: exceeded quota: few, requested: pods=1, '
        "used: pods=1, limited: pods=1\n"
    )
    assert ["pods", "1", "1"] in described


def test_pod_security_warns_and_refuses(kubectl: Kubectl, apart: str) -> None:
    """A workload is warned of, a pod refused, with all that it lacks."""
    label = "pod-security.kubernetes.io"
    kubectl("label", "namespace", "apart", f"{label}/warn=restricted", f"{label}/enforce=restricted")

    warned = kubectl.run("create", "deployment", "web", "--image=web:1", apart)
    refused = kubectl.fails("run", "web", "--image=web:1", apart)

    assert (warned.returncode, warned.stdout) == (0, "deployment.apps/web created\n")
    assert warned.stderr == f'Warning: would violate PodSecurity "restricted:latest": {VIOLATED}\n'
    assert refused == (
        'Error from server (Forbidden): pods "web" is forbidden: '
        f'violates PodSecurity "restricted:latest": {VIOLATED}\n'
    )
