"""The hosts as machines: lay out a disk, boot, enter, cut the power.

Each host has a keeper, a small shell process that runs systemd-nspawn in a mount namespace of its own and
ends with it. Everything else is found from the keeper's process id, so that no state can disagree with what
runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit import cgroups, disks, layout, network, shell

KEEPER = Path(__file__).with_name("keep-host")
BOOT_SECONDS = 180.0
POWER_CUT_SECONDS = 10.0
POLL_SECONDS = 0.05

# The shell stays outside the host's process namespace, and its child, the command, is inside. nsenter itself would
# stop with a command that is stopped, which a host does to all when it shuts down, and then never collect it: the
# host would wait for ever.
_WAIT = '"$@"; exit $?'
_ENTER = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"'


def lay_disk(lab: layout.Lab, host: layout.Host, files: Mapping[str, str]) -> None:
    """Make a host's disk with some files on it: path to content (`-> target`: a symbolic link)."""
    folder = lab.host_folder(host)
    for part in ("upper", "work", "root", "containers"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / "upper" / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_text(content)
            path.chmod(0o600 if name.endswith((".key", "auth.json")) else 0o644)


def has_disk(lab: layout.Lab, host: layout.Host) -> bool:
    """Tell whether the host was made."""
    return (lab.host_folder(host) / "upper").is_dir()


def boot(lab: layout.Lab, host: layout.Host, base: Path, venv: Path) -> None:
    """Start a host's keeper; return at once."""
    network.remove_link(host)
    folder = lab.host_folder(host)
    groups: list[Path] = []
    command: list[str] = []
    environment = {
        "LAB_FOLDER": str(folder),
        "LAB_BASE": str(base),
        "LAB_VENV": str(venv),
        "LAB_CHECKOUT": str(lab.checkout),
        "LAB_BRIDGE": lab.bridge,
        "LAB_MACHINE": host.machine,
        "LAB_HOSTNAME": host.name,
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    if cgroups.has_systemd():
        command = ["systemd-run", "--quiet", "--scope", "--collect", "--property=Delegate=yes"]
        command += ["--slice=machine.slice", f"--unit={_scope(host)}"]
    else:
        groups = cgroups.make(lab, host)
    if not cgroups.unified():
        environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "0"
    environment["LAB_CGROUPS"] = " ".join(map(str, groups))
    with (folder / "console.log").open("ab") as console:
        keeper = subprocess.Popen(
            [*command, str(KEEPER)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    keeper.returncode = 0  # it outlives this process, which must not wait for it
    (folder / "keeper").write_text(f"{keeper.pid} {_started(keeper.pid)}\n")


def wait_booted(lab: layout.Lab, host: layout.Host) -> None:
    """Return once a host's systemd has come so far that units can be installed and started."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        if keeper_pid(lab, host) is None:
            raise shell.LabError(f"{host.name} did not boot:\n{_console(lab, host)}")
        pid = leader(lab, host)
        if pid is not None and Path(f"/proc/{pid}/root{disks.BOOTED}").exists():
            return
        time.sleep(POLL_SECONDS)
    raise shell.LabError(f"{host.name} did not boot within {BOOT_SECONDS:.0f} s:\n{_console(lab, host)}")


def keeper_pid(lab: layout.Lab, host: layout.Host) -> int | None:
    """The keeper's process id, or None if the host is off."""
    try:
        pid, started = (lab.host_folder(host) / "keeper").read_text().split()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    # a process that took the number later began at another time
    return int(pid) if _started(int(pid)) == started else None


def leader(lab: layout.Lab, host: layout.Host) -> int | None:
    """The process that is the host's init, or None if the host is off or still at its very beginning."""
    keeper = keeper_pid(lab, host)
    if keeper is None:
        return None
    for nspawn in _children(keeper):
        for child in _children(nspawn):
            if _is_init(child):
                return child
    return None


def power_cut(lab: layout.Lab, host: layout.Host) -> None:
    """Kill a host's init, and so everything in it, at once; return when nothing of it is left."""
    deadline = time.monotonic() + POWER_CUT_SECONDS
    while (keeper := keeper_pid(lab, host)) is not None:
        victim = leader(lab, host)
        if victim is None and time.monotonic() > deadline - POWER_CUT_SECONDS / 2:
            victim = next(iter(_children(keeper)), keeper)
        if victim is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise shell.LabError(f"{host.name} does not go off (process {keeper})")
        time.sleep(POLL_SECONDS)
        _reap(keeper)
    if cgroups.has_systemd():
        shell.succeeds(("systemctl", "kill", "--signal=SIGKILL", f"{_scope(host)}.scope"))
    else:
        cgroups.remove(lab, host)


def erase(lab: layout.Lab, host: layout.Host) -> None:
    """Remove a host's disk."""
    shutil.rmtree(lab.host_folder(host), ignore_errors=True)


def call(
    lab: layout.Lab,
    host: layout.Host,
    command: Sequence[str],
    *,
    text: str | None = None,
    timeout: float = 300.0,
) -> subprocess.CompletedProcess[str]:
    """Run a command on a host and return what it did; raise LabError if it is off or time is up."""
    words = _entrance(lab, host, command)
    try:
        return subprocess.run(
            words,
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise shell.LabError(f"{host.name}: {' '.join(command)}: no end after {timeout:.0f} s") from error


def run(
    lab: layout.Lab,
    host: layout.Host,
    command: Sequence[str],
    *,
    text: str | None = None,
    timeout: float = 300.0,
) -> str:
    """Run a command on a host and return its output; raise LabError if it fails."""
    done = call(lab, host, command, text=text, timeout=timeout)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-shell.LAST_LINES :]
        raise shell.LabError(f"{host.name}: {' '.join(command)}: exit status {done.returncode}\n" + "\n".join(said))
    return done.stdout


def start(
    lab: layout.Lab, host: layout.Host, command: Sequence[str], output: int | None = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start a command on a host that the caller reads from and ends."""
    words = _entrance(lab, host, command)
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        env={},
    )


def become(lab: layout.Lab, host: layout.Host, command: Sequence[str]) -> int:
    """Run a command on a host with this process's own terminal, and return its exit status."""
    words = _entrance(lab, host, command)
    return subprocess.run(words, env={}, check=False).returncode


def _entrance(lab: layout.Lab, host: layout.Host, command: Sequence[str]) -> list[str]:
    """The command line that enters a host's control groups and namespaces and then becomes the command."""
    pid = leader(lab, host)
    if pid is None:
        raise shell.LabError(f"{host.name} is off")
    settings = {
        "PATH": "/opt/fairlead-venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if host.role == "control":
        settings["KUBECONFIG"] = "/etc/fairlead/admin.conf"
    enter = ["/bin/sh", "-c", _ENTER, "enter", *map(str, cgroups.of_process(pid)), "--"]
    enter += [
        "/usr/bin/nsenter",
        f"--target={pid}",
        "--all",
        "--no-fork",
        "/bin/sh",
        "-c",
        _WAIT,
        "enter",
        "/usr/bin/env",
        "--ignore-environment",
        "--chdir=/",
    ]
    return enter + [f"{k}={v}" for k, v in settings.items()] + list(command)


def _scope(host: layout.Host) -> str:
    """The name of the scope that a machine with systemd gives the host."""
    return f"fairlead-lab-{host.machine}"


def _console(lab: layout.Lab, host: layout.Host) -> str:
    """The last lines that a host wrote on its console."""
    with contextlib.suppress(FileNotFoundError):
        lines = (lab.host_folder(host) / "console.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-shell.LAST_LINES :])
    return "(it wrote nothing)"


def _children(pid: int) -> list[int]:
    """The processes that a process started."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _is_init(pid: int) -> bool:
    """Tell whether a process is number 1 in a process namespace of its own and runs systemd already."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text()
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        return len(numbers) > 1 and numbers[-1] == "1" and "systemd" in status.splitlines()[0]
    return False


def _started(pid: int) -> str:
    """When a living process began, in the kernel's ticks; '' for none or a dead one."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    return ""


def _reap(pid: int) -> None:
    """Collect a keeper that this very process started, so that it does not stay as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
