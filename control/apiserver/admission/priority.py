"""Priority: the number behind a pod's priority class, and that only one class is everybody's default.

Source: Kubernetes' documentation, "Pod Priority and Preemption".
"""

from __future__ import annotations

from control.apiserver.admission import lookup, plugin
from control.apiserver.strategies import priorityclass
from control.store import cache as caches
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1


class Priority(plugin.Plugin):
    """Gives a pod the priority and the preemption policy of its class."""

    def __init__(self, cache: caches.Cache) -> None:
        self._classes = lookup.Lookup(cache, schedulingv1.PriorityClass)

    async def admit(self, request: plugin.Request) -> None:
        """Set a new pod's priority; an update keeps the old one."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            changed = plugin.updated(request, corev1.Pod)
            if changed is not None:
                _keep(changed.spec, request.old.spec)
            return
        spec = pod.spec
        chosen = await self._chosen(request, spec)
        priority = chosen.value if chosen is not None else 0
        if spec.HasField("priority") and spec.priority != priority:
            raise request.forbidden(
                f"the integer value of priority ({spec.priority}) must not be provided in pod spec; priority"
                f" admission controller computed {priority} from the given PriorityClass name"
            )
        spec.priority = priority
        policy = chosen.preemptionPolicy if chosen is not None and chosen.preemptionPolicy else priorityclass.PREEMPT
        if spec.HasField("preemptionPolicy") and spec.preemptionPolicy != policy:
            raise request.forbidden(
                f"the string value of PreemptionPolicy ({spec.preemptionPolicy}) must not be provided in pod spec;"
                f" priority admission controller computed {policy} from the given PriorityClass name"
            )
        spec.preemptionPolicy = policy

    async def _chosen(self, request: plugin.Request, spec: corev1.PodSpec) -> schedulingv1.PriorityClass | None:
        """Return the class that a pod names, or the default one, whose name the pod then gets."""
        if not spec.priorityClassName:
            default = self._default()
            if default is not None:
                spec.priorityClassName = default.metadata.name
            return default
        name = spec.priorityClassName
        found = self._classes.get(name) or priorityclass.SYSTEM_CLASSES.get(name) or await self._classes.find(name)
        if found is None:
            raise request.forbidden(f"no PriorityClass with name {name} was found")
        return found

    def _default(self) -> schedulingv1.PriorityClass | None:
        """Return the class that is everybody's default; the lowest where there are several by accident."""
        defaults = [one for one in self._classes.all() if one.globalDefault]
        return min(defaults, key=lambda one: one.value, default=None)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse a second default class."""
        made = request.obj
        if request.subresource or not isinstance(made, schedulingv1.PriorityClass) or not made.globalDefault:
            return
        default = self._default()
        if default is not None and (request.operation == "CREATE" or default.metadata.name != made.metadata.name):
            raise request.forbidden(
                f"PriorityClass {default.metadata.name} is already marked as default. Only one default can exist"
            )


def _keep(spec: corev1.PodSpec, before: corev1.PodSpec) -> None:
    """Take the priority over where an update leaves it out."""
    if not spec.HasField("priority") and before.HasField("priority"):
        spec.priority = before.priority
    if not spec.HasField("preemptionPolicy") and before.HasField("preemptionPolicy"):
        spec.preemptionPolicy = before.preemptionPolicy
