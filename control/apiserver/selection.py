"""What of a collection a list or watch wants, and what a watcher sees as objects enter and leave it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from control.apiserver.strategies import strategy as strategies
from control.store.entry import Change, Entry
from fairlead import slices
from fairlead.api import errors, objects, selectors

INITIAL_END = "k8s.io/initial-events-end"
METADATA = ("metadata.name", "metadata.namespace")  # every object can be selected by these
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch; a BOOKMARK has no entry, only the revision that the watch has reached."""

    type: EventType
    entry: Entry | None
    revision: int
    initial_end: bool = False


def bookmark(carrier: type[Any], event: Event) -> Any:
    """Return the object of a BOOKMARK: only its revision, and whether what was there has been told of."""
    mark = carrier()
    mark.metadata.resourceVersion = str(event.revision)
    if event.initial_end:
        mark.metadata.annotations[INITIAL_END] = "true"
    return mark


def _unknown(strategy: strategies.Strategy[Any], field: str) -> str:
    """Return what Kubernetes says of a field that selects nothing; kinds with such fields of their own say less."""
    if strategy.selectable or strategy.kind.message is None:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'


class Selector:
    """Label and field selectors of one request over one kind."""

    def __init__(self, strategy: strategies.Strategy[Any], labels: str = "", fields: str = "") -> None:
        """Parse both; errors.BadRequest for what cannot be understood or is not selectable."""
        try:
            self.labels = selectors.parse(labels)
        except selectors.SelectorError as error:
            raise errors.BadRequest(f"unable to parse requirement: {error}") from None
        try:
            self.fields = selectors.parse_fields(fields)
        except selectors.SelectorError as error:
            raise errors.BadRequest(str(error)) from None
        self._strategy = strategy
        for wanted in self.fields.requirements:
            if wanted.field not in METADATA and wanted.field not in strategy.selectable:
                raise errors.BadRequest(_unknown(strategy, wanted.field))
        # each field is read once, however many conditions there are on it
        self._fields = [
            (name, self.fields.values(name, selectors.EQUALS), self.fields.values(name, selectors.NOT_EQUALS))
            for name in sorted({wanted.field for wanted in self.fields.requirements})
        ]
        self.empty = self.labels.empty and self.fields.empty

    def matches(self, obj: Any) -> bool:
        """Say whether an object is wanted."""
        if self.empty:
            return True
        if not self.labels.empty and not self.labels.matches(obj.metadata.labels):
            return False
        for name, wanted, unwanted in self._fields:
            value = self._strategy.field(obj, name)
            if value in unwanted or not all(value == one for one in wanted):
                return False
        return True

    async def select(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return the entries that are wanted."""
        if self.empty:
            return entries
        return [entry async for entry in slices.sliced(entries) if self.matches(entry.object)]

    def event(self, change: Change) -> Event | None:
        """Return what a watcher sees of a change: an object that leaves the selection is DELETED to it."""
        entry, previous = change.entry, change.previous
        if self.empty:
            return Event(change.type, entry, change.revision)
        before = previous is not None and self.matches(previous.object)
        if change.type == "DELETED":
            return Event("DELETED", entry, change.revision) if before else None
        after = self.matches(entry.object)
        if after:
            return Event("MODIFIED" if before else "ADDED", entry, change.revision)
        if before and previous is not None:
            # its last state within the selection, at the revision of leaving
            gone = Entry(previous.key, previous.kind, objects.copy(previous.object), change.revision)
            return Event("DELETED", gone, change.revision)
        return None
