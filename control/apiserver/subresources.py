"""Subresources: binding and eviction of pods, scale of workloads, finalize of namespaces, and status.

The API server calls this for authorised users. Each writes its object through the kind's registry, so that
admission, validation and conflicts are the same for all. What is posted is judged by admission as it was sent
(a Binding, an Eviction, a TokenRequest); the write that it brings about is not judged once more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from control.apiserver import eviction, field, patching, registry, tokenrequests, tokens
from control.apiserver import target as targets
from control.apiserver.admission import plugin
from control.apiserver.managed import applying
from control.apiserver.strategies import namespace as namespaces
from control.apiserver.strategies import scaling
from control.apiserver.validation import numbers
from control.store.entry import Entry
from fairlead.api import errors, objects, scheme
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.client.interface import Patch

POSTED = {"binding": corev1.Binding, "eviction": policyv1.Eviction, "token": authenticationv1.TokenRequest}
OWNED = frozenset({"scale", "finalize"})


class Subresources:
    """Carries out what is asked of subresources other than `status`."""

    def __init__(
        self,
        registries: Callable[[scheme.Kind], registry.Registry],
        admission: plugin.Chain,
        now: Callable[[], float],
        issuer: tokens.Issuer | None,
    ) -> None:
        self._registries = registries
        self._admission = admission
        self._now = now
        self._evictions = eviction.Evictions(registries, admission, now)
        self._tokens = tokenrequests.TokenRequests(registries, admission, now, issuer)

    def owns(self, subresource: str) -> bool:
        """Say whether updates and patches of a subresource go here rather than to the object."""
        return subresource in OWNED

    def view(self, entry: Entry, subresource: str) -> Entry:
        """Return what a get of a subresource answers."""
        match subresource:
            case "" | "status":
                return entry
            case "scale":
                scale = self._registries(entry.kind).strategy.scale_of(entry.object)
                return Entry(entry.key, entry.kind, scale, entry.revision)
            case _ if subresource in self._registries(entry.kind).strategy.parts:
                return entry
        raise _no_verb("get", entry.kind, subresource)

    async def post(self, actor: registry.Actor, target: targets.Target, body: Any) -> Entry:
        """Create a subresource; returns what was posted, as an entry at the object's new revision.

        `body` now belongs to the server. A Binding may also be posted to its own collection.
        """
        subresource = target.subresource or "binding"
        if not isinstance(body, POSTED.get(subresource, ())):
            raise errors.BadRequest(f"{type(body).DESCRIPTOR.name} cannot be posted to {subresource}")
        request = plugin.Request(
            actor.user,
            "CREATE",
            target.kind,
            target.namespace,
            target.name,
            target.subresource,
            obj=body,
            dry_run=actor.dry_run,
        )
        await self._admission.admit(request)
        match body:
            case corev1.Binding():
                entry = await self._bind(actor, request)
            case policyv1.Eviction():
                entry = await self._evictions.evict(actor, request)
            case _:
                return await self._tokens.issue(request)
        return Entry(entry.key, entry.kind, body, entry.revision)

    async def update(
        self, actor: registry.Actor, found: registry.Registry, target: targets.Target, body: Any
    ) -> Entry:
        """Replace a subresource."""
        if target.subresource == "finalize":
            return await self._finalize(actor, found, target.name, body)
        if not isinstance(body, autoscalingv1.Scale):
            raise errors.BadRequest(f"the object is a {type(body).DESCRIPTOR.name}, not a Scale")
        scales = dataclasses.replace(actor, through="scale")
        entry = await found.update(scales, target.namespace, target.name, lambda old: _scaled(found, old, body))
        return self.view(entry, "scale")

    async def patch(
        self, actor: registry.Actor, found: registry.Registry, target: targets.Target, patch: Patch
    ) -> Entry:
        """Change a subresource by a patch."""
        if target.subresource != "scale":
            raise _no_verb("patch", found.kind, target.subresource)

        def change(old: Any) -> Any:
            body = patching.apply(patch, found.strategy.scale_before(old))
            assert isinstance(body, autoscalingv1.Scale)
            return _scaled(found, old, body)

        scales = dataclasses.replace(actor, through="scale")
        return self.view(await found.update(scales, target.namespace, target.name, change), "scale")

    async def apply(
        self, actor: registry.Actor, found: registry.Registry, target: targets.Target, applied: applying.Application
    ) -> Entry:
        """Apply a Scale to the object that it is of: its replicas become the manager's."""
        if target.subresource != "scale":
            raise _no_verb("patch", found.kind, target.subresource)
        await found.get(target.namespace, target.name)
        scales = dataclasses.replace(actor, through="scale")
        of_object = dataclasses.replace(applied, config=_scale_config(applied.config, found.kind))

        def refuse() -> None:
            raise found.not_found(target.name)

        entry, _ = await found.apply(scales, target.namespace, target.name, of_object, refuse)
        return self.view(entry, "scale")

    async def _bind(self, actor: registry.Actor, request: plugin.Request) -> Entry:
        """Give a pod its node, once."""
        binding: corev1.Binding = request.obj
        name, target = request.name, binding.target
        if binding.metadata.name not in ("", name):
            raise errors.BadRequest("name in URL does not match name in Binding object")
        faults = [] if target.name else [field.required("target.name")]
        if target.kind not in ("", "Node"):
            faults.insert(0, field.unsupported("target.kind", target.kind, ("Node", "<empty>")))
        field.refuse(faults, "", "Binding", name)
        await self._admission.validate(request)
        now = int(self._now())

        def change(old: corev1.Pod) -> corev1.Pod:
            return bound(old, binding, now)

        pods = self._registries(scheme.DEFAULT.of(corev1.Pod))
        admitted = registry.Actor(actor.user, actor.dry_run, actor.manager, admitted=True)
        return await pods.update(admitted, request.namespace, name, change, "binding")

    async def _finalize(self, actor: registry.Actor, found: registry.Registry, name: str, body: Any) -> Entry:
        strategy = found.strategy
        if not isinstance(strategy, namespaces.NamespaceStrategy) or not isinstance(body, corev1.Namespace):
            raise _no_verb("update", found.kind, "finalize")

        def change(old: corev1.Namespace) -> corev1.Namespace:
            fresh = objects.copy(body)
            strategy.prepare_for_finalize(fresh, old)
            fresh.metadata.resourceVersion = body.metadata.resourceVersion
            field.refuse(strategy.validate_finalize(fresh), found.kind.group, found.kind.kind, name)
            return fresh

        return await found.update(actor, "", name, change, "finalize")


def bound(old: corev1.Pod, binding: corev1.Binding, now: int) -> corev1.Pod:
    """Return a pod with the node that a binding gives it; Conflict where it has one or is being deleted."""
    meta = old.metadata
    if binding.metadata.uid and binding.metadata.uid != meta.uid:
        why = f"Precondition failed: UID in precondition: {binding.metadata.uid}, UID in object meta: {meta.uid}"
        raise errors.conflict("", "pods", meta.name, why)
    if meta.HasField("deletionTimestamp"):
        raise errors.conflict(
            "", "pods/binding", meta.name, f"pod {meta.name} is being deleted, cannot be assigned to a host"
        )
    if old.spec.nodeName:
        why = f'pod {meta.name} is already assigned to node "{old.spec.nodeName}"'
        raise errors.conflict("", "pods/binding", meta.name, why)
    if old.spec.schedulingGates:
        raise errors.conflict("", "pods/binding", meta.name, f"pod {meta.name} has non-empty .spec.schedulingGates")
    pod = objects.copy(old)
    if binding.metadata.resourceVersion:
        pod.metadata.resourceVersion = binding.metadata.resourceVersion
    pod.spec.nodeName = binding.target.name
    pod.metadata.annotations.update(binding.metadata.annotations)
    condition = next((one for one in pod.status.conditions if one.type == "PodScheduled"), None)
    if condition is None:
        condition = pod.status.conditions.add(type="PodScheduled")
    if condition.status != "True":
        condition.lastTransitionTime.seconds = now
    condition.status = "True"
    condition.reason = condition.message = ""
    return pod


def _scale_config(config: dict[str, Any], kind: scheme.Kind) -> dict[str, Any]:
    """Return what an applied Scale says of the object that it is of."""
    said = config.get("apiVersion"), config.get("kind")
    if said != ("autoscaling/v1", "Scale"):
        raise errors.BadRequest(
            f"invalid object type: {said[0]}, Kind={said[1]}, expected: autoscaling/v1, Kind=Scale"
        )
    spec = config.get("spec")
    replicas = {"replicas": spec["replicas"]} if isinstance(spec, dict) and "replicas" in spec else {}
    metadata = config.get("metadata")
    kept = metadata if isinstance(metadata, dict) else {}
    named = {key: value for key, value in kept.items() if key in ("name", "namespace", "uid", "resourceVersion")}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": named, "spec": replicas}


def _scaled(found: registry.Registry, old: Any, scale: autoscalingv1.Scale) -> Any:
    if scaling.UNSET < scale.spec.replicas < 0:
        faults = numbers.not_negative("spec.replicas", scale.spec.replicas)
        raise errors.invalid("autoscaling", "Scale", old.metadata.name, faults)
    fresh = objects.copy(old)
    fresh.metadata.resourceVersion = scale.metadata.resourceVersion or old.metadata.resourceVersion
    if scale.metadata.uid and scale.metadata.uid != old.metadata.uid:
        fresh.metadata.uid = scale.metadata.uid
    found.strategy.set_replicas(fresh, scale.spec.replicas)
    return fresh


def _no_verb(verb: str, kind: scheme.Kind, subresource: str) -> errors.MethodNotAllowed:
    return errors.MethodNotAllowed(f'{verb} is not supported on resources of kind "{kind.resource}/{subresource}"')
