"""A request's query as what the API server's methods take, judged as Kubernetes judges its options. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from control.apiserver import field, reading
from control.apiserver.managed import managers
from fairlead.api import errors
from fairlead.api.pb import meta_v1_pb2 as metav1

Query = Mapping[str, str]

BOOKMARK_SECONDS = 60.0
MATCHES = ("Exact", "NotOlderThan")
VALIDATIONS = ("Ignore", "Warn", "Strict")
DRY_RUNS = ("All",)


@dataclass(frozen=True, slots=True)
class Writing:
    """How a write is meant; `validation` is what unknown fields of the body lead to."""

    dry_run: bool = False
    manager: str = ""
    validation: str = "Warn"
    force: bool = False


def flag(query: Query, name: str) -> bool:
    """Return an option that is there or not: any value but `false` and `0` sets it."""
    value = query.get(name)
    return value is not None and value.lower() not in ("false", "0")


def number(query: Query, name: str) -> int | None:
    """Return an option that is a number, or None; errors.BadRequest for what is none."""
    value = query.get(name)
    if not value:
        return None
    try:
        found = int(value)
    except ValueError:
        found = 1 << 63
    if not -(1 << 63) <= found < 1 << 63:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    return found


def listing(query: Query, namespace: str) -> reading.ListQuery:
    """Return what a list asks for."""
    version, match, token = (query.get(name, "") for name in ("resourceVersion", "resourceVersionMatch", "continue"))
    faults = []
    if match:
        if token:
            faults.append(_forbidden("resourceVersionMatch", "is forbidden when continue is provided"))
        if not version:
            faults.append(_forbidden("resourceVersionMatch", "is forbidden unless resourceVersion is provided"))
        if match not in MATCHES:
            faults.append(field.unsupported("resourceVersionMatch", match, MATCHES))
        elif match == "Exact" and version == "0":
            faults.append(_forbidden("resourceVersionMatch", '"exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in query:
        faults.append(_forbidden("sendInitialEvents", "is forbidden for list"))
    field.refuse(faults, field.META_GROUP, "ListOptions")
    return reading.ListQuery(
        namespace,
        query.get("labelSelector", ""),
        query.get("fieldSelector", ""),
        max(number(query, "limit") or 0, 0),
        token,
        version,
        match,
    )


def watching(query: Query, namespace: str, name: str = "") -> reading.WatchQuery:
    """Return what a watch asks for; the old form of path may name a single object."""
    match = query.get("resourceVersionMatch", "")
    faults = []
    if "sendInitialEvents" not in query:
        if match:
            why = "is forbidden for watch unless sendInitialEvents is provided"
            faults.append(_forbidden("resourceVersionMatch", why))
    elif match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        faults.append(field.forbidden("resourceVersionMatch", why))
    field.refuse(faults, field.META_GROUP, "ListOptions")
    fields = query.get("fieldSelector", "")
    if name:
        fields = f"{fields},metadata.name={name}" if fields else f"metadata.name={name}"
    return reading.WatchQuery(
        namespace,
        query.get("labelSelector", ""),
        fields,
        query.get("resourceVersion", ""),
        BOOKMARK_SECONDS if flag(query, "allowWatchBookmarks") else 0.0,
        flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
    )


def writing(query: Query, agent: str, options: str) -> Writing:
    """Return how a write is meant; without a fieldManager the caller's program is one, as its User-Agent names it.

    `options` is the kind that an error speaks of, such as CreateOptions.
    """
    dry = query.get("dryRun", "")
    validation = query.get("fieldValidation") or "Warn"
    manager = query.get("fieldManager", "")
    faults = []
    if dry not in ("", *DRY_RUNS):
        faults.append(field.unsupported("dryRun", dry, DRY_RUNS))
    if validation not in VALIDATIONS:
        faults.append(field.unsupported("fieldValidation", validation, VALIDATIONS))
    faults += managers.faults(manager)
    field.refuse(faults, field.META_GROUP, options)
    return Writing(bool(dry), manager or managers.from_agent(agent), validation, flag(query, "force"))


def deletion(query: Query) -> metav1.DeleteOptions:
    """Return what a deletion without a body asks for."""
    options = metav1.DeleteOptions()
    grace = number(query, "gracePeriodSeconds")
    if grace is not None:
        options.gracePeriodSeconds = grace
    if "orphanDependents" in query:
        options.orphanDependents = flag(query, "orphanDependents")
    if query.get("propagationPolicy"):
        options.propagationPolicy = query["propagationPolicy"]
    if query.get("dryRun"):
        options.dryRun.append(query["dryRun"])
    return options


def check_deletion(options: metav1.DeleteOptions) -> None:
    """Refuse a dry run of an unknown kind."""
    faults = [field.unsupported("dryRun", dry, DRY_RUNS) for dry in options.dryRun if dry != "All"]
    field.refuse(faults, field.META_GROUP, "DeleteOptions")


def _forbidden(name: str, why: str) -> errors.Cause:
    return field.forbidden(name, f"{name} {why}")
