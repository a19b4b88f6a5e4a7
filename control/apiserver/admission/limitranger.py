"""LimitRanger: what a namespace's LimitRanges give to containers that say nothing, and the bounds that they set.

Source: Kubernetes' documentation, "Limit Ranges".
"""

from __future__ import annotations

from collections.abc import Iterator

from control.apiserver.admission import lookup, plugin
from control.store import cache as caches
from fairlead.api import quantity, requests
from fairlead.api.pb import core_v1_pb2 as corev1

ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(plugin.Plugin):
    """Completes new pods, and judges pods and claims."""

    def __init__(self, cache: caches.Cache) -> None:
        self._ranges = lookup.Lookup(cache, corev1.LimitRange)

    async def admit(self, request: plugin.Request) -> None:
        """Give the defaults to a new pod's containers."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            return
        for found in self._ranges.all(request.namespace):
            complete(pod, found)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse what lies outside of the bounds, with everything that is wrong."""
        if request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return
        obj = request.obj
        pod = plugin.created(request, corev1.Pod)
        if pod is None and not isinstance(obj, corev1.PersistentVolumeClaim):
            return
        if request.old is not None and obj.metadata.HasField("deletionTimestamp"):
            return
        for found in self._ranges.all(request.namespace):
            told = pod_faults(pod, found) if pod is not None else claim_faults(obj, found)
            faults = list(dict.fromkeys(told))  # containers may lack the same
            if faults:
                raise request.forbidden(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


def complete(pod: corev1.Pod, found: corev1.LimitRange) -> None:
    """Fill in requests and limits that containers leave out, and note in an annotation which."""
    default_requests: quantity.Amounts = {}
    default_limits: quantity.Amounts = {}
    for item in found.spec.limits:
        if item.type == "Container":
            default_requests |= quantity.amounts(item.defaultRequest)
            default_limits |= quantity.amounts(item.default)
    notes = []
    for noun, containers in (("container", pod.spec.containers), ("init container", pod.spec.initContainers)):
        for container in containers:
            for what, amounts, target in (
                ("request", default_requests, container.resources.requests),
                ("limit", default_limits, container.resources.limits),
            ):
                missing = {name: amount for name, amount in sorted(amounts.items()) if name not in target}
                quantity.write(missing, target)
                if missing:
                    notes.append(f"{', '.join(missing)} {what} for {noun} {container.name}")
    if notes:
        pod.metadata.annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def pod_faults(pod: corev1.Pod, found: corev1.LimitRange) -> Iterator[str]:
    """Iterate over what is out of bounds in a pod."""
    for item in found.spec.limits:
        if item.type == "Container":
            for container in (*pod.spec.containers, *pod.spec.initContainers):
                resources = container.resources
                yield from _faults(item, quantity.amounts(resources.requests), quantity.amounts(resources.limits))
        elif item.type == "Pod":
            yield from _faults(item, *requests.of_containers(pod.spec))


def claim_faults(claim: corev1.PersistentVolumeClaim, found: corev1.LimitRange) -> Iterator[str]:
    """Iterate over what is out of bounds in a claim, which only requests."""
    asked = quantity.amounts(claim.spec.resources.requests)
    for item in found.spec.limits:
        if item.type == "PersistentVolumeClaim":
            for name, bound in sorted(quantity.amounts(item.min).items()):
                yield from _below(name, item.type, bound, asked, {})
            for name, bound in sorted(quantity.amounts(item.max).items()):
                at = f"maximum {name} usage per {item.type} is {bound}"
                if name not in asked:
                    yield f"{at}.  No request is specified"
                elif asked[name] > bound:
                    yield f"{at}, but request is {asked[name]}"


def _faults(item: corev1.LimitRangeItem, asked: quantity.Amounts, limits: quantity.Amounts) -> Iterator[str]:
    for name, bound in sorted(quantity.amounts(item.min).items()):
        yield from _below(name, item.type, bound, asked, limits)
    for name, bound in sorted(quantity.amounts(item.max).items()):
        yield from _above(name, item.type, bound, asked, limits)
    for name, bound in sorted(quantity.amounts(item.maxLimitRequestRatio).items()):
        yield from _apart(name, item.type, bound, asked, limits)


def _below(
    name: str, type_: str, bound: quantity.Quantity, asked: quantity.Amounts, limits: quantity.Amounts
) -> Iterator[str]:
    at = f"minimum {name} usage per {type_} is {bound}"
    if name not in asked:
        yield f"{at}.  No request is specified"
    elif asked[name] < bound:
        yield f"{at}, but request is {asked[name]}"
    elif name in limits and limits[name] < bound:
        yield f"{at}, but limit is {limits[name]}"


def _above(
    name: str, type_: str, bound: quantity.Quantity, asked: quantity.Amounts, limits: quantity.Amounts
) -> Iterator[str]:
    at = f"maximum {name} usage per {type_} is {bound}"
    if name not in limits:
        yield f"{at}.  No limit is specified"
    elif limits[name] > bound:
        yield f"{at}, but limit is {limits[name]}"
    elif name in asked and asked[name] > bound:
        yield f"{at}, but request is {asked[name]}"


def _apart(
    name: str, type_: str, bound: quantity.Quantity, asked: quantity.Amounts, limits: quantity.Amounts
) -> Iterator[str]:
    at = f"{name} max limit to request ratio per {type_} is {bound}"
    if not asked.get(name):
        yield f"{at}, but no request is specified or request is 0"
    elif not limits.get(name):
        yield f"{at}, but no limit is specified or limit is 0"
    elif limits[name].nanos > bound.nanos * asked[name].nanos // quantity.NANO:
        yield f"{at}, but provided ratio is {limits[name].nanos / asked[name].nanos:f}"
