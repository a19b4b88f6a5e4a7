"""The replication controller: ReplicationControllers make pods as ReplicaSets do."""

from __future__ import annotations

from control.controllers import replicaset
from fairlead.api.pb import core_v1_pb2 as corev1


class ReplicationControllerController(replicaset.ReplicaSetController):
    """Keeps the number of pods of each ReplicationController."""

    name = "replication-controller"
    kind = corev1.ReplicationController
