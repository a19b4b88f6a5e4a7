"""The packet filter in memory: what iptables-restore does to tables, with its refusals.

The integration tests hold it equal to the real one: the same texts leave the same chains and rules.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection

from node.proxy import interface

BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
VERDICTS = {"ACCEPT", "DROP", "RETURN", "REJECT", "DNAT", "MASQUERADE", "MARK"}

Tables = dict[str, dict[str, list[str]]]


def empty_tables() -> Tables:
    """Return the tables of a fresh network namespace."""
    return {table: {chain: [] for chain in chains} for table, chains in BUILT_IN.items()}


def apply(tables: Tables, text: str) -> Tables:
    """Return the tables after `iptables-restore --noflush`; KernelError where it would refuse."""
    for part in text.split("COMMIT\n"):
        if part.strip():
            tables = _apply_part(tables, part.splitlines())
    return tables


def target_of(rule: str) -> str:
    """Return what a rule jumps to; empty where it only matches."""
    words = rule.split()
    return words[words.index("-j") + 1] if "-j" in words else ""


def _apply_part(tables: Tables, lines: list[str]) -> Tables:
    """Apply one part wholly, on a copy."""
    name = lines[0].removeprefix("*")
    chains = {chain: list(rules) for chain, rules in tables[name].items()}
    for line in lines[1:]:
        word = line.split(" ", 2)
        if line.startswith(":"):
            chains[word[0][1:]] = []
        elif word[0] == "-A":
            _existing(chains, word[1]).append(word[2])
        elif word[0] == "-I":
            _existing(chains, word[1]).insert(0, word[2])
        elif word[0] == "-D":
            _existing(chains, word[1]).remove(word[2])
        elif word[0] == "-X":
            _remove(chains, word[1])
        else:
            raise interface.KernelError(f"bad line: {line}")
    for rules in chains.values():
        for rule in rules:
            target = target_of(rule)
            if target and target not in VERDICTS and target not in chains:
                raise interface.KernelError(f"no chain {target}")
            shlex.split(rule)
    return {**tables, name: chains}


def _existing(chains: dict[str, list[str]], chain: str) -> list[str]:
    if chain not in chains:
        raise interface.KernelError(f"no chain {chain}")
    return chains[chain]


def _remove(chains: dict[str, list[str]], chain: str) -> None:
    if _existing(chains, chain):
        raise interface.KernelError(f"{chain} is not empty")
    if any(target_of(rule) == chain for rules in chains.values() for rule in rules):
        raise interface.KernelError(f"{chain} is in use")
    del chains[chain]


class MemoryKernel:
    """An `interface.Kernel` without a kernel: keeps its tables, counts its calls, fails while told to."""

    section_lines = 0

    def __init__(self) -> None:
        self.tables = empty_tables()
        self.texts: list[str] = []
        self.forgotten: list[interface.Flows] = []
        self.gone: list[list[str]] = []
        self.broken = ""
        self.localnet = False

    async def prepare(self, *, localhost_node_ports: bool) -> None:
        """Note the wish."""
        self.localnet = localhost_node_ports

    async def save(self) -> str:
        """Write the tables as iptables-save does."""
        self._check()
        lines: list[str] = []
        for table, chains in self.tables.items():
            lines.append(f"*{table}")
            lines += [f":{chain} - [0:0]" for chain in chains]
            lines += [f"-A {chain} {rule}" for chain, rules in chains.items() for rule in rules]
            lines.append("COMMIT")
        return "\n".join(lines) + "\n"

    async def restore(self, text: str) -> None:
        """Apply a text."""
        self._check()
        self.texts.append(text)
        self.tables = apply(self.tables, text)

    async def rules(self, table: str, chain: str) -> list[str]:
        """Look a chain up."""
        self._check()
        return [f"-A {chain} {rule}" for rule in self.tables[table].get(chain, ())]

    async def forget_flows(self, flows: interface.Flows) -> int:
        """Note the flows."""
        self.forgotten.append(dict(flows))
        return 0

    async def forget_attempts(self, addresses: Collection[str]) -> int:
        """Note the endpoints."""
        self.gone.append(sorted(addresses))
        return 0

    def flush(self) -> None:
        """Lose everything, as `iptables -F; iptables -X` does."""
        self.tables = empty_tables()

    def _check(self) -> None:
        if self.broken:
            raise interface.KernelError(self.broken)
