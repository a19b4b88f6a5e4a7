"""Steps of paths to fields: a field's name, the keys of a list's element, an element's value, or its index.

`f:name`, `k:{"name":"web"}`, `v:"a"`, `i:0` in FieldsV1; `.name`, `[name="web"]`, `[="a"]`, `[0]` in texts.
"""

from __future__ import annotations

from typing import Any

import orjson

Json = Any
FIELD, KEYS, VALUE, INDEX = "f:", "k:", "v:", "i:"
_ORDER = {"f": 0, "k": 1, "v": 2, "i": 3}
# Values of several types are ordered by type first.
_TYPES = {float: 0, int: 0, str: 1, bool: 2, type(None): 3}


def of_keys(keys: dict[str, Json]) -> str:
    """Return the step to the element of a list that has these keys."""
    return KEYS + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def of_value(value: Json) -> str:
    """Return the step to the element of a set that is this value."""
    return VALUE + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def is_step(text: str) -> bool:
    """Say whether a text is a step."""
    if text.startswith(FIELD):
        return True
    try:
        value = orjson.loads(text[2:])
    except orjson.JSONDecodeError:
        return False
    match text[:2]:
        case "k:":
            return isinstance(value, dict) and not any(isinstance(one, dict | list) for one in value.values())
        case "v:":
            return not isinstance(value, dict | list)
        case "i:":
            return type(value) is int
    return False


def text(step: str) -> str:
    """Return a step as error texts show it."""
    if step.startswith(FIELD):
        return "." + step[2:]
    value = orjson.loads(step[2:])
    if step.startswith(KEYS):
        return "[" + ",".join(f"{name}={_shown(value[name])}" for name in sorted(value)) + "]"
    return f"[={_shown(value)}]" if step.startswith(VALUE) else f"[{value}]"


def _shown(value: Json) -> str:
    return orjson.dumps(value).decode()


def rank(step: str) -> tuple[Any, ...]:
    """Return what puts steps into Kubernetes' order: names, keys, values, each by what they hold."""
    if step == ".":
        return (-1,)
    if step.startswith(FIELD):
        return (0, step)
    value = orjson.loads(step[2:])
    if step.startswith(KEYS):
        return (1, *((name, *_ranked(value[name])) for name in sorted(value)))
    return (_ORDER[step[0]], *_ranked(value))


def _ranked(value: Json) -> tuple[int, Any]:
    return _TYPES[type(value)], 0 if value is None else value


def quoted(name: str) -> str:
    """Return a name between quotes."""
    return _shown(name)
