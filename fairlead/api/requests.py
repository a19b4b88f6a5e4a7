"""What a pod as a whole asks for and may use: the sums of its containers, as schedulers and quotas count them.

Containers run together, init containers one after the other before them, sidecars (init containers that restart)
along with all that come later; the overhead of a runtime class comes on top. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1


def requests(spec: corev1.PodSpec) -> quantity.Amounts:
    """Return what must be kept free for a pod, by resource."""
    return quantity.add(of_containers(spec)[0], quantity.amounts(spec.overhead))


def limits(spec: corev1.PodSpec) -> quantity.Amounts:
    """Return the most that a pod may use, by resource; overhead counts only for what is limited."""
    total = of_containers(spec)[1]
    overhead = quantity.amounts(spec.overhead)
    return {name: amount + overhead.get(name, quantity.ZERO) for name, amount in total.items()}


def of_containers(spec: corev1.PodSpec) -> tuple[quantity.Amounts, quantity.Amounts]:
    """Return what a pod's containers request and may use, without overhead."""
    return (
        _total(spec, lambda one: quantity.amounts(one.resources.requests)),
        _total(spec, lambda one: quantity.amounts(one.resources.limits)),
    )


def _total(spec: corev1.PodSpec, of: Callable[[corev1.Container], quantity.Amounts]) -> quantity.Amounts:
    running: quantity.Amounts = {}
    for container in spec.containers:
        running = quantity.add(running, of(container))
    sidecars: quantity.Amounts = {}
    starting: quantity.Amounts = {}
    for container in spec.initContainers:
        if container.restartPolicy == "Always":
            sidecars = quantity.add(sidecars, of(container))
            starting = quantity.largest(starting, sidecars)
        else:
            starting = quantity.largest(starting, quantity.add(sidecars, of(container)))
    return quantity.largest(quantity.add(running, sidecars), starting)
