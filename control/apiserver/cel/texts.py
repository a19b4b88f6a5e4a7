"""Functions on strings: the language's string extension, and Kubernetes' regular expressions.

Source: the extension's documentation (cel-go, ext/README) and Kubernetes', "CEL in Kubernetes". Positions count code
points. Pure.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import re2

from control.apiserver.cel import formatting, functions, lists
from fairlead import memo

_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ESCAPES = str.maketrans(
    {code: f"\\{letter}" for code, letter in zip('\a\b\f\n\r\t\v\\"', 'abfnrtv\\"', strict=True)}
)


def char_at(text: str, index: int) -> str:
    """Return the character at an index; the empty text just behind the end."""
    if not 0 <= index <= len(text):
        raise ValueError(f"index out of range: {index}")
    return text[index : index + 1]


def position(values: Any, wanted: Any, start: int = 0) -> int:
    """Return where a text first stands in another, from an index on, or a value in a list; -1 for nowhere."""
    if isinstance(values, list):
        return lists.position(values, wanted)
    if not 0 <= start <= len(values):
        raise ValueError(f"index out of range: {start}")
    return int(values.find(wanted, start))


def last_position(values: Any, wanted: Any, start: int | None = None) -> int:
    """Return where a text last stands in another, beginning no later than an index, or a value in a list; -1."""
    if isinstance(values, list):
        return lists.last_position(values, wanted)
    if start is None:
        return int(values.rfind(wanted))
    if not 0 <= start <= len(values):
        raise ValueError(f"index out of range: {start}")
    return int(values.rfind(wanted, 0, start + len(wanted)))


def joined(values: Sequence[Any], separator: str = "") -> str:
    """Return texts one after the other."""
    if not all(isinstance(each, str) for each in values):
        raise ValueError("no such overload")
    functions.bounded_product(len(values), len(separator))
    return functions.bounded(separator.join(values))


def replaced(text: str, old: str, new: str, limit: int = -1) -> str:
    """Return a text with another put in place of one, at most so many times."""
    functions.bounded_product(text.count(old), len(new))
    return functions.bounded(text.replace(old, new, limit if limit >= 0 else -1))


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Return the parts between separators, at most so many; an empty separator parts all characters."""
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


def part(text: str, start: int, end: int | None = None) -> str:
    """Return a text from one index to before another."""
    stop = len(text) if end is None else end
    if not 0 <= start <= len(text):
        raise ValueError(f"index out of range: {start}")
    if not 0 <= stop <= len(text):
        raise ValueError(f"index out of range: {stop}")
    if start > stop:
        raise ValueError(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


def quoted(text: str) -> str:
    """Return a text between quotation marks, escaped."""
    return f'"{text.translate(_ESCAPES)}"'


@memo.remembered(256, longest=1024)
def _pattern(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(text, options)
    except re2.error as error:
        told = error.args[0] if error.args else error
        raise ValueError(f"Illegal regex: {told.decode() if isinstance(told, bytes) else told}") from None


def found(text: str, pattern: str) -> str:
    """Return the first part that matches; the empty text where none does."""
    match = _pattern(pattern).search(text)
    return match[0] if match else ""


def all_found(text: str, pattern: str, limit: int = -1) -> list[str]:
    """Return the parts that match, at most so many."""
    matches: list[str] = []
    for match in _pattern(pattern).finditer(text):
        if len(matches) == limit:
            break
        matches.append(match[0])
    return matches


FUNCTIONS = (
    functions.function("charAt", char_at, "string.(int) string"),
    functions.function("indexOf", position, "string.(string) int", "string.(string, int) int", "list.(dyn) int"),
    functions.function(
        "lastIndexOf", last_position, "string.(string) int", "string.(string, int) int", "list.(dyn) int"
    ),
    functions.function("join", joined, "list(string).() string", "list(string).(string) string"),
    functions.function("lowerAscii", lambda text: text.translate(_LOWER), "string.() string"),
    functions.function("upperAscii", lambda text: text.translate(_UPPER), "string.() string"),
    functions.function("replace", replaced, "string.(string, string) string", "string.(string, string, int) string"),
    functions.function("split", split, "string.(string) list(string)", "string.(string, int) list(string)"),
    functions.function("substring", part, "string.(int) string", "string.(int, int) string"),
    functions.function("trim", str.strip, "string.() string"),
    functions.function("format", formatting.formatted, "string.(list) string"),
    functions.function("strings.quote", quoted, "(string) string"),
    functions.function("find", found, "string.(string) string"),
    functions.function("findAll", all_found, "string.(string) list(string)", "string.(string, int) list(string)"),
)
