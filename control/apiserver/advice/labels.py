"""Labels of nodes that are deprecated, where selectors and topologies name them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fairlead.api.pb import core_v1_pb2 as corev1

DEPRECATED = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}


def of_selector(labels: Iterable[str], path: str) -> Iterator[str]:
    """Iterate over what is to be said of the keys of a node selector."""
    for key in sorted(labels):
        if key in DEPRECATED:
            yield f"{path}[{key}]: {DEPRECATED[key]}"


def of_term(term: corev1.NodeSelectorTerm, path: str) -> Iterator[str]:
    """Iterate over what is to be said of a term of a node affinity."""
    for index, rule in enumerate(term.matchExpressions):
        if rule.key in DEPRECATED:
            yield f"{path}.matchExpressions[{index}].key: {rule.key} is {DEPRECATED[rule.key]}"
