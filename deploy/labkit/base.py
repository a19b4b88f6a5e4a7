"""The base root filesystem that every host of every lab on this machine overlays.

Made once by mmdebstrap from the apt sources of the outer machine and kept in a cache that all checkouts
share, under a name that its recipe determines; nothing writes to it afterwards.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit import layout, shell

RELEASE = "bookworm"
PACKAGES = (
    "aardvark-dns",
    "buildah",
    "busybox-static",
    "ca-certificates",
    "conmon",
    "conntrack",
    "crun",
    "curl",
    "dbus",
    "docker-registry",
    "etcd-client",
    "etcd-server",
    "iproute2",
    "iptables",
    "iputils-ping",
    "jq",
    "kmod",
    "less",
    "netavark",
    "netcat-openbsd",
    "nftables",
    "openssl",
    "podman",
    "procps",
    "python3",
    "python3-venv",
    "skopeo",
    "systemd",
    "systemd-sysv",
)
# what Debian enables on installation and a host of the lab starts only when provisioning says so
DISABLED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "docker-registry.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "etcd.service",
    "fstrim.timer",
    "podman-auto-update.service",
    "podman-auto-update.timer",
    "podman-restart.service",
    "podman.service",
    "podman.socket",
    "systemd-networkd.service",
    "systemd-pstore.service",
)
# what a container cannot do, or what only costs time there: each host boots in half the time without them
MASKED_UNITS = (
    "console-getty.service",
    "dev-hugepages.mount",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "run-rpc_pipefs.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-networkd-wait-online.service",
    "systemd-remount-fs.service",
    "systemd-sysusers.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "var-lib-nfs-rpc_pipefs.mount",
)
# started when something asks for them (a reboot does)
ON_DEMAND_UNITS = ("systemd-logind.service",)
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
RECIPE = "1"
SECONDS = 90
MEGABYTES = 400
MOUNT_POINTS = ("opt/fairlead", "opt/fairlead-venv")

_ENTER = Path(__file__).with_name("enter-base")


def key() -> str:
    """The recipe in a few characters: another recipe makes another base."""
    recipe = "\n".join(
        (RECIPE, RELEASE, os.uname().machine, *PACKAGES, *DISABLED_UNITS, *MASKED_UNITS, *ON_DEMAND_UNITS, *LEFT_OUT)
    )
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def path() -> Path:
    """Where the base lies, made or not."""
    return layout.CACHE / f"base-{key()}"


def apt_sources() -> tuple[str, ...]:
    """Debian's own suites of the outer machine's apt configuration."""
    found = _configured_sources()
    if not found:
        shell.run(("apt-get", "update", "-q"))  # apt knows whose a source is only once it has read it
        found = _configured_sources()
    if not found:
        raise shell.LabError(f"apt has no source of Debian {RELEASE}: add its mirror to /etc/apt/sources.list")
    return found


def _configured_sources() -> tuple[str, ...]:
    fields = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    listed = shell.run(("apt-get", "indextargets", "--format", fields, "Created-By: Packages"))
    lines = []
    for entry in listed.splitlines():
        origin, uri, release, component = [*entry.split("|"), "", "", ""][:4]
        if origin == "Debian" and release.split("-")[0] == RELEASE and component == "main":
            lines.append(f"deb {uri} {release} {component}")
    return tuple(dict.fromkeys(lines)) if any(f" {RELEASE} " in line for line in lines) else ()


def ensure(log: Path) -> Path:
    """Make the base unless it is there; another checkout that makes it meanwhile is waited for."""
    layout.CACHE.mkdir(parents=True, exist_ok=True)
    target = path()
    with shell.locked(layout.CACHE / "base.lock"):
        if not target.is_dir():
            for leftover in layout.CACHE.glob("base-*.new"):
                shutil.rmtree(leftover)
            _make(target, log)
    return target


def _make(target: Path, log: Path) -> None:
    """Make the base beside its place and move it there when it is whole."""
    fresh = target.with_name(target.name + ".new")
    try:
        command = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
        ]
        command += [
            f"--include={','.join(PACKAGES)}",
            "--format=directory",
            '--aptopt=Acquire::Languages "none"',
        ]
        command += ["--dpkgopt=force-unsafe-io"]
        command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        shell.run_logged([*command, RELEASE, str(fresh), *apt_sources()], log)
        inside(fresh, ("systemctl", "disable", *DISABLED_UNITS), {})
        inside(fresh, ("systemctl", "mask", *MASKED_UNITS), {})
        for unit in ON_DEMAND_UNITS:
            (fresh / "lib/systemd/system/multi-user.target.wants" / unit).unlink()
        (fresh / "etc" / "machine-id").write_text("")
        (fresh / "etc" / "hostname").unlink(missing_ok=True)
        for folder in MOUNT_POINTS:
            (fresh / folder).mkdir(parents=True)
        fresh.rename(target)
    finally:
        if fresh.exists():
            with shell.interruptions_ignored():
                shutil.rmtree(fresh)


def inside(root: Path, command: Sequence[str], binds: Mapping[Path, str], timeout: float = 600.0) -> str:
    """Run a command with the base as its root and some outer folders bound in, and leave no mount behind.

    `binds` maps a folder of the outer machine to its place inside.
    """
    words = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]
    words += ["unshare", "--mount", "--propagation", "private", str(_ENTER), str(root)]
    for outer, inner in binds.items():
        words += [str(outer), inner]
    return shell.run([*words, "--", *command], timeout=timeout)
