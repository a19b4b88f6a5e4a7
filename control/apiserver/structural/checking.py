"""One rule of a schema, compiled: its condition and its message, against the types of its place. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.apiserver.cel import expressions, library, typed

Json = Any

# An optional is no value that can be handed in: it is made of a list of one or none. The rule has its own lines.
_OPTIONAL = "[oldSelves[?0]].map(oldSelf,\n{source}\n)[0]"
_LINE = re.compile(r"<input>:(\d+):")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what must hold, and what is said where it does not."""

    written: Mapping[str, Json]
    condition: expressions.Expression
    message: expressions.Expression | None
    path: str = ""  # of the field below the value that faults are about

    @property
    def uses_old(self) -> bool:
        """Whether the rule is about a change."""
        return "oldSelf" in self.condition.names

    @property
    def takes_optional(self) -> bool:
        """Whether the rule is asked, too, where there is no old value."""
        return bool(self.written.get("optionalOldSelf"))

    @property
    def text(self) -> str:
        """Return what names the rule in errors about it."""
        return str(self.written.get("message") or self.written.get("rule", "")).strip()

    @property
    def default_message(self) -> str:
        """Return what is said where no messageExpression says it."""
        message = self.written.get("message", "")
        return message.strip() if message else f"failed rule: {self.text}"


class Checkers:
    """The checkers of one place in a schema: with the old value, and with one that may be missing."""

    def __init__(self, types: typed.Types, kind: str) -> None:
        self._types = types
        self._kind = kind

    @functools.cached_property
    def plain(self) -> library.Checker:
        """Return the checker of most rules."""
        return self._types.checker({"self": self._kind, "oldSelf": self._kind})

    @functools.cached_property
    def optional(self) -> library.Checker:
        """Return the checker of rules with `optionalOldSelf`."""
        return self._types.checker({"self": self._kind, "oldSelves": f"list({self._kind})"})

    def condition(self, written: Mapping[str, Json]) -> expressions.Expression:
        """Return a rule's condition; library.CompileError where it is none."""
        try:
            found = self._compiled(written["rule"], written)
        except library.CompileError as error:
            raise library.CompileError(f"compilation failed: {error}") from None
        if found.type not in ("bool", "dyn"):
            raise library.CompileError("cel expression must evaluate to a bool")
        return found

    def message(self, written: Mapping[str, Json]) -> expressions.Expression | None:
        """Return a rule's messageExpression, None for none; library.CompileError where it is no text."""
        source = written.get("messageExpression", "")
        if not source.strip():
            return None
        try:
            found = self._compiled(source, written)
        except library.CompileError as error:
            raise library.CompileError(f"messageExpression compilation failed: {error}") from None
        if found.type not in ("string", "dyn"):
            raise library.CompileError("messageExpression must evaluate to a string")
        return found

    def _compiled(self, source: str, written: Mapping[str, Json]) -> expressions.Expression:
        if not written.get("optionalOldSelf"):
            return expressions.compiled(source, self.plain)
        library.Program(source)  # nothing that only makes sense between what is put around it
        try:
            return expressions.compiled(_OPTIONAL.replace("{source}", source), self.optional)
        except library.CompileError as error:
            text = _LINE.sub(lambda match: f"<input>:{int(match[1]) - 1}:", str(error))
            raise library.CompileError(text) from None
