"""What counts against a quota, and which quota counts what."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api import quantity, quotas
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.apiserver import yamls

POD = "{spec: {containers: [{name: a, resources: {requests: {cpu: 1, memory: 1Gi, nvidia.com/gpu: 2},"
POD += " limits: {cpu: 2, nvidia.com/gpu: 2}}}]}, status: {phase: %s}}"
ENDING = "{metadata: {deletionTimestamp: '1970-01-01T00:01:40Z', deletionGracePeriodSeconds: 30}, spec: {}}"


@pytest.mark.parametrize(
    ("kind", "text", "want"),
    [
        (appsv1.Deployment, "{}", "count/deployments.apps=1"),
        (corev1.ConfigMap, "{}", "configmaps=1,count/configmaps=1"),
        (
            corev1.Pod,
            POD % "Running",
            "count/pods=1,cpu=1,limits.cpu=2,memory=1Gi,pods=1,requests.cpu=1,requests.memory=1Gi,"
            "requests.nvidia.com/gpu=2",
        ),
        (corev1.Pod, POD % "Succeeded", "count/pods=1"),
        (corev1.Pod, ENDING, "count/pods=1"),
        (corev1.Service, "{spec: {type: ClusterIP, ports: [{port: 1}]}}", "count/services=1,services=1"),
        (
            corev1.Service,
            "{spec: {type: LoadBalancer, ports: [{port: 1}, {port: 2}]}}",
            "count/services=1,services=1,services.loadbalancers=1,services.nodeports=2",
        ),
    ],
)
def test_usage(kind: Any, text: str, want: str) -> None:
    """Every object counts as one; pods use compute until they have ended; Services take node ports."""
    used = quotas.usage(yamls.read(text, kind), 101.0)

    assert quotas.shown(used, used) == want


@pytest.mark.parametrize(
    ("scopes", "counted"),
    [
        ("{}", ["plain", "limited", "timed", "high"]),
        ("{scopes: [Terminating]}", ["timed"]),
        ("{scopes: [NotTerminating, BestEffort]}", ["plain", "high"]),
        ("{scopes: [NotBestEffort]}", ["limited"]),
        ("{scopes: [PriorityClass]}", ["high"]),
        ("{scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [top]}]}}", ["high"]),
        (
            "{scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: NotIn, values: [top]}]}}",
            ["plain", "limited", "timed"],
        ),
        (
            "{scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: DoesNotExist}]}}",
            ["plain", "limited", "timed"],
        ),
        (
            "{scopeSelector: {matchExpressions: [{scopeName: BestEffort, operator: Exists}]}}",
            ["plain", "timed", "high"],
        ),
    ],
)
def test_scopes(scopes: str, counted: list[str]) -> None:
    """A quota with scopes counts the pods that are in all of them, and nothing else."""
    pods = {
        "plain": "{containers: [{name: a}]}",
        "limited": "{containers: [{name: a, resources: {limits: {cpu: 1}}}]}",
        "timed": "{containers: [{name: a}], activeDeadlineSeconds: 5}",
        "high": "{containers: [{name: a}], priorityClassName: top}",
    }
    spec = yamls.read(scopes, corev1.ResourceQuotaSpec)

    got = [name for name, text in pods.items() if quotas.counts(spec, yamls.read(f"spec: {text}", corev1.Pod))]

    assert got == counted
    assert quotas.counts(spec, corev1.ConfigMap()) == (scopes == "{}")


def test_what_a_quota_limits_must_be_said() -> None:
    """By each container that does not say it, in Kubernetes' words."""
    pod = yamls.read(
        "spec: {containers: [{name: b}, {name: a}, {name: c, resources: {limits: {cpu: 1}, requests: {cpu: 1}}}]}",
        corev1.Pod,
    )

    assert quotas.unspecified(["limits.cpu", "cpu", "pods"], pod) == "cpu for: a,b; limits.cpu for: a,b"
    assert quotas.unspecified(["pods"], pod) == ""


def test_only_what_is_limited_is_exceeded() -> None:
    """At the limit is within it."""
    one, two = quantity.whole(1), quantity.whole(2)

    assert quotas.exceeded({"pods": two, "secrets": two, "services": one}, {"pods": one, "services": one}) == ["pods"]
