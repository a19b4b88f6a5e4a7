"""What column layouts are made of: `layout`, and the texts that many kinds' cells share. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"
LIST_MAX = 3  # ports and addresses listed before "+ n more..."

# What stands in a table: integers, booleans and texts, as Kubernetes' printers write them.
Cell = str | int | float | bool | None
Row = Sequence[Cell]
Filler = Callable[[Any, datetime.datetime], Row]
WORKLOAD = "+Containers|+Images|+Selector"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; priority 0 is always shown, 1 in wide tables only. `description` is a definition's own, if any."""

    name: str
    priority: int = 0
    type: str = "string"
    format: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a kind and the function that fills one row of them.

    `order` is the key by which a list's rows are sorted, where they do not stand in the list's own order.
    """

    columns: tuple[Column, ...]
    cells: Filler
    order: Callable[[Any], Any] | None = None


def layout(columns: str, cells: Filler, order: Callable[[Any], Any] | None = None) -> Layout:
    """Make a layout from columns separated by `|`: `Name`, `+IP` of wide tables, `Ready:integer`, `Name:string/name`.

    The type is what Kubernetes' definition says, and need not be that of the cells: counts stand in columns of texts.
    """
    return Layout(tuple(_column(text) for text in columns.split("|")), cells, order)


def _column(text: str) -> Column:
    name, _, kind = text.removeprefix("+").partition(":")
    type_, slash, format_ = kind.partition("/")
    default = "name" if name == "Name" else ""
    return Column(name, int(text.startswith("+")), type_ or "string", format_ if slash else default)


def text(cell: Cell) -> str:
    """Return a cell as kubectl prints it."""
    if cell is None:
        return ""
    return ("true" if cell else "false") if isinstance(cell, bool) else str(cell)


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


def age(time: metav1.Time | metav1.MicroTime, now: datetime.datetime) -> str:
    """Return how long ago a time was; `<unknown>` where it is unset."""
    return human_duration(now.timestamp() - time.seconds) if time.HasField("seconds") else UNKNOWN


def created(obj: Any, now: datetime.datetime) -> str:
    """Return the age of an object."""
    return age(obj.metadata.creationTimestamp, now)


def condition(conditions: Sequence[Any], kind: str) -> str:
    """Return the status of a type's condition; empty where there is none."""
    return next((str(one.status) for one in conditions if one.type == kind), "")


def more(items: Sequence[str], *, nothing: str = "") -> str:
    """Return the first few of some texts, and how many more there are; `nothing` where that is empty."""
    listed = ",".join(items[:LIST_MAX])
    return f"{listed} + {len(items) - LIST_MAX} more..." if len(items) > LIST_MAX else listed or nothing


def amount(value: quantity.Stringed) -> str:
    """Return an amount in canonical form, or as it is written where it is none."""
    try:
        return str(quantity.of(value))
    except quantity.QuantityError:
        return value.string


_WITH_VALUES = {"In": "in", "NotIn": "notin"}
_ALONE = {"Exists": "", "DoesNotExist": "!"}


def selector_text(selector: metav1.LabelSelector, *, wrong: str = "<error>", nothing: str = NONE) -> str:
    """Return a selector as kubectl writes it, by key; `wrong` for one that is none, `nothing` for an empty one."""
    rules = [(key, f"{key}={value}") for key, value in selector.matchLabels.items()]
    for rule in selector.matchExpressions:
        if rule.operator in _WITH_VALUES and rule.values:
            rules.append((rule.key, f"{rule.key} {_WITH_VALUES[rule.operator]} ({','.join(sorted(rule.values))})"))
        elif rule.operator in _ALONE and not rule.values:
            rules.append((rule.key, f"{_ALONE[rule.operator]}{rule.key}"))
        else:
            return wrong
    return ",".join(text for _, text in sorted(rules, key=lambda rule: rule[0])) or nothing


def containers(template: corev1.PodTemplateSpec) -> tuple[str, str]:
    """Return the names and the images of a template's containers."""
    found = template.spec.containers
    return ",".join(c.name for c in found), ",".join(c.image for c in found)


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as kubectl writes an equality selector: sorted, `<none>` where there are none."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE
