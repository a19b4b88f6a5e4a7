"""The catalogue: which versions of which kinds are served, and the registry that answers for each.

Built-in kinds stand in it from the start; custom ones come and go with their definitions, as the watch cache
shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from control.apiserver import componentstatus, deprecations, warnings
from control.apiserver import hooks as hooking
from control.apiserver import registry as registries
from control.apiserver.admission import plugin, webhooks
from control.apiserver.custom import registries as custom_registries
from control.apiserver.custom import shape as shapes
from control.apiserver.strategies import table
from control.apiserver.webhooks import caller
from control.store import cache as caches
from control.store import interface
from fairlead.api import conversion, errors, objects
from fairlead.api import scheme as schemes
from fairlead.api.pb import core_v1_pb2 as corev1

_SPECIAL: dict[type[Message], type[registries.Registry]] = {corev1.ComponentStatus: componentstatus.ComponentStatuses}


class Catalogue:
    """The registries of all kinds.

    `admit` makes the chain of admission that every registry's writes pass, which looks kinds up here. `compat` is
    the older release of Kubernetes whose versions are served as well, empty for none.
    """

    def __init__(
        self,
        store: interface.Store,
        cache: caches.Cache,
        *,
        admit: Callable[[webhooks.Versions], plugin.Chain],
        hooks: Mapping[type[Message], hooking.Hooks],
        calls: caller.Caller,
        now: Callable[[], float],
        compat: str,
    ) -> None:
        self._cache = cache
        self._compat = compat
        self.admission = admission = admit(self)
        self._registries: dict[str, registries.Registry] = {
            strategy.kind.prefix: _SPECIAL.get(strategy.message, registries.Registry)(
                strategy, store, cache, admission=admission, now=now, hooks=hooks.get(strategy.message)
            )
            for strategy in (*table.strategies(now), componentstatus.ComponentStatusStrategy())
        }
        self._custom = custom_registries.CustomRegistries(store, cache, admission=admission, now=now, calls=calls)

    @property
    def scheme(self) -> schemes.Scheme:
        """The kinds that this process knows: its own scheme, which follows the definitions of custom resources."""
        return self._cache.scheme

    def served(self) -> Sequence[schemes.Kind]:
        """Return the row of every version of every kind that is served, for discovery."""
        return [kind for kind in self.scheme.versions() if self.serves(kind)]

    def serves(self, kind: schemes.Kind) -> bool:
        """Say whether a version of a kind is served."""
        if kind.message is None:
            return True  # the scheme has no others than those that are established
        return (kind.prefix in self._registries or not kind.stored) and kind.compat in ("", self._compat)

    async def resolve(self, group: str, version: str, resource: str) -> schemes.Kind:
        """Return the row of a path's group, version and plural; errors.NotFound where there is none.

        A kind that this process does not know yet, because another has just established it, is waited for.
        """
        try:
            return self.scheme.by_resource(group, version, resource)
        except schemes.UnknownKind:
            await self._cache.fresh()
        try:
            return self.scheme.by_resource(group, version, resource)
        except schemes.UnknownKind as error:
            raise errors.NotFound(str(error)) from None

    def registry(self, kind: schemes.Kind) -> registries.Registry:
        """Return a kind's registry; errors.NotFound for a kind or a version that is not served."""
        found = self._registries.get(kind.prefix) if kind.message is not None else self.registry_of_custom(kind)
        if found is None or not self.serves(kind):
            raise errors.no_resource()
        if text := deprecations.warning(kind):
            warnings.add(text)
        return found

    def registry_of_custom(self, kind: schemes.Kind) -> registries.Registry | None:
        """Return the registry of a custom kind at its version, served or not; None where nothing defines it."""
        shape = self._custom.shape(kind)
        if shape is not None and shape.deprecation:
            warnings.add(shape.deprecation)
        return self._custom.find(kind)

    def shape(self, kind: schemes.Kind) -> shapes.Shape | None:
        """Return what the definition of a custom kind says of its version, its schema above all; else None."""
        return self._custom.shape(kind) if kind.message is None else None

    def stored_as(self, kind: schemes.Kind) -> str:
        """Return the apiVersion that a kind's objects are stored as, empty where none are."""
        if kind.message is None:
            return self._custom.stored_as(kind)
        return (kind.hub or kind.api_version) if kind.stored else ""

    def unknown_fields(self, kind: schemes.Kind) -> Callable[[Any], Sequence[str]]:
        """Return what finds those fields of a custom resource that its schema does not have, in messages none."""
        shape = self.shape(kind)
        return shape.unknown if shape is not None else lambda _: ()

    async def convert(self, obj: Any, kind: schemes.Kind) -> Any:
        """Return an object of a kind at another version of it; what a subresource carries as it is."""
        if isinstance(obj, objects.Unstructured):
            return await self._custom.convert(obj, kind)
        return conversion.from_hub(conversion.to_hub(obj), kind)

    def default(self, kind: schemes.Kind, obj: Any) -> None:
        """Fill in the defaults of an object of a kind."""
        self.registry(kind).strategy.default(obj)
