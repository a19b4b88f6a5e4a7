"""A real `vagrant up`: libvirt on QEMU without KVM, one control host and one node, from a box made here.

`deploy/test --vagrant` calls it. libvirt, its bridges and its machines live in namespaces of their own and end with
the run; the box, a Debian with all packages installed, is kept in the lab's cache.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from labkit import base as bases
from labkit import cluster, layout, shell

# program -> Debian package that has it
TOOLS = {
    "libvirtd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "dnsmasq": "dnsmasq-base",
    "rsync": "rsync",
    "ssh": "openssh-client",
    "mke2fs": "e2fsprogs",
}
DRIVER = Path("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so")
PACKAGES = (
    "e2fsprogs",
    "ifupdown",
    "initramfs-tools",
    "isc-dhcp-client",
    "linux-image-amd64",
    "openssh-server",
    "rsync",
    "sudo",
    "udev",
)
PUBLIC_KEY = "/usr/share/rubygems-integration/all/gems/vagrant-*/keys/vagrant.pub"
DISK = "4G"
RECIPE = "1"
SESSION_SECONDS = 2400

# makes of a root filesystem what Vagrant expects of a box: a user it can log in as, root by sudo, an address by DHCP
_FURNISH = """
set -eu
chroot "$1" useradd --create-home --shell /bin/bash vagrant
install -d -m 700 "$1/home/vagrant/.ssh"
install -m 600 "$2" "$1/home/vagrant/.ssh/authorized_keys"
chroot "$1" chown -R vagrant: /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD:ALL' >"$1/etc/sudoers.d/vagrant"
chmod 440 "$1/etc/sudoers.d/vagrant"
echo '/dev/vda / ext4 defaults 0 1' >"$1/etc/fstab"
printf 'auto lo\\niface lo inet loopback\\nauto eth0\\niface eth0 inet dhcp\\n' >"$1/etc/network/interfaces"
echo 'UseDNS no' >>"$1/etc/ssh/sshd_config"
: >"$1/etc/machine-id"
rm -f "$1/etc/resolv.conf" "$1/etc/hostname"
"""

_METADATA = '{"provider": "libvirt", "format": "qcow2", "virtual_size": 4}\n'

# merged by Vagrant before the project's own file: how to run machines here, which is no business of the project's
_SETTINGS = """\
Vagrant.configure('2') do |config|
  config.vm.boot_timeout = 600
  config.ssh.insert_key = false
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = 'qemu'
    libvirt.cpu_mode = 'custom'
    libvirt.cpu_model = 'Nehalem'
    libvirt.kernel = '{box}/vmlinuz'
    libvirt.initrd = '{box}/initrd'
    libvirt.cmd_line = 'root=/dev/vda console=ttyS0 net.ifnames=0'
    libvirt.graphics_type = 'none'
    libvirt.video_type = 'none'
  end
end
"""


def install(log: Path) -> None:
    """Install what a virtual machine needs on the outer machine."""
    missing = {package for program, package in TOOLS.items() if shutil.which(program) is None}
    if not DRIVER.exists():
        missing.add("libvirt-daemon-driver-qemu")
    if missing:
        cluster.install_packages(sorted(missing), log)


def ensure_box(venv: Path, log: Path) -> Path:
    """Make the box with kernel and initial ramdisk beside it, unless it is there."""
    recipe = "\n".join((RECIPE, bases.RELEASE, venv.name, *bases.PACKAGES, *PACKAGES, _FURNISH))
    target = layout.CACHE / f"box-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with shell.locked(layout.CACHE / "box.lock"):
        if not target.is_dir():
            fresh = target.with_name(target.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            try:
                _make_box(fresh, venv, log)
                fresh.rename(target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return target


def _make_box(folder: Path, venv: Path, log: Path) -> None:
    root = folder / "root"
    packages = ",".join((*bases.PACKAGES, *PACKAGES))
    command = ["unshare", "--mount", "--propagation", "private", "mmdebstrap", "--mode=root", "--variant=minbase"]
    command += [f"--include={packages}", "--format=directory", "--dpkgopt=force-unsafe-io"]
    command += ['--aptopt=Acquire::Languages "none"']
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in bases.LEFT_OUT]
    shell.run_logged([*command, bases.RELEASE, str(root), *bases.apt_sources()], log)
    shell.run(("sh", "-c", _FURNISH, "furnish", root, glob.glob(PUBLIC_KEY)[0]))
    # the packages from PyPI, as a machine without a network cannot fetch them; the code itself comes by rsync
    shell.run(("cp", "-a", venv, root / "opt" / "fairlead-venv"))
    for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        shutil.copy(next((root / "boot").glob(pattern)), folder / name)
    shell.run(("mke2fs", "-q", "-t", "ext4", "-d", root, folder / "disk.raw", DISK))
    shutil.rmtree(root)
    shell.run(("qemu-img", "convert", "-O", "qcow2", folder / "disk.raw", folder / "box.img"))
    (folder / "disk.raw").unlink()
    (folder / "metadata.json").write_text(_METADATA)
    (folder / "Vagrantfile").write_text("Vagrant.configure('2') { |config| }\n")
    shell.run(("tar", "-cf", "fairlead.box", "metadata.json", "Vagrantfile", "box.img"), cwd=folder)
    (folder / "box.img").unlink()


def run(checkout: Path, box: Path) -> tuple[bool, str]:
    """Bring the machines up, run the example, reboot, and end them; returns whether all went well, and the output."""
    with tempfile.TemporaryDirectory(prefix="fairlead-vagrant-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "home" / "Vagrantfile").write_text(_SETTINGS.format(box=box))
        environment = shell.clean_environment(
            {
                "VAGRANT_HOME": str(folder / "home"),
                "VAGRANT_DOTFILE_PATH": str(folder / "machines"),
                "VAGRANT_DEFAULT_PROVIDER": "libvirt",
                "FAIRLEAD_CONTROLS": "1",
                "FAIRLEAD_NODES": "1",
                "FAIRLEAD_CPUS": "1",
            }
        )
        add = ("vagrant", "box", "add", "--name", "debian/bookworm64", "--provider", "libvirt", box / "fairlead.box")
        shell.run(add, environment=environment)
        own = Path(__file__)
        command = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        command += ["--mount-proc", str(own.with_name("with-libvirt")), str(folder / "libvirt")]
        command += [str(own.with_name("vagrant-session"))]
        log = folder / "output"
        with log.open("wb") as sink:
            try:
                status: int | None = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=checkout,
                    timeout=SESSION_SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                status = None
        said = readable(log.read_bytes())
    return status == 0, said if status is not None else f"{said}no end after {SESSION_SECONDS} s\n"


def readable(output: bytes) -> str:
    """A terminal's output without colours and progress bars."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode(errors="replace"))
    lines = re.split(r"[\r\n]+", text)
    return "\n".join(line for line in lines if line.strip() and not line.startswith("Progress:")) + "\n"


def default_log() -> Path:
    """Where the whole output of the last run is kept."""
    return Path(os.environ.get("TMPDIR", "/tmp")) / "fairlead-vagrant.log"
