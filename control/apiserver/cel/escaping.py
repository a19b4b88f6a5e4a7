"""How names of properties are written in expressions, where they are no identifiers.

Source: Kubernetes' documentation, "CEL in Kubernetes", escaping. Pure.
"""

from __future__ import annotations

import re

from fairlead import memo

RESERVED = frozenset(
    (
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    )
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*", re.ASCII)
_ESCAPED = re.compile(r"__|[./-]")
_WORDS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def is_identifier(name: str) -> bool:
    """Say whether a name may stand in an expression as it is."""
    return _IDENTIFIER.fullmatch(name) is not None and name not in RESERVED


@memo.remembered(4096, longest=256)
def escape(name: str) -> str:
    """Return the identifier of a property; the empty text where it has none and is out of reach."""
    if not _NAME.fullmatch(name):
        return ""
    if name in RESERVED:
        return f"__{name}__"
    return _ESCAPED.sub(lambda match: _WORDS[match[0]], name)
