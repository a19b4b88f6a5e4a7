"""Lines in a file that is rotated by size, written by a thread so that requests never wait for the disk.

The recorder calls `write`, the process awaits `run`. What the disk does not take in time is dropped and counted, and
so is what it refuses: a full disk must not stop the API.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pathlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

LINES_WAITING = 10_000
LINES_AT_ONCE = 1_000
DAY_SECONDS = 86_400.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a file becomes, and how many old ones stay for how long; 0: no bound."""

    max_bytes: int = 100 * 1024 * 1024
    max_backups: int = 10
    max_age_days: float = 30.0


class RotatingFile:
    """A file that is put aside as `<stem>-<time><suffix>` before it grows over its bound. Not for several threads."""

    def __init__(self, path: pathlib.Path, bounds: Bounds) -> None:
        self._path = path
        self._bounds = bounds
        self._file: BinaryIO | None = None
        self._size = 0

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines, each with its end, and rotate in between where the bound asks for it."""
        for line in lines:
            if self._file is None:
                self._open()
            full = self._bounds.max_bytes and self._size + len(line) + 1 > self._bounds.max_bytes
            if full and self._size:
                self._rotate()
                self._open()
            assert self._file is not None
            self._file.write(line + b"\n")
            self._size += len(line) + 1
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # the log tells who did what: it is root's
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "ab")
        self._size = self._file.tell()

    def _rotate(self) -> None:
        self.close()
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(now))
        aside = self._path.with_name(f"{self._path.stem}-{stamp}.{time.time_ns() % 10**9:09}{self._path.suffix}")
        self._path.rename(aside)
        backups = sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"))
        if self._bounds.max_age_days:
            oldest = now - self._bounds.max_age_days * DAY_SECONDS
            for backup in [one for one in backups if one.stat().st_mtime < oldest]:
                backup.unlink()
                backups.remove(backup)
        if self._bounds.max_backups:
            for backup in backups[: -self._bounds.max_backups]:
                backup.unlink()


class Log:
    """Lines on their way to a file."""

    def __init__(self, file: RotatingFile) -> None:
        self._file = file
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self.dropped = 0

    def write(self, line: bytes) -> None:
        """Take a line; one too many is dropped."""
        if len(self._waiting) >= LINES_WAITING:
            self._drop(1, "the disk is too slow")
            return
        self._waiting.append(line)
        self._news.set()

    async def run(self) -> None:
        """Write what comes, for ever; what is left at the end is written before this returns."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    writing = asyncio.ensure_future(asyncio.to_thread(self._append, self._taken()))
                    try:
                        await asyncio.shield(writing)
                    finally:
                        await writing  # a thread cannot be stopped, and two must not write
        finally:
            while self._waiting:
                self._append(self._taken())
            self._file.close()

    def _taken(self) -> Sequence[bytes]:
        return [self._waiting.popleft() for _ in range(min(LINES_AT_ONCE, len(self._waiting)))]

    def _append(self, lines: Sequence[bytes]) -> None:
        try:
            self._file.append(lines)
        except OSError as error:
            self._file.close()
            self._drop(len(lines), error.strerror or str(error))

    def _drop(self, count: int, why: str) -> None:
        if not self.dropped:
            _log.error("audit events are dropped", extra={"error": why})
        self.dropped += count
