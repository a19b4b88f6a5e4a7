"""Texts as Go writes them, where clients see what a Go program printed. Pure."""

from __future__ import annotations

ESCAPES = {'"': '\\"', "\\": r"\\", "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r"}
ESCAPES |= {"\t": r"\t", "\v": r"\v"}


def quoted(text: str) -> str:
    """Return a text as Go's %q shows it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
