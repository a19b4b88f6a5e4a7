"""RuntimeClass: what a pod's runtime costs, and on which nodes it is.

Source: Kubernetes' documentation, "Runtime Class" and "Pod Overhead".
"""

from __future__ import annotations

from control.apiserver.admission import lookup, plugin
from control.store import cache as caches
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import node_v1_pb2 as nodev1


class RuntimeClass(plugin.Plugin):
    """Completes new pods by their runtime class, and refuses overhead that is not the class' own."""

    def __init__(self, cache: caches.Cache) -> None:
        self._classes = lookup.Lookup(cache, nodev1.RuntimeClass)

    async def admit(self, request: plugin.Request) -> None:
        """Take overhead, node selector and tolerations over from the class."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            return
        found = await self._class_of(request, pod)
        if found is None:
            return
        if not pod.spec.overhead:
            quantity.write(quantity.amounts(found.overhead.podFixed), pod.spec.overhead)
        for key, value in found.scheduling.nodeSelector.items():
            own = pod.spec.nodeSelector.get(key, value)
            if own != value:
                raise request.forbidden(
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value};"
                    f" pod.spec.nodeSelector[{key}] = {own}"
                )
            pod.spec.nodeSelector[key] = value
        for toleration in found.scheduling.tolerations:
            if toleration not in pod.spec.tolerations:
                pod.spec.tolerations.append(toleration)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse overhead that does not come from the class."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            return
        overhead = quantity.amounts(pod.spec.overhead)
        if not overhead:
            return
        found = await self._class_of(request, pod)
        if found is None or not found.HasField("overhead"):
            raise request.forbidden(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
        if overhead != quantity.amounts(found.overhead.podFixed):
            raise request.forbidden("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

    async def _class_of(self, request: plugin.Request, pod: corev1.Pod) -> nodev1.RuntimeClass | None:
        name = pod.spec.runtimeClassName
        if not name:
            return None
        found = await self._classes.find(name)
        if found is None:
            raise request.forbidden(f'pod rejected: RuntimeClass "{name}" not found')
        return found
