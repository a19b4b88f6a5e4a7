"""`format` of the language's string extension: `%s %d %f %e %b %x %X %o` and `%%`, with precision. Pure."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from control.apiserver.cel import functions

_CLAUSE = re.compile(r"%(?:\.(\d+))?(.)?", re.DOTALL)
MOST_PRECISION = 100


def formatted(template: str, arguments: list[Any]) -> str:
    """Return a template with its clauses filled in from a list, in order."""
    waiting = iter(arguments)
    made: list[str] = []
    size, last = 0, 0
    for match in _CLAUSE.finditer(template):
        made += [template[last : match.start()], _filled(match, waiting)]
        last = match.end()
        size += len(made[-1])
        if size > functions.MOST_TEXT:
            raise ValueError("result is too large")
    return functions.bounded("".join(made) + template[last:])


def _filled(match: re.Match[str], waiting: Iterator[Any]) -> str:
    precision, clause = match[1], match[2]
    if clause == "%" and precision is None:
        return "%"
    if clause is None:
        raise ValueError("unexpected end of format string")
    if clause not in _CLAUSES:
        raise ValueError(f'could not parse formatting clause: unrecognized formatting clause "{clause}"')
    digits = int(precision) if precision is not None else 6
    if digits > MOST_PRECISION:
        raise ValueError(f"precision {digits} is too large")
    try:
        value = next(waiting)
    except StopIteration:
        raise ValueError("index out of range") from None
    return _CLAUSES[clause](value, digits)


def shown(value: Any, digits: int = 6) -> str:
    """Return any value as `%s` writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return _named(value) or repr(value).removesuffix(".0")
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.timedelta):
        return f"{_plain(value.total_seconds())}s"
    if isinstance(value, list):
        return "[" + ", ".join(shown(each) for each in value) + "]"
    if isinstance(value, Mapping):
        pairs = sorted((shown(key), shown(each)) for key, each in value.items())
        return "{" + ", ".join(f"{key}: {each}" for key, each in pairs) + "}"
    return str(value)


def _named(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return ""


def _plain(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _wrong(clause: str, allowed: str, value: Any) -> ValueError:
    kind = {str: "string", bool: "bool", float: "double", int: "int", list: "list", dict: "map"}.get(type(value), "")
    return ValueError(f"error during formatting: {clause} clause can only be used on {allowed}, was given {kind}")


def _decimal(value: Any, digits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("decimal", "integers", value)
    if isinstance(value, float):
        return _named(value) or str(int(value))
    return str(value)


def _fixed(value: Any, digits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("fixed-point", "doubles", value)
    return _named(float(value)) or f"{value:.{digits}f}"


def _scientific(value: Any, digits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("scientific", "doubles", value)
    return _named(float(value)) or f"{value:.{digits}e}"


def _binary(value: Any, digits: int) -> str:
    if not isinstance(value, int):
        raise _wrong("binary", "integers and bools", value)
    return f"{int(value):b}"


def _octal(value: Any, digits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("octal", "integers", value)
    return f"{value:o}"


def _hexadecimal(value: Any, digits: int) -> str:
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("hex", "integers, byte buffers, and strings", value)
    return f"{value:x}"


_CLAUSES: Mapping[str, Callable[[Any, int], str]] = {
    "s": shown,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": lambda value, digits: _hexadecimal(value, digits).upper(),
}
