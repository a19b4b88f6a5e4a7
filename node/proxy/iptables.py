"""The kernel's packet filter through the iptables programs, and connection tracking through netlink.

Called by the proxy through `interface.Kernel`. Promises: no call blocks the event loop or outlasts its timeout,
and a child process is gone when its call returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pyroute2

from node.proxy import interface

RESTORE_TIMEOUT_SECONDS = 120.0
"""A full load of ten thousand Services takes the nft flavour half a minute."""

QUERY_TIMEOUT_SECONDS = 30.0
LOCK_WAIT_SECONDS = 5
"""How long the legacy programs wait for the lock that every one of them takes."""

NFT_SECTION_LINES = 600
"""The nft flavour's cost grows with the square of a part's size; the legacy one reloads a table per part."""

LEGACY = "legacy"
NFT = "nft"
_HINTS = (":KUBE-IPTABLES-HINT ", ":KUBE-KUBELET-CANARY ")
_UDP = 17

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flow:
    """One tracked UDP flow: where its client sends, and who answers."""

    destination: tuple[str, int]
    answers: tuple[str, int]


class Iptables:
    """One network namespace's packet filter.

    `flavour` is "nft" or "legacy"; empty: found out at the first call.
    """

    def __init__(self, *, flavour: str = "", family: int = 4, proc_sys: str = "/proc/sys") -> None:
        self._flavour = flavour
        self._family = family
        self._program = "iptables" if family == 4 else "ip6tables"
        self._settled = bool(flavour)
        self._proc_sys = pathlib.Path(proc_sys)

    @property
    def section_lines(self) -> int:
        """The lines of one part of a restore text that suit the flavour."""
        return 0 if self._flavour == LEGACY else NFT_SECTION_LINES

    async def prepare(self, *, localhost_node_ports: bool) -> None:
        """Find the flavour out; let 127.0.0.1 be routed, where node ports are to answer on it."""
        await self._settle()
        if not localhost_node_ports or self._family != 4:
            return
        knob = self._proc_sys / "net/ipv4/conf/all/route_localnet"
        try:
            if knob.read_text().strip() != "1":
                knob.write_text("1\n")
        except OSError as error:
            # All but node ports on 127.0.0.1 works without it.
            _log.warning("cannot route loopback addresses", extra={"knob": str(knob), "error": str(error)})

    async def save(self) -> str:
        """Return the nat and filter tables as iptables-save writes them."""
        await self._settle()
        saved = [await self._run([self._tool("save"), "-t", table]) for table in ("filter", "nat")]
        return "".join(saved)

    async def restore(self, text: str) -> None:
        """Apply a text with `iptables-restore --noflush`."""
        await self._settle()
        command = [self._tool("restore"), "--noflush", "-w", str(LOCK_WAIT_SECONDS)]
        await self._run(command, text, timeout=RESTORE_TIMEOUT_SECONDS)

    async def rules(self, table: str, chain: str) -> list[str]:
        """Return one chain's rules; none where there is no such chain."""
        await self._settle()
        command = [self._tool(""), "-w", str(LOCK_WAIT_SECONDS), "-t", table, "-S", chain]
        code, out, _ = await self._spawn(command, "", QUERY_TIMEOUT_SECONDS)
        return [line for line in out.splitlines() if line.startswith("-A")] if code == 0 else []

    async def forget_flows(self, flows: interface.Flows) -> int:
        """Delete UDP entries whose answers come from no endpoint of their destination."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(_forget, dict(flows)), timeout=QUERY_TIMEOUT_SECONDS)
        except TimeoutError as error:
            raise interface.KernelError("connection tracking did not answer in time") from error
        except (OSError, pyroute2.NetlinkError) as error:
            raise interface.KernelError(f"connection tracking: {error}") from error

    async def forget_attempts(self, addresses: Collection[str]) -> int:
        """Delete unanswered TCP entries to these endpoints; the program filters a large table much faster than we."""
        count = 0
        kind = ["-f", f"ipv{self._family}", "-p", "tcp", "--state", "SYN_SENT"]
        for address in sorted(addresses):
            command = ["conntrack", "-D", *kind, "--reply-src", address]
            code, out, err = await self._spawn(command, "", QUERY_TIMEOUT_SECONDS)
            if code != 0 and "0 flow entries" not in err:
                raise interface.KernelError(f"conntrack exited with {code}: {_gist(err)}")
            count += len(out.splitlines())
        return count

    def _tool(self, verb: str) -> str:
        return "-".join(part for part in (self._program, self._flavour, verb) if part)

    async def _settle(self) -> None:
        if not self._settled:
            self._flavour = await self._find_flavour()
            self._settled = True

    async def _find_flavour(self) -> str:
        """Return the flavour that the machine's rules are in, as kube-proxy's image finds it out."""
        installed = [
            flavour
            for flavour in (NFT, LEGACY)
            if shutil.which(f"{self._program}-{flavour}-save") and shutil.which(f"{self._program}-{flavour}-restore")
        ]
        if len(installed) < 2:
            return ""
        saved: dict[str, str] = {}
        for flavour in installed:
            command = [f"{self._program}-{flavour}-save"]
            code, out, _ = await self._spawn(command, "", QUERY_TIMEOUT_SECONDS)
            saved[flavour] = out if code == 0 else ""
        return choose_flavour(saved) or await self._default_flavour()

    async def _default_flavour(self) -> str:
        _, out, _ = await self._spawn([self._program, "--version"], "", QUERY_TIMEOUT_SECONDS)
        return LEGACY if "(legacy)" in out else NFT

    async def _run(self, command: list[str], text: str = "", timeout: float = QUERY_TIMEOUT_SECONDS) -> str:
        code, out, err = await self._spawn(command, text, timeout)
        if code != 0:
            raise interface.KernelError(f"{command[0]} exited with {code}: {_gist(err)}")
        return out

    async def _spawn(self, command: list[str], text: str, timeout: float) -> tuple[int, str, str]:
        """Run a program to its end; kill it where that is not in time, or the caller is cancelled."""
        # The text goes in as a file: a program that ends without reading it would break a pipe.
        with tempfile.TemporaryFile() as given:
            given.write(text.encode())
            given.seek(0)
            try:
                process = await asyncio.create_subprocess_exec(
                    *command, stdin=given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
                )
            except OSError as error:
                raise interface.KernelError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            async with asyncio.timeout(timeout):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise interface.KernelError(f"{command[0]} did not end within {timeout:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


def choose_flavour(saved: Mapping[str, str]) -> str:
    """Choose a flavour by what each one's save program wrote; empty: nothing speaks for either.

    The one whose tables have the kubelet's hint wins, then the one with more rules: a machine whose rules are
    split over both filters each packet twice, in an order that nobody chose.
    """
    for flavour, text in saved.items():
        if any(hint in text for hint in _HINTS):
            return flavour
    counts = {flavour: sum(line.startswith("-") for line in text.splitlines()) for flavour, text in saved.items()}
    most = max(counts.values(), default=0)
    leaders = [flavour for flavour, count in counts.items() if count == most]
    return leaders[0] if len(leaders) == 1 else ""


def stale(tracked: Iterable[Flow], flows: interface.Flows, own_addresses: Iterable[str]) -> list[Flow]:
    """Choose the flows to these destinations that go to none of the endpoints they should."""
    own = frozenset(own_addresses)
    chosen = []
    for flow in tracked:
        address, port = flow.destination
        targets = flows.get(flow.destination)
        if targets is None and address in own:
            targets = flows.get(("", port))
        if targets is not None and flow.answers not in targets:
            chosen.append(flow)
    return chosen


def _gist(text: str) -> str:
    """Return what a program complained of, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return "; ".join(lines[:3])[:300] or "it said nothing"


def _forget(flows: interface.Flows) -> int:
    """Delete stale entries, in the calling thread."""
    own: list[str] = []
    if any(not address for address, _ in flows):
        with pyroute2.IPRoute() as route:
            own = [str(message.get_attr("IFA_ADDRESS")) for message in route.get_addr()]
    with pyroute2.Conntrack() as conntrack:
        entries: dict[Flow, list[pyroute2.netlink.nfnetlink.nfctsocket.NFCTAttrTuple]] = {}
        for entry in list(conntrack.dump_entries()):
            there, back = entry.tuple_orig, entry.tuple_reply
            if there.proto == _UDP:
                flow = Flow((there.daddr, there.dport), (back.saddr, back.sport))
                entries.setdefault(flow, []).append(there)
        count = 0
        for flow in stale(entries, flows, own):
            for there in entries[flow]:
                with contextlib.suppress(pyroute2.NetlinkError):  # it may have run out meanwhile
                    conntrack.entry("del", tuple_orig=there)
                    count += 1
    return count
