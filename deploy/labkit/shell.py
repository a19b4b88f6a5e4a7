"""Commands of the outer machine: run one, and fail with what it said.

Called by every module of labkit that needs a program; promises that a failure names the command and ends with
the last lines of its output, and that nothing here inherits settings meant for the lab's own Python.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

LAST_LINES = 15


class LabError(Exception):
    """A failure that is told to the person in one sentence, without a traceback."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without the launcher's own settings, plus `extra`."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    kept["PATH"] = f"{kept.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    return kept | dict(extra or {})


def run(
    command: Sequence[str | Path],
    *,
    text: str | None = None,
    timeout: float | None = 600.0,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return its standard output; raise LabError if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=clean_environment(environment),
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]}: command not found") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)}: no end after {error.timeout:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LAST_LINES:]
        raise LabError(f"{' '.join(words)}: exit status {done.returncode}\n" + "\n".join(said))
    return done.stdout


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    *,
    finish: bool = False,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a long command with its output in a file, in a session of its own.

    Ctrl-C therefore does not reach it, but asks it to end and waits for that. With `finish` it is let come to
    its own end, as dpkg must be.
    """
    words = [str(word) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as sink:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=clean_environment(environment),
            cwd=cwd,
            start_new_session=True,
        )
        try:
            status = process.wait()
        except BaseException:
            if not finish:
                _stop(process.pid)
            process.wait()
            raise
    if status != 0:
        said = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise LabError(f"{' '.join(words)}: exit status {status} (all of it in {log})\n" + "\n".join(said))


def succeeds(command: Sequence[str | Path], timeout: float = 30.0) -> bool:
    """Tell whether a command ends with status 0 within the time."""
    try:
        run(command, timeout=timeout)
    except LabError:
        return False
    return True


def stop_children(but_not: str) -> None:
    """Ask this process's children to end, for threads that wait for them; but for one kind."""
    for thread in Path("/proc/self/task").iterdir():
        for pid in map(int, (thread / "children").read_text().split()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if but_not not in Path(f"/proc/{pid}/cmdline").read_text():
                    _stop(pid)


def _stop(pid: int) -> None:
    """Ask a process to end, with its whole session if it leads one."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGTERM)
        else:
            os.kill(pid, signal.SIGTERM)


@contextlib.contextmanager
def workers(count: int) -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Threads for a stretch that ends when they have ended, but for an interruption, which waits for none.

    Whoever handles the interruption ends what they wait for (a host, a child).
    """
    pool = concurrent.futures.ThreadPoolExecutor(count)
    wait = True
    try:
        yield pool
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=not wait)


@contextlib.contextmanager
def interruptions_ignored() -> Iterator[None]:
    """A stretch that Ctrl-C cannot cut short: cleaning up. It reaches only the main thread anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """Lines on the terminal that say what happens and how many seconds have passed."""

    def __init__(self, quiet: bool = False) -> None:
        self._start = time.monotonic()
        self._quiet = quiet

    @property
    def seconds(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._start

    def say(self, sentence: str) -> None:
        """Print one line."""
        if not self._quiet:
            print(f"[{self.seconds:6.1f} s] {sentence}", flush=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """A stretch that one process on this machine runs at a time; others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
