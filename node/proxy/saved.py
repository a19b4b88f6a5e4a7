"""What iptables-save wrote of a node's tables, and which of the wanted chains it shows to be there already.

Called by the proxy, before it writes all; calls the rules. Pure. iptables writes a rule in words of its own: options
in another order, addresses with their lengths, probabilities as it rounds them. Rules are therefore compared by what
they say; one that it words in yet another way only looks different, and is written again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from node.proxy import rules

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_STATISTIC_UNIT = 1 << 31  # the kernel keeps a probability as a number of these
_MARKS = {"--or-mark": "{0}/{0}", "--xor-mark": "{0}/0x0"}

Meaning = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a node's tables hold of ours: chains, and jumps (table, from, to)."""

    chains: frozenset[rules.Chain] = frozenset()
    jumps: frozenset[tuple[str, str, str]] = frozenset()
    # The lines of those jumps as they are, so that they can be deleted word for word.
    jump_lines: tuple[tuple[str, str], ...] = ()
    # The rules of those chains as they are.
    lines: Mapping[rules.Chain, rules.Lines] = field(default_factory=dict)

    def has(self, chain: rules.Chain, wanted: rules.Lines) -> bool:
        """Tell whether a chain is there as wanted."""
        there = self.lines.get(chain)
        if there is None or len(wanted) != len(there):
            return False
        return all(one == other or meaning(one) == meaning(other) for one, other in zip(wanted, there, strict=True))


def parse(saved: str) -> Found:
    """Read what iptables-save wrote: our chains with their rules, and the built-in chains' jumps to them."""
    table = ""
    lines: dict[rules.Chain, list[str]] = {}
    jumps: set[tuple[str, str, str]] = set()
    jump_lines: list[tuple[str, str]] = []
    wanted = {(where, source, target) for where, source, target, _ in rules.JUMPS}
    sources = tuple({f"-A {source} " for _, source, _, _ in rules.JUMPS})
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":KUBE-"):
            lines[table, line[1:].split(" ", 1)[0]] = []
        elif line.startswith("-A KUBE-"):
            lines.setdefault((table, line.split(" ", 2)[1]), []).append(line)
        elif line.startswith(sources):
            words = line.split()
            if words[-2:-1] == ["-j"] and (table, words[1], words[-1]) in wanted:
                jumps.add((table, words[1], words[-1]))
                jump_lines.append((table, line))
    ours = {chain: tuple(some) for chain, some in lines.items()}
    return Found(frozenset(ours), frozenset(jumps), tuple(jump_lines), ours)


def meaning(line: str) -> Meaning:
    """Return what is equal for two rules that say the same: each option with its values, in no order."""
    options: list[list[str]] = []
    negated = False
    for quoted, word in _TOKEN.findall(line):
        if word == "!":
            negated = True
        elif word.startswith("-"):
            options.append([f"! {word}" if negated else word])
            negated = False
        elif options:
            options[-1].append(word or quoted)
    # which extension an option belongs to is told by the option
    return tuple(sorted(_plain(option) for option in options if option[0] != "-m"))


def _plain(option: Iterable[str]) -> tuple[str, ...]:
    """Return an option as both write it."""
    name, *values = option
    if name in _MARKS and len(values) == 1:
        return "--set-xmark", _MARKS[name].format(values[0])
    if name == "--probability" and len(values) == 1:
        return name, str(round(float(values[0]) * _STATISTIC_UNIT))
    if name.endswith(("-s", "-d")):
        return name, *(value.removesuffix("/32").removesuffix("/128") for value in values)
    return name, *values
