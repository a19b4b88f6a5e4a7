"""The JSON paths of printer columns: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`. Pure.

Source: Kubernetes' documentation, "JSONPath Support", cut to what stands in CustomResourceDefinitions. A path that
cannot be read finds nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from fairlead import memo

Json = Any
Step = Callable[[Json], Sequence[Json]]

_TOKEN = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\]\\])+)
      | \[(?P<index>-?\d+)\]
      | \[(?P<all>\*)\]
      | \['(?P<quoted>[^']*)'\]
      | \[\?\(\s*@(?P<path>\.[^=!\s]+)\s*(?P<sign>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+)\s*\)\]""",
    re.VERBOSE,
)


def find(content: Json, path: str) -> Sequence[Json]:
    """Return everything that a path names."""
    found: Sequence[Json] = [content]
    for step in _steps(path):
        found = [each for one in found for each in step(one)]
    return found


INDEX_DIGITS = 18  # more than any list is long, and what int() reads


@memo.remembered(1024, longest=1024)
def _steps(path: str) -> tuple[Step, ...]:
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return (lambda _: (),)
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return functools.partial(_item, int(match["index"][:INDEX_DIGITS]))
    if match["all"]:
        return _all
    if match["path"]:
        wanted = match["value"].strip("\"'")
        return functools.partial(_chosen, match["path"], match["sign"] == "==", wanted)
    name = match["quoted"] if match["quoted"] is not None else re.sub(r"\\(.)", r"\1", match["name"])
    return functools.partial(_member, name)


def _member(name: str, value: Json) -> Sequence[Json]:
    return [value[name]] if isinstance(value, dict) and name in value else []


def _item(index: int, value: Json) -> Sequence[Json]:
    return [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []


def _all(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []


def _chosen(path: str, equal: bool, wanted: str, value: Json) -> Sequence[Json]:
    """Return the elements of a list whose part is, or is not, a text."""
    if not isinstance(value, list):
        return []
    return [each for each in value if (wanted in map(_plain, find(each, path))) == equal]


def _plain(value: Json) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
