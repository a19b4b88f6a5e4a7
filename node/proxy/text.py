"""The text that iptables-restore reads, and the little that is needed of what iptables-save writes.

Called by the proxy; calls the rules. Pure. Every text is meant for `iptables-restore --noflush`: a chain that
is declared is emptied and filled again, all others stay, and each table's part takes effect at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from node.proxy import rules


@dataclass(frozen=True, slots=True)
class Found:
    """What a node's tables hold of ours: chains, and jumps (table, from, to)."""

    chains: frozenset[rules.Chain] = frozenset()
    jumps: frozenset[tuple[str, str, str]] = frozenset()
    # The lines of those jumps as they are, so that they can be deleted word for word.
    jump_lines: tuple[tuple[str, str], ...] = ()


def render(
    chains: Mapping[rules.Chain, rules.Lines],
    removed: Iterable[rules.Chain] = (),
    jumps: Iterable[tuple[str, str, str, str]] = (),
    retired_jumps: Iterable[tuple[str, str]] = (),
) -> str:
    """Return one restore text: chains to write whole, chains to remove, jumps to put first.

    `retired_jumps` are lines (table, `-A …`) to delete. A table that nothing concerns is left out.
    """
    removed, jumps, retired_jumps = sorted(removed), list(jumps), list(retired_jumps)
    parts: list[str] = []
    for table in rules.TABLES:
        kept = sorted(chain for chain in chains if chain[0] == table)
        gone = [chain for chain in removed if chain[0] == table]
        body = [f":{name} - [0:0]" for _, name in kept]
        # A chain is declared, and so emptied, before it is removed: it may hold rules, and refer to others.
        body += [f":{name} - [0:0]" for _, name in gone]
        body += ["-D" + line[2:] for where, line in retired_jumps if where == table]
        for chain in kept:
            body += chains[chain]
        body += [_jump(source, target, match) for where, source, target, match in jumps if where == table]
        body += [f"-X {name}" for _, name in gone]
        if body:
            parts += [f"*{table}", *body, "COMMIT"]
    return "\n".join(parts) + "\n" if parts else ""


def _jump(source: str, target: str, match: str) -> str:
    return " ".join(part for part in (f"-I {source}", match, f"-j {target}") if part)


def parse_save(saved: str) -> Found:
    """Read what iptables-save wrote: our chains, and the built-in chains' jumps to them."""
    table = ""
    chains: set[rules.Chain] = set()
    jumps: set[tuple[str, str, str]] = set()
    lines: list[tuple[str, str]] = []
    wanted = {(where, source, target) for where, source, target, _ in rules.JUMPS}
    sources = tuple({f"-A {source} " for _, source, _, _ in rules.JUMPS})
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":KUBE-"):
            chains.add((table, line[1:].split(" ", 1)[0]))
        elif line.startswith(sources):
            words = line.split()
            if words[-2:-1] == ["-j"] and (table, words[1], words[-1]) in wanted:
                jumps.add((table, words[1], words[-1]))
                lines.append((table, line))
    return Found(frozenset(chains), frozenset(jumps), tuple(lines))


def full(wanted: Mapping[rules.Chain, rules.Lines], found: Found) -> str:
    """Return the text that makes any state the wanted one, without touching what is not ours."""
    stale = {
        chain
        for chain in found.chains
        if chain not in wanted and chain[0] == rules.NAT and chain[1].startswith(rules.OWN_PREFIXES)
    }
    missing = [jump for jump in rules.JUMPS if jump[:3] not in found.jumps]
    return render(wanted, stale, missing)


def removal(found: Found, fixed: Iterable[rules.Chain]) -> str:
    """Return the text that takes every chain and jump of ours away; `fixed` are the chains known by name."""
    known = set(fixed)
    ours = {chain for chain in found.chains if chain in known or chain[1].startswith(rules.OWN_PREFIXES)}
    return render({}, ours, (), found.jump_lines)
