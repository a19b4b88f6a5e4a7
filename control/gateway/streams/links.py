"""Links inside HTML that comes through a proxy: paths of the server's are led back below the proxy's own.

`Rewriter` is fed a page as it comes and gives it back with other values of those attributes that hold URLs; all else
stays byte for byte. It knows tags, comments and scripts, no more: what nobody's browser would take for a tag may be
taken for one. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# Which attributes of which elements hold URLs (HTML's index of attributes, obsolete ones included).
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    element: frozenset(names.split())
    for element, names in {
        "a": "href",
        "applet": "codebase",
        "area": "href",
        "audio": "src",
        "base": "href",
        "blockquote": "cite",
        "body": "background",
        "button": "formaction",
        "command": "icon",
        "del": "cite",
        "embed": "src",
        "form": "action",
        "frame": "longdesc src",
        "head": "profile",
        "html": "manifest",
        "iframe": "longdesc src",
        "img": "longdesc src usemap",
        "input": "src usemap formaction",
        "ins": "cite",
        "link": "href",
        "object": "classid codebase data usemap",
        "q": "cite",
        "script": "src",
        "source": "src",
        "video": "poster src",
    }.items()
}
# Elements whose text has no tags in it.
_TEXTS = ("script", "style", "textarea", "title", "xmp")
# What has not ended after so many bytes is passed on as it is.
MOST_UNFINISHED = 8 << 10

# Nothing is tried twice, however a page is made: what was taken stays taken (`+`), and names begin where one can.
_TAG = re.compile(r"<([a-zA-Z][^\s/>]*+)((?:[^>\"']|\"[^\"]*+\"|'[^']*+')*+)>")
_ATTRIBUTE = re.compile(r"(?<![^\s\"'/])([^\s\"'<>/=]++)(\s*+=\s*+)(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))")


class Rewriter:
    """One page. `rewrite` returns the URL that another becomes."""

    def __init__(self, rewrite: Callable[[str], str]) -> None:
        self._rewrite = rewrite
        self._held = ""
        self._until: re.Pattern[str] | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next piece of the page and return what is finished."""
        # Every encoding that has ASCII's characters where ASCII has them passes through unharmed.
        text = self._held + data.decode("latin-1")
        done: list[str] = []
        at = 0
        while at < len(text):
            taken = self._piece(text, at, done)
            if taken == at:
                break
            at = taken
        self._held = text[at:]
        if len(self._held) > MOST_UNFINISHED:
            done.append(self._held)
            self._held = ""
        return "".join(done).encode("latin-1")

    def end(self) -> bytes:
        """Return what was never finished."""
        left, self._held = self._held, ""
        return left.encode("latin-1")

    def _piece(self, text: str, at: int, done: list[str]) -> int:
        """Take one piece of a text and return where the next begins; where it began, if more has to come first."""
        if self._until is not None:
            return self._to_the_end(self._until, text, at, done)
        begin = text.find("<", at)
        if begin != at:
            begin = len(text) if begin < 0 else begin
            done.append(text[at:begin])
            return begin
        if text.startswith("<!--", at):
            done.append("<!--")
            self._until = _COMMENT
            return at + 4
        if "<!--".startswith(text[at : at + 4]):
            return at
        if not _LETTER.match(text, at + 1):
            done.append("<")
            return at + 1
        match = _TAG.match(text, at)
        if match is None:
            return at
        element = match[1].lower()
        done.append(self._tag(match, element))
        self._until = _ENDS.get(element)
        return match.end()

    def _to_the_end(self, until: re.Pattern[str], text: str, at: int, done: list[str]) -> int:
        match = until.search(text, at)
        if match is not None:
            self._until = None
            done.append(text[at : match.end()])
            return match.end()
        # The end may have begun: as much as it can be long stays.
        safe = max(at, len(text) - _LONGEST_END)
        done.append(text[at:safe])
        return safe

    def _tag(self, match: re.Match[str], element: str) -> str:
        names = ATTRIBUTES.get(element)
        if names is None:
            return match[0]

        def rewritten(one: re.Match[str]) -> str:
            if one[1].lower() not in names:
                return one[0]
            number = next(group for group in (3, 4, 5) if one[group] is not None)
            fresh = self._rewrite(one[number])
            begin, end = one.start(number) - one.start(), one.end(number) - one.start()
            return one[0][:begin] + fresh + one[0][end:]

        return f"<{match[1]}{_ATTRIBUTE.sub(rewritten, match[2])}>"


_COMMENT, _LETTER = re.compile("-->"), re.compile("[a-zA-Z]")
_ENDS = {element: re.compile(f"</{element}", re.IGNORECASE) for element in _TEXTS}
_LONGEST_END = max(len(element) for element in _TEXTS) + 2
