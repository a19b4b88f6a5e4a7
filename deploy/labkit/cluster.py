"""Making a lab run: what `up` does, step by step, and how it is all taken down again.

Every step asks first whether its work is done, so that a second `up` changes nothing and one after a crash or
a `kill` mends what is missing.
"""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from labkit import base as bases
from labkit import cgroups, disks, images, layout, machines, network, settings, shell, venvs

JOIN_PORT = 7444
PROVISION = "/opt/fairlead/deploy/provision.sh"
SHARED_KEYS = "/run/fairlead-shared-keys.tar"
CONTROL_SECONDS = 180.0
NODE_SECONDS = 180.0
EXAMPLE_SECONDS = 180.0
UNUSED_DAYS = 14
EXAMPLE_PORT = 30080
POLL_SECONDS = 0.2

Probe = Callable[[], str]


def wait_until(probe: Probe, seconds: float) -> None:
    """Ask until the probe says nothing; raise LabError with what it said last when time is up."""
    deadline = time.monotonic() + seconds
    while reason := probe():
        if time.monotonic() > deadline:
            raise shell.LabError(f"{reason} (waited {seconds:.0f} s)")
        time.sleep(POLL_SECONDS)


def in_parallel(work: Callable[[layout.Host], object], hosts: Iterable[layout.Host]) -> None:
    """Do the same for several hosts at once; the first failure is raised when all have ended."""
    every = list(hosts)
    if not every:
        return
    with shell.workers(len(every)) as pool:
        for future in [pool.submit(work, host) for host in every]:
            future.result()


class Cluster:
    """A lab with what it is made from."""

    def __init__(self, lab: layout.Lab, progress: shell.Progress) -> None:
        self.lab = lab
        self._progress = progress
        self._registry = images.Registry(lab)

    def up(self, base: Path, venv: Path, pictures: Path) -> None:
        """Bring every host and everything on it up, as far as it is not."""
        lab = self.lab
        layout.save(lab)
        settings.raise_all()
        network.up(lab)
        self._registry.make_secrets()
        fresh = [host for host in lab.hosts if not machines.has_disk(lab, host)]
        for host in fresh:
            machines.lay_disk(lab, host, self._files(host, base))
        if lab.controls[0] in fresh:
            self._registry.lay_images(pictures)
        off = [host for host in lab.hosts if machines.keeper_pid(lab, host) is None]
        for host in off:
            machines.boot(lab, host, base, venv)
        in_parallel(lambda host: machines.wait_booted(lab, host), off)
        if off:
            self._progress.say(f"{len(off)} hosts booted")
        for host in lab.hosts:
            network.set_link(host, True)
        if any(not self._is_done(host) for host in lab.hosts):
            self._provision()

    def _provision(self) -> None:
        """Make the hosts a cluster: control hosts, then nodes with a token of theirs."""
        lab = self.lab
        nodes = [host for host in lab.nodes if not self._is_done(host)]
        with shell.workers(2) as pool:
            aside = [
                pool.submit(self._registry.push, wait_until),
                pool.submit(in_parallel, self._prepare_node, nodes),
            ]
            self._provision_controls()
            wait_until(lambda: control_answers(lab.controls[0]), CONTROL_SECONDS)
            self._progress.say("the control plane answers")
            for work in aside:
                work.result()
        if nodes:
            joining = machines.run(lab, lab.controls[0], (PROVISION, "join-command")).split()
            in_parallel(lambda host: self._join(host, joining), nodes)
            self._progress.say(f"{len(nodes)} nodes joined")

    def _provision_controls(self) -> None:
        """Provision the first control host, hand its keys to the others, and provision them at once."""
        first, *others = self.lab.controls
        if not self._is_done(first):
            self._provision_control(first)
        others = [host for host in others if not self._is_done(host)]
        if others:
            keys = machines.run(self.lab, first, ("sh", "-c", f"{PROVISION} shared-keys | base64"))
            save = ("sh", "-c", f"umask 077; base64 -d >{SHARED_KEYS}")
            in_parallel(lambda host: machines.run(self.lab, host, save, text=keys), others)
            in_parallel(self._provision_control, others)
        self.fetch_kubeconfig()
        self._progress.say("control hosts provisioned")

    def fetch_kubeconfig(self) -> None:
        """Copy the administrator's kubeconfig out of the first control host."""
        text = machines.run(self.lab, self.lab.controls[0], ("cat", "/etc/fairlead/admin.conf"))
        self.lab.kubeconfig.touch(mode=0o600)
        self.lab.kubeconfig.write_text(text)

    def _provision_control(self, host: layout.Host) -> None:
        addresses = ",".join(control.address for control in self.lab.controls)
        command = [PROVISION, "control", "--address", host.address, "--control-addresses", addresses]
        if host != self.lab.controls[0]:
            command += ["--shared-keys", SHARED_KEYS]
        machines.run(self.lab, host, command)
        self._note_done(host)

    def _prepare_node(self, host: layout.Host) -> None:
        machines.run(self.lab, host, (PROVISION, "node", "--address", host.address, "--name", host.name))

    def _join(self, host: layout.Host, arguments: list[str]) -> None:
        command = (PROVISION, "node", "--address", host.address, "--name", host.name, *arguments)
        machines.run(self.lab, host, command)
        self._note_done(host)

    def _is_done(self, host: layout.Host) -> bool:
        """Tell whether a host was provisioned to the end."""
        return (self.lab.host_folder(host) / "provisioned").exists()

    def _note_done(self, host: layout.Host) -> None:
        (self.lab.host_folder(host) / "provisioned").touch()

    def _files(self, host: layout.Host, base: Path) -> dict[str, str]:
        resolv_conf = disks.outer_resolv_conf(Path("/etc/resolv.conf").read_text())
        table = disks.files(self.lab, host, resolv_conf=resolv_conf, cgroups_v1=not cgroups.unified())
        return table | self._registry.files(host, base)


