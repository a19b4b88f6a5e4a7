"""TaintNodesByCondition: a new node takes no pods until the node lifecycle controller has seen it ready."""

from __future__ import annotations

from control.apiserver.admission import plugin
from fairlead.api import taints
from fairlead.api.pb import core_v1_pb2 as corev1


class TaintNodesByCondition(plugin.Plugin):
    """Taints every new Node as not ready; the controller takes the taint away by the node's conditions."""

    async def admit(self, request: plugin.Request) -> None:
        """Add the taint where it is missing."""
        node = plugin.created(request, corev1.Node)
        if node is None:
            return
        if not any((one.key, one.effect) == (taints.NOT_READY, taints.NO_SCHEDULE) for one in node.spec.taints):
            node.spec.taints.add(key=taints.NOT_READY, effect=taints.NO_SCHEDULE)
