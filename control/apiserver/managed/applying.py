"""Server-side apply: a configuration merged into an object, what its manager gave up removed, conflicts refused.

Pure but for the tracker's clock. Source: Kubernetes' documentation, "Server-Side Apply".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from control.apiserver.managed import conflicts, content, entries, tracker
from control.apiserver.managed.entries import Owner
from fairlead.api import codec, conversion, errors, objects, scheme
from fairlead.api.fields import comparing, merging, owning, sets
from fairlead.api.fields.typings import Typing

Json = Any
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ANNOTATION_BYTES = 256 * 1024
KUBECTL = "kubectl"
LONG_BYTES = 64 * 1024  # a configuration that is longer is read beside the loop


@dataclass(frozen=True, slots=True)
class Application:
    """What is applied: the configuration, by whom, and whether it may take what others own."""

    config: dict[str, Json]
    manager: str
    force: bool = False
    subresource: str = ""


def read(body: bytes) -> dict[str, Json]:
    """Return the configuration of a request's body, JSON or YAML."""
    try:
        documents = codec.load_yaml_documents(body.decode())
    except (UnicodeDecodeError, codec.DecodeError) as error:
        raise errors.BadRequest(f"error decoding YAML: {error}") from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise errors.BadRequest("error decoding YAML: expected one object")
    return documents[0]


def of_hub(config: dict[str, Json], kind: scheme.Kind) -> dict[str, Json]:
    """Return a configuration of a version that is not stored as its hub has it."""
    if not kind.hub or kind.message is None:
        return config
    said = _kind_text(str(config.get("apiVersion", "")), str(config.get("kind", "")))
    if said != _kind_text(kind.api_version, kind.kind):
        return config  # the applier refuses it
    try:
        hub = conversion.to_hub(codec.from_json(config, kind.message))
    except codec.DecodeError as error:
        raise _unfit(config, said, f".{error}") from None
    return _set_only(codec.to_json(hub), codec.to_json(type(hub)()))


def _set_only(data: dict[str, Json], empty: dict[str, Json]) -> dict[str, Json]:
    """Return JSON without what Go writes for a message that holds nothing."""
    out: dict[str, Json] = {}
    for key, value in data.items():
        nothing = empty.get(key)
        if isinstance(value, dict) and isinstance(nothing, dict):
            value = _set_only(value, nothing)
            if value:
                out[key] = value
        elif key in ("apiVersion", "kind") or key not in empty or value != nothing:
            out[key] = value
    return out


def check_target(applied: Application, namespace: str, name: str) -> None:
    """Refuse a configuration of another object than the request's path names."""
    metadata = applied.config.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise errors.BadRequest("error decoding YAML: metadata: expected an object")
    named = metadata or {}
    if named.get("name", name) != name:
        text = f"the name of the object ({named['name']}) does not match the name on the URL ({name})"
        raise errors.BadRequest(text)
    if namespace and named.get("namespace") not in (None, "", namespace):
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.BadRequest(text)


