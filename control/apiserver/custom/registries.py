"""The registries of custom kinds: made from definitions when first asked for, anew when a definition has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from control.apiserver import registry
from control.apiserver.admission import plugin
from control.apiserver.custom import conversion, shape, strategy, views
from control.apiserver.webhooks import caller
from control.store import cache as caches
from control.store import definitions, interface
from fairlead.api import custom, scheme


@dataclass(slots=True)
class _Made:
    """What was made of one state of a definition; `state` says which."""

    state: tuple[str, int, bytes, bool]
    definition: custom.Definition
    shapes: dict[str, shape.Shape]
    converter: views.Converter
    registries: dict[str, registry.Registry] = field(default_factory=dict)


class CustomRegistries:
    """The registries of all versions of all definitions, as the watch cache shows them."""

    def __init__(
        self,
        store: interface.Store,
        cache: caches.Cache,
        *,
        admission: plugin.Chain,
        now: Callable[[], float],
        calls: caller.Caller,
    ) -> None:
        self._store = store
        self._cache = cache
        self._admission = admission
        self._now = now
        self._calls = calls
        self._made: dict[str, _Made] = {}

    def find(self, kind: scheme.Kind) -> registry.Registry | None:
        """Return the registry of a custom kind at its version; None where nothing defines it any more."""
        made = self._of(kind)
        if made is None or kind.version not in made.shapes:
            return None
        found = made.registries.get(kind.version)
        if found is None:
            found = made.registries[kind.version] = self._registry(made, kind.version)
        return found

    def shape(self, kind: scheme.Kind) -> shape.Shape | None:
        """Return the shape of a custom kind at its version: its schema, for OpenAPI and strict reading."""
        made = self._of(kind)
        return made.shapes.get(kind.version) if made is not None else None

    def stored_as(self, kind: scheme.Kind) -> str:
        """Return the apiVersion that a custom kind's objects are stored as; empty where nothing defines it."""
        made = self._of(kind)
        return f"{kind.group}/{custom.storage_version(made.definition)}" if made is not None else ""

    async def convert(self, obj: Any, kind: scheme.Kind) -> Any:
        """Return a custom resource at another version that its definition serves, defaulted there."""
        made = self._of(kind)
        if obj.kind.version == kind.version or made is None or kind.version not in made.shapes:
            return obj
        (converted,) = await made.converter.convert([obj], kind)
        made.shapes[kind.version].complete(converted)
        return converted

    def _of(self, kind: scheme.Kind) -> _Made | None:
        name = f"{kind.resource}.{kind.group}"
        entry = self._cache.get(definitions.KIND, "", name)
        if entry is None:
            self._made.pop(name, None)
            return None
        definition: Any = entry.object
        meta = definition.metadata
        names = definition.status.acceptedNames.SerializeToString(deterministic=True)
        state = (meta.uid, meta.generation, names, custom.is_true(definition, custom.TERMINATING))
        made = self._made.get(name)
        if made is None or made.state != state:
            shapes = {each.name: shape.shape_of(definition, each.name) for each in definition.spec.versions}
            converter = conversion.converter_of(definition, self._calls)
            made = self._made[name] = _Made(state, definition, shapes, converter)
        return made

    def _registry(self, made: _Made, version: str) -> registry.Registry:
        seen = views.CustomViews(made.shapes, version, custom.storage_version(made.definition), made.converter)
        return registry.Registry(
            strategy.CustomStrategy(made.shapes[version], is_terminating=made.state[-1]),
            self._store,
            self._cache,
            admission=self._admission,
            now=self._now,
            views=seen,
        )
