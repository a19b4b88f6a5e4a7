"""A packet's way through the tables: PREROUTING or OUTPUT, filter, POSTROUTING.

Knows the matches and targets that the proxy writes, and refuses any other, so that no rule is passed over
unread. `outcomes` walks every branch of the `statistic` match and gives each end its exact probability.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.unit.proxy.kernel import Tables

MARK = 0x4000


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection."""

    source: str
    destination: str
    port: int
    protocol: str = "tcp"
    # Made by a process of the node itself: starts in OUTPUT, not in PREROUTING.
    from_node: bool = False
    mark: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """What becomes of a packet."""

    verdict: str
    destination: str = ""
    port: int = 0
    masqueraded: bool = False


@dataclass(slots=True)
class Node:
    """A node's tables, its own addresses, and who has lately been sent where (`recent`)."""

    tables: Tables
    addresses: tuple[str, ...] = ("192.168.56.11", "127.0.0.1")
    recent: dict[str, set[str]] = field(default_factory=dict)

    def is_local(self, address: str) -> bool:
        """Tell whether an address is the node's own."""
        return address in self.addresses or ipaddress.ip_address(address).is_loopback


class UnknownRule(Exception):
    """A rule has a match or a target that the walker cannot judge."""


def walk(node: Node, packet: Packet, choose: Callable[[float], bool]) -> End:
    """Walk a packet to its end; `choose` decides each match of a given probability."""
    walker = _Walker(node, choose)
    before = packet.destination
    packet, _ = walker.run("nat", "OUTPUT" if packet.from_node else "PREROUTING", packet)
    translated = packet.destination != before or walker.translated
    if packet.from_node:
        hook = "OUTPUT"
    else:
        hook = "INPUT" if node.is_local(packet.destination) else "FORWARD"
    packet, verdict = walker.run("filter", hook, packet)
    if verdict in ("DROP", "REJECT"):
        return End(verdict)
    masqueraded = False
    if hook != "INPUT":
        packet, verdict = walker.run("nat", "POSTROUTING", packet)
        masqueraded = verdict == "MASQUERADE"
    return End("DNAT" if translated else "PASS", packet.destination, packet.port, masqueraded)


def outcomes(node: Node, packet: Packet) -> dict[End, float]:
    """Return every end that a packet can meet, with its probability."""
    found: dict[End, float] = {}
    for end, chance in _branches(node, packet):
        found[end] = found.get(end, 0.0) + chance
    return found


def _branches(node: Node, packet: Packet) -> Iterator[tuple[End, float]]:
    """Walk once for every way the dice can fall."""
    plan: list[bool] = []
    while True:
        chances: list[float] = []

        def choose(probability: float, chances: list[float] = chances) -> bool:
            if len(chances) == len(plan):
                plan.append(True)
            chances.append(probability)
            return plan[len(chances) - 1]

        recent = {name: set(sources) for name, sources in node.recent.items()}
        end = walk(dataclasses.replace(node, recent=recent), packet, choose)
        chance = 1.0
        for taken, probability in zip(plan, chances, strict=True):
            chance *= probability if taken else 1 - probability
        yield end, chance
        while plan and not plan[-1]:
            plan.pop()
        if not plan:
            return
        plan[-1] = False


class _Walker:
    """One packet's walk."""

    def __init__(self, node: Node, choose: Callable[[float], bool]) -> None:
        self._node = node
        self._choose = choose
        self.translated = False

    def run(self, table: str, chain: str, packet: Packet) -> tuple[Packet, str]:
        """Pass a packet through a chain; the verdict is empty where the chain ends or returns."""
        for rule in self._node.tables[table][chain]:
            matched, words = self._match(shlex.split(rule), packet)
            if not matched or not words:
                continue
            target, options = words[1], words[2:]
            if target == "RETURN":
                return packet, ""
            if target == "MARK":
                packet = dataclasses.replace(packet, mark=_marked(packet.mark, options))
            elif target == "DNAT":
                host, _, port = options[1].rpartition(":")
                self.translated = True
                return dataclasses.replace(packet, destination=host, port=int(port)), "DNAT"
            elif target in ("ACCEPT", "DROP", "REJECT", "MASQUERADE"):
                return packet, target
            elif target in self._node.tables[table]:
                packet, verdict = self.run(table, target, packet)
                if verdict:
                    return packet, verdict
            else:
                raise UnknownRule(rule)
        return packet, ""

    def _match(self, words: list[str], packet: Packet) -> tuple[bool, list[str]]:
        """Judge a rule's matches in order; return its target and options where all hold."""
        module, index = "", 0
        while index < len(words):
            if words[index] == "-j":
                return True, words[index:]
            negated = words[index] == "!"
            index += negated
            option = words[index]
            if option == "-m":
                module, index = words[index + 1], index + 2
                if module == "recent":
                    hit, index = self._recent(words, index, packet)
                    if not hit:
                        return False, []
                continue
            value = words[index + 1]
            index += 2
            if module == "statistic":
                if option == "--mode":
                    continue
                held = self._choose(float(value))
            else:
                held = self._holds(option, value, packet)
            if held == negated:
                return False, []
        return True, []

    def _holds(self, option: str, value: str, packet: Packet) -> bool:
        """Judge one option."""
        local = {"--src-type": packet.source, "--dst-type": packet.destination}
        match option:
            case "--comment":
                return True
            case "-p":
                return packet.protocol == value
            case "-s" | "-d":
                address = packet.source if option == "-s" else packet.destination
                return ipaddress.ip_address(address) in ipaddress.ip_network(value)
            case "--dport":
                return packet.port == int(value)
            case "--src-type" | "--dst-type":
                return self._node.is_local(local[option])
            case "--mark":
                want, mask = (int(part, 16) for part in value.split("/"))
                return packet.mark & mask == want
            case "--ctstate":
                states = {"NEW", "DNAT"} if self.translated else {"NEW"}
                return bool(states & set(value.split(",")))
        raise UnknownRule(f"{option} {value}")

    def _recent(self, words: list[str], index: int, packet: Packet) -> tuple[bool, int]:
        """Judge `-m recent --name N --rcheck --seconds S --reap` or `-m recent --name N --set`."""
        sources = self._node.recent.setdefault(words[index + 1], set())
        if words[index + 2] == "--set":
            sources.add(packet.source)
            return True, index + 3
        return packet.source in sources, index + 6


def _marked(mark: int, options: list[str]) -> int:
    value = int(options[1], 16)
    match options[0]:
        case "--or-mark":
            return mark | value
        case "--xor-mark":
            return mark ^ value
    raise UnknownRule(" ".join(options))