class Applier:
    """Applies configurations to objects of one kind."""

    def __init__(self, record: tracker.Tracker) -> None:
        self._tracker = record
        self._kind = record.kind

    def apply(self, live: Any, applied: Application) -> Any:
        """Return a new object: the live one with the configuration applied, its managedFields included.

        Conflict where others own what the configuration changes and it does not force; BadRequest where the
        configuration is not of the live object's kind or does not fit it.
        """
        self._check(applied)
        try:
            found = self._apply(live, applied)
        except conflicts.Conflicts as refused:
            left = self._beyond_last_applied(live, applied, refused)
            if left is not None:
                raise left.error() from None
            found = self._apply(live, replace(applied, force=True))
        self._sync_last_applied(live, found, applied)
        return found

    @property
    def _typing(self) -> Typing:
        return self._tracker.strategy.typing()

    def _check(self, applied: Application) -> None:
        config, kind = applied.config, self._kind
        said = _kind_text(str(config.get("apiVersion", "")), str(config.get("kind", "")))
        wanted = _kind_text(kind.api_version, kind.kind)
        if said != wanted:
            raise errors.BadRequest(f"invalid object type: {said}, expected: {wanted}")
        metadata = config.get("metadata")
        if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
            raise errors.BadRequest("metadata.managedFields must be nil")
        found = owning.faults(config, self._typing)
        if found:
            why = found[0] if len(found) == 1 else "errors:" + "".join(f"\n  {one}" for one in found)
            raise _unfit(config, wanted, why)

    def _apply(self, live: Any, applied: Application) -> Any:
        typing, kind = self._typing, self._kind
        owners = self._owners(live)
        reset = self._tracker.strategy.reset_fields(applied.subresource)
        before = content.json_of(live)
        merged = merging.merge(before, applied.config, typing)
        mine = Owner(applied.manager, entries.APPLY, kind.api_version, applied.subresource)
        last = next((owner for owner in owners if owner.identity == mine.identity), None)
        now_owned = sets.recursive_difference(content.owned(applied.config, typing), reset)
        mine = replace(mine, fields=now_owned, time=last.time if last else None)
        others = [owner for owner in owners if owner is not last]
        pruned = _pruned(merged, [*others, mine], last, typing)
        changed = self._read(pruned, live, applied.config)
        after = content.json_of(changed)
        comparison = comparing.compare(content.stripped(before), content.stripped(after), typing).excluding(reset)
        others = _taken(others, comparison, force=applied.force)
        if not objects.same_json(before, after):
            mine = replace(mine, time=self._tracker.time())
        tracker.store(changed, entries.capped([owner for owner in (*others, mine) if owner.fields]))
        return changed

    def _owners(self, live: Any) -> list[Owner]:
        """Return who owns what of an object; of one without a record, `before-first-apply` owns all."""
        owners = tracker.decoded(live.metadata.managedFields)
        if owners or not live.metadata.uid:
            return owners
        reset = self._tracker.strategy.reset_fields("")
        fields = content.changes(content.empty(live), live, self._typing, reset).taken()
        time = self._tracker.time()
        return [Owner(entries.BEFORE_FIRST_APPLY, entries.UPDATE, self._kind.api_version, "", time, fields)]

    def _read(self, data: dict[str, Json], live: Any, config: dict[str, Json]) -> Any:
        try:
            return content.from_json(data, live)
        except codec.DecodeError as error:
            wanted = _kind_text(self._kind.api_version, self._kind.kind)
            raise _unfit(config, wanted, f".{error}") from None

    def _beyond_last_applied(
        self, live: Any, applied: Application, refused: conflicts.Conflicts
    ) -> conflicts.Conflicts | None:
        """Return the conflicts that are not kubectl's own, from when it applied on the client's side."""
        text = live.metadata.annotations.get(LAST_APPLIED, "")
        if applied.manager != KUBECTL or not text:
            return refused
        try:
            config = orjson.loads(text)
        except orjson.JSONDecodeError:
            return refused
        if not isinstance(config, dict) or config.get("apiVersion") != self._kind.api_version:
            return refused
        typing = self._typing
        if owning.faults(config, typing):
            return refused
        comparison = comparing.compare(config, content.json_of(live), typing)
        allowed = content.owned(config, typing)
        for changed in (comparison.modified, comparison.added, comparison.removed):
            allowed = sets.difference(allowed, changed)
        return refused.without(allowed)

    def _sync_last_applied(self, live: Any, changed: Any, applied: Application) -> None:
        """Keep the annotation of client-side apply in step, where there is one and kubectl applies."""
        if applied.manager != KUBECTL or not live.metadata.annotations.get(LAST_APPLIED):
            return
        config = dict(applied.config)
        metadata = dict(config.get("metadata") or {})
        metadata["annotations"] = {
            key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED
        }
        config["metadata"] = metadata
        text = orjson.dumps(config, option=orjson.OPT_SORT_KEYS).decode() + "\n"
        size = sum(len(key) + len(value) for key, value in changed.metadata.annotations.items())
        fits = size - len(changed.metadata.annotations.get(LAST_APPLIED, "")) + len(text) <= MAX_ANNOTATION_BYTES
        changed.metadata.annotations[LAST_APPLIED] = text if fits else ""


def _taken(owners: list[Owner], comparison: comparing.Comparison, *, force: bool) -> list[Owner]:
    """Return the others once an apply took what it changed; Conflicts where it may not."""
    taken = comparison.taken()
    disputed = [owner.owning(both) for owner in owners if (both := sets.intersection(owner.fields, taken))]
    if disputed and not force:
        raise conflicts.Conflicts(disputed)
    lost = sets.union(taken, comparison.removed)
    return [tracker.without(owner, lost) for owner in owners]


def _pruned(merged: dict[str, Json], owners: list[Owner], last: Owner | None, typing: Typing) -> dict[str, Json]:
    """Return the object without what its applier owned, no longer applies, and nobody else owns."""
    if last is None or not last.fields:
        return merged
    before = owning.named(last.fields, typing)
    pruned = merging.remove(merged, before, typing)
    everything = owning.named(content.owned(merged, typing), typing)
    kept = owning.named(content.owned(pruned, typing), typing)
    managed = sets.EMPTY
    for owner in owners:
        managed = sets.union(managed, owner.fields)
    wanted = sets.union(kept, owning.named(managed, typing))
    pruned = merging.remove(merged, sets.difference(everything, wanted), typing)
    kept = owning.named(content.owned(pruned, typing), typing)
    return merging.remove(merged, sets.intersection(sets.difference(everything, kept), before), typing)


def _kind_text(api_version: str, kind: str) -> str:
    """Return a kind as Go prints one: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`."""
    return f"{api_version if '/' in api_version else '/' + api_version}, Kind={kind}"


def _unfit(config: dict[str, Json], kind: str, why: str) -> errors.BadRequest:
    metadata = config.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    where = f"{named.get('namespace', '')}/{named.get('name', '')}; {kind}"
    return errors.BadRequest(f"failed to create typed patch object ({where}): {why}")
