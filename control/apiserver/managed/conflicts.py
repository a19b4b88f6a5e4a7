"""The refusal of an apply that would change what others own, in Kubernetes' words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from control.apiserver import field
from control.apiserver.managed.entries import UPDATE, Owner
from fairlead.api import errors, times
from fairlead.api.fields import sets

REASON = "FieldManagerConflict"


class Conflicts(Exception):
    """What an apply would take: owners of nothing but the fields in conflict."""

    def __init__(self, owners: Sequence[Owner]) -> None:
        super().__init__("conflicts")
        self.owners = owners

    def fields(self) -> sets.FieldSet:
        """Return all fields in conflict."""
        found = sets.EMPTY
        for owner in self.owners:
            found = sets.union(found, owner.fields)
        return found

    def without(self, allowed: sets.FieldSet) -> Conflicts | None:
        """Return what is left of the conflicts, None if nothing is."""
        left = [owner.owning(sets.difference(owner.fields, allowed)) for owner in self.owners]
        kept = [owner for owner in left if owner.fields]
        return Conflicts(kept) if kept else None

    def error(self) -> errors.Conflict:
        """Return the error that the caller gets, with a cause a field."""
        found = [(owner, path) for owner in sorted(self.owners, key=_name) for path in sets.paths(owner.fields)]
        causes = [errors.Cause(REASON, f"conflict with {_shown(owner)}", path) for owner, path in found]
        if len(found) == 1:
            owner, path = found[0]
            return errors.Conflict(
                f"Apply failed with 1 conflict: conflict with {_shown(owner)}: {path}", causes=causes
            )
        lines: list[str] = []
        last: Owner | None = None
        for owner, path in found:
            if owner is not last:
                lines.append(f"conflicts with {_shown(owner)}:")
            last = owner
            lines.append(f"- {path}")
        return errors.Conflict(f"Apply failed with {len(found)} conflicts: " + "\n".join(lines), causes=causes)


def _name(owner: Owner) -> tuple[str, ...]:
    return owner.manager, owner.operation, owner.api_version, owner.subresource


def _shown(owner: Owner) -> str:
    text = field.quoted(owner.manager)
    if owner.subresource:
        text += f" with subresource {field.quoted(owner.subresource)}"
    if owner.operation != UPDATE:
        return text
    text += f" using {owner.api_version}"
    return text if owner.time is None else f"{text} at {times.format_seconds(owner.time)}"
