"""What is wrong with a text that is no JSON, in the words of Go's decoder, which users know and search for. Pure."""

from __future__ import annotations

import json
import re

ENDED = "unexpected end of JSON input"
TOO_DEEP = "exceeded max depth"
LITERALS = ("true", "false", "null")
_OPENING, _CLOSING = ("[", "{"), ("]", "}")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]')
_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}


class _ConstantError(Exception):
    """A number that Python takes and JSON does not have."""


def told(data: bytes | str) -> str:
    """Return `invalid character '}' looking for beginning of value`; "" where the text is JSON.

    The place is Python's parser's: it reads a text only to find why it cannot be read.
    """
    text = data if isinstance(data, str) else data.decode(errors="replace")
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return _in_go_words(error)
    except _ConstantError as error:
        return str(error)
    except RecursionError:
        return TOO_DEEP
    except ValueError as error:  # a number of thousands of digits
        return str(error)
    return ""


def _no_constant(name: str) -> None:
    where = "in numeric literal" if name.startswith("-") else "looking for beginning of value"
    raise _ConstantError(f"invalid character {_quoted(name.lstrip('-')[0])} {where}")


def _in_go_words(error: json.JSONDecodeError) -> str:
    text, at, what = error.doc, error.pos, error.msg
    if what.startswith("Illegal trailing comma"):
        what, at = ("Expecting value" if what.endswith("array") else "Expecting property"), at + 1
    if what.startswith("Unterminated"):
        return ENDED
    if what.startswith("Invalid control character"):
        return _wrong(text, at, "in string literal")
    if what.startswith("Invalid \\u"):
        return _bad_unicode(text, text.rfind("\\u", 0, at + 2) + 2)
    if what.startswith("Invalid \\"):
        return _wrong(text, at + 1, "in string escape code")
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if what.startswith("Expecting value"):
        return _no_value(text, at)
    if what.startswith("Expecting property"):
        return _wrong(text, at, "looking for beginning of object key string")
    if what.startswith("Expecting ':'"):
        return _wrong(text, at, "after object key")
    if text[at - 1 : at].isdigit() and text[at : at + 1] in ("e", "E", "."):
        return _bad_number(text, at)
    if what.startswith("Extra data"):
        return _wrong(text, at, "after top-level value")
    return _wrong(text, at, "after object key:value pair" if _innermost(text, at) == "{" else "after array element")


def _wrong(text: str, at: int, where: str) -> str:
    return f"invalid character {_quoted(text[at])} {where}" if at < len(text) else ENDED


def _no_value(text: str, at: int) -> str:
    if text[at : at + 1] == "-":
        return _wrong(text, at + 1, "in numeric literal")
    for literal in LITERALS:
        if text[at : at + 1] != literal[0]:
            continue
        same = next(count for count, expected in enumerate(literal) if text[at + count : at + count + 1] != expected)
        return _wrong(text, at + same, f"in literal {literal} (expecting {_quoted(literal[same])})")
    return _wrong(text, at, "looking for beginning of value")


def _bad_number(text: str, at: int) -> str:
    if text[at] == ".":
        return _wrong(text, at + 1, "after decimal point in numeric literal")
    at += 2 if text[at + 1 : at + 2] in ("+", "-") else 1
    return _wrong(text, at, "in exponent of numeric literal")


def _bad_unicode(text: str, at: int) -> str:
    while text[at : at + 1] and text[at] in "0123456789abcdefABCDEF":
        at += 1
    return _wrong(text, at, "in \\u hexadecimal character escape")


def _innermost(text: str, end: int) -> str:
    """Return the bracket that is open at a place of a text that is JSON until there."""
    opened: list[str] = []
    for found in _STRUCTURE.finditer(text, 0, end):
        if found[0] in _OPENING:
            opened.append(found[0])
        elif found[0] in _CLOSING:
            opened.pop()
    return opened[-1] if opened else ""


def _quoted(character: str) -> str:
    """Return a character as Go quotes it: what takes several bytes is known by its first."""
    if character == "'":
        return "'\\''"
    first = chr(character.encode()[0])
    if first in _ESCAPES:
        return f"'{_ESCAPES[first]}'"
    return f"'{first}'" if first.isprintable() else f"'\\x{ord(first):02x}'"