def take_down(lab: layout.Lab) -> None:
    """Leave nothing of a lab: no process, namespace, mount, control group, rule or file."""
    with shell.interruptions_ignored():
        in_parallel(lambda host: machines.power_cut(lab, host), lab.hosts)
        if not cgroups.has_systemd():
            cgroups.remove(lab)
        network.down(lab)
        if not other_labs(lab.checkout):
            settings.put_back()
        shutil.rmtree(lab.folder, ignore_errors=True)
        register(lab.checkout, False)


def register(checkout: Path, used: bool) -> None:
    """Note in the machine's cache that a checkout uses it, or no longer does."""
    note = layout.CACHE / "users" / layout.ident(checkout)
    if used:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{checkout}\n")
    else:
        note.unlink(missing_ok=True)


def other_labs(checkout: Path) -> list[Path]:
    """The other checkouts on this machine whose labs run."""
    found = []
    for note in (layout.CACHE / "users").glob("*"):
        other = Path(note.read_text().strip())
        lab = layout.load(other)
        if other != checkout and lab and any(machines.keeper_pid(lab, host) for host in lab.hosts):
            found.append(other)
    return found


def purge(checkout: Path) -> str:
    """Remove the machine's cache if no other lab runs from it; say what was done."""
    others = other_labs(checkout)
    if others:
        return f"kept {layout.CACHE}: {', '.join(map(str, others))} uses it"
    shutil.rmtree(layout.CACHE, ignore_errors=True)
    return f"removed {layout.CACHE}"


def prepare(checkout: Path, log: Path, progress: shell.Progress) -> tuple[Path, Path, Path]:
    """Make what all labs are made from, as far as it is missing: base, virtual environments, images."""
    base_missing, venvs_missing = not bases.path().is_dir(), not venvs.outer_is_ready(checkout)
    if base_missing:
        progress.say("making the hosts' root filesystem")
    if venvs_missing:
        progress.say("installing Fairlead's Python packages into .venv")
    with shell.workers(1) as pool:
        making = pool.submit(bases.ensure, log)
        try:
            venvs.ensure_outer(checkout, log)
            base = making.result()
        except KeyboardInterrupt:
            shell.stop_children(but_not=machines.KEEPER.name)
            concurrent.futures.wait([making])
            raise
    if not venvs.hosts_path(checkout).is_dir():
        progress.say("installing Fairlead's Python packages for the hosts")
    venv = venvs.ensure_hosts(checkout, base, log)
    pictures = images.ensure(checkout, base)
    venvs.precompile(checkout, base, venv)
    for used in (base, venv, pictures):
        os.utime(used)
    _forget_unused()
    return base, venv, pictures


def _forget_unused() -> None:
    """Remove from the machine's cache what no lab was made from for a long time, unless a lab may run from it."""
    if len(list((layout.CACHE / "users").glob("*"))) > 1:
        return
    for kind in ("base", "venv", "images", "box"):
        for path in layout.CACHE.glob(f"{kind}-*"):
            if time.time() - path.stat().st_mtime > UNUSED_DAYS * 86400:
                shutil.rmtree(path, ignore_errors=True)


def install_packages(packages: Iterable[str], log: Path) -> None:
    """Install packages of the outer machine's distribution; wait for another apt that runs."""
    apt = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    install = (*apt, "install", "--no-install-recommends", *packages)
    try:
        shell.run_logged(install, log, finish=True, environment=environment)
    except shell.LabError:  # a package list that is missing or out of date
        shell.run_logged((*apt, "update"), log, environment=environment)
        shell.run_logged(install, log, finish=True, environment=environment)


def start_host(lab: layout.Lab, host: layout.Host) -> None:
    """Switch a host on and return when it has booted."""
    machines.boot(lab, host, bases.path(), venvs.hosts_path(lab.checkout))
    machines.wait_booted(lab, host)


def control_answers(host: layout.Host) -> str:
    """A probe: a control process takes connections."""
    try:
        socket.create_connection((host.address, JOIN_PORT), timeout=1.0).close()
    except OSError as error:
        return f"{host.name} does not answer on {host.address}:{JOIN_PORT}: {error}"
    return ""


def example_answers(lab: layout.Lab) -> str:
    """A probe: the example's node port answers on the first node."""
    url = f"http://{lab.nodes[0].address}:{EXAMPLE_PORT}/"
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2.0).read()
    except OSError as error:
        return f"{url} does not answer: {error}"
    return ""
