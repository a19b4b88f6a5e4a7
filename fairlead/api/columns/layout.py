"""What column layouts are made of: `layout`, and the texts that many kinds' cells share. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"
LIST_MAX = 3  # ports and addresses listed before "+ n more..."
WORKLOAD = "+Containers|+Images|+Selector"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; priority 0 is always shown, 1 in wide tables only."""

    name: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a kind and the function that fills one row of them."""

    columns: tuple[Column, ...]
    cells: Callable[[Any, datetime.datetime], Sequence[str]]


def layout(names: str, cells: Callable[[Any, datetime.datetime], Sequence[str]]) -> Layout:
    """Make a layout from column names separated by `|`; a `+` marks those of wide tables."""
    parsed = [Column(name.lstrip("+").strip(), 1 if name.startswith("+") else 0) for name in names.split("|")]
    return Layout(tuple(parsed), cells)


def human_duration(seconds: float) -> str:
    """Return a duration as kubectl prints ages: 45s, 3m12s, 47m, 5h3m, 2d4h, 3y20d."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def age(time: metav1.Time, now: datetime.datetime) -> str:
    """Return how long ago a time was; `<unknown>` where it is unset."""
    return human_duration(now.timestamp() - time.seconds) if time.HasField("seconds") else UNKNOWN


def created(obj: Any, now: datetime.datetime) -> str:
    """Return the age of an object."""
    return age(obj.metadata.creationTimestamp, now)


def condition(conditions: Sequence[Any], kind: str) -> str:
    """Return the status of a type's condition; empty where there is none."""
    return next((str(one.status) for one in conditions if one.type == kind), "")


def more(items: Sequence[str]) -> str:
    """Return the first few of some texts, and how many more there are."""
    if not items:
        return NONE
    listed = ",".join(items[:LIST_MAX])
    return f"{listed} + {len(items) - LIST_MAX} more..." if len(items) > LIST_MAX else listed


_OPERATORS = {"In": " in", "NotIn": " notin", "Exists": "", "DoesNotExist": ""}


def selector_text(selector: metav1.LabelSelector) -> str:
    """Return a selector as kubectl writes it; `<error>` for one that is none."""
    parts = [f"{key}={value}" for key, value in sorted(selector.matchLabels.items())]
    for rule in selector.matchExpressions:
        if rule.operator not in _OPERATORS:
            return "<error>"
        values = f" ({','.join(rule.values)})" if rule.values else ""
        not_ = "!" if rule.operator == "DoesNotExist" else ""
        parts.append(f"{not_}{rule.key}{_OPERATORS[rule.operator]}{values}")
    return ",".join(parts) or NONE


def containers(template: corev1.PodTemplateSpec) -> tuple[str, str]:
    """Return the names and the images of a template's containers."""
    found = template.spec.containers
    return ",".join(c.name for c in found), ",".join(c.image for c in found)


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as kubectl writes an equality selector: sorted, `<none>` where there are none."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE
