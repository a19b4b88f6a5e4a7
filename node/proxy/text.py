"""The text that iptables-restore reads.

Called by the proxy; calls the rules. Pure. Every text is meant for `iptables-restore --noflush`: a chain that
is declared is emptied and filled again, all others stay, and what stands before a COMMIT takes effect at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from node.proxy import rules, saved

Jump = tuple[str, str, str, str]
"""Table, built-in chain, own chain, match."""

_TARGETS_FIRST = ("KUBE-MARK-", "KUBE-SEP-", "KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-NODEPORTS")


def render(
    chains: Mapping[rules.Chain, rules.Lines],
    removed: Iterable[rules.Chain] = (),
    jumps: Iterable[Jump] = (),
    retired_jumps: Iterable[tuple[str, str]] = (),
    *,
    section_lines: int = 0,
) -> str:
    """Return one restore text: chains to write whole, chains to remove, jumps to put first.

    `retired_jumps` are lines (table, `-A …`) to delete. A table that nothing concerns is left out. A part that
    takes effect at once has about `section_lines` lines (0: a table is one part), those that are jumped to
    before those that jump, so that between two parts every rule leads somewhere.
    """
    removed, jumps, retired_jumps = sorted(removed), list(jumps), list(retired_jumps)
    parts: list[str] = []
    for table in rules.TABLES:
        kept = sorted((chain for chain in chains if chain[0] == table), key=_rank)
        gone = [chain for chain in removed if chain[0] == table]
        sections = _sections(kept, chains, section_lines)
        # What goes is declared, and so emptied, once nothing leads there: it may itself lead to what goes too.
        last = [f":{name} - [0:0]" for _, name in gone]
        last += ["-D" + line[2:] for where, line in retired_jumps if where == table]
        final = [_jump(source, target, match) for where, source, target, match in jumps if where == table]
        final += [f"-X {name}" for _, name in gone]
        if last or final or sections:
            declared, filled = sections.pop() if sections else ([], [])
            sections.append(([*declared, *last], [*filled, *final]))
        for declared, filled in sections:
            parts += [f"*{table}", *declared, *filled, "COMMIT"]
    return "\n".join(parts) + "\n" if parts else ""


def _rank(chain: rules.Chain) -> tuple[int, str]:
    """Order chains so that a jump's target comes before the jump."""
    name = chain[1]
    for rank, prefix in enumerate(_TARGETS_FIRST):
        if name.startswith(prefix):
            return rank, name
    return len(_TARGETS_FIRST), name


def _sections(
    ordered: list[rules.Chain], chains: Mapping[rules.Chain, rules.Lines], size: int
) -> list[tuple[list[str], list[str]]]:
    """Split chains into parts: declarations and rules of each."""
    sections: list[tuple[list[str], list[str]]] = []
    for chain in ordered:
        if not sections or (size and len(sections[-1][0]) + len(sections[-1][1]) >= size):
            sections.append(([], []))
        declared, filled = sections[-1]
        declared.append(f":{chain[1]} - [0:0]")
        filled += chains[chain]
    return sections


def _jump(source: str, target: str, match: str) -> str:
    return " ".join(part for part in (f"-I {source}", match, f"-j {target}") if part)


def full(
    wanted: Mapping[rules.Chain, rules.Lines],
    found: saved.Found,
    *,
    written: Mapping[rules.Chain, rules.Lines] | None = None,
    section_lines: int = 0,
) -> str:
    """Return the text that makes any state the wanted one, without touching what is not ours.

    `written` are those of the wanted chains that are not there as wanted; all, where that is not told.
    """
    stale = {
        chain
        for chain in found.chains
        if chain not in wanted and chain[0] == rules.NAT and chain[1].startswith(rules.OWN_PREFIXES)
    }
    missing = [jump for jump in rules.JUMPS if jump[:3] not in found.jumps]
    return render(wanted if written is None else written, stale, missing, section_lines=section_lines)


def removal(found: saved.Found, fixed: Iterable[rules.Chain]) -> str:
    """Return the text that takes every chain and jump of ours away; `fixed` are the chains known by name."""
    known = set(fixed)
    ours = {chain for chain in found.chains if chain in known or chain[1].startswith(rules.OWN_PREFIXES)}
    return render({}, ours, (), found.jump_lines)
