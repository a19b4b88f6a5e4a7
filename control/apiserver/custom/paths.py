"""The simple JSON paths of definitions (`.spec.replicas`): reading and writing what they name. Pure."""

from __future__ import annotations

import re
from typing import Any

Json = Any
_STEP = re.compile(r"\.([^.\[\]]+)|\['([^']*)'\]")


def steps(path: str) -> list[str]:
    """Return the names of a path from the root."""
    return [match[1] or match[2] for match in _STEP.finditer(path)]


def read(content: Json, path: str) -> Json:
    """Return what a path names, None where it names nothing."""
    for step in steps(path):
        if not isinstance(content, dict):
            return None
        content = content.get(step)
    return content


def write(content: dict[str, Json], path: str, value: Json) -> None:
    """Set what a path names, making the objects on the way."""
    *parents, last = steps(path)
    for step in parents:
        below = content.get(step)
        if not isinstance(below, dict):
            below = content[step] = {}
        content = below
    content[last] = value
