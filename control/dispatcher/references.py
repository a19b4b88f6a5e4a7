"""What a pod's node must be given with the pod: the ConfigMaps and Secrets that its spec names.

Pure. The rules are those of Kubernetes' node authorizer: a node sees what its pods name, and nothing else.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from fairlead.api import references
from fairlead.api.pb import core_v1_pb2 as corev1

CONFIG_MAPS = "configmaps"
SECRETS = "secrets"


class Key(NamedTuple):
    """An object by its place in the API; `namespace` is empty for a cluster-scoped one."""

    resource: str
    namespace: str
    name: str


def of_pod(pod: corev1.Pod) -> frozenset[Key]:
    """Return what a pod refers to, whether it exists or not."""
    namespace = pod.metadata.namespace
    config_maps = {Key(CONFIG_MAPS, namespace, name) for name in references.config_maps(pod.spec)}
    secrets = {Key(SECRETS, namespace, name) for name in references.secrets(pod.spec)}
    return _shared(frozenset(config_maps | secrets))


@functools.lru_cache(maxsize=1024)
def _shared(found: frozenset[Key]) -> frozenset[Key]:
    """Return one object for all that are equal: the pods of a workload refer to the same."""
    return found
