"""The lab's hosts behave as machines of their own: they boot, reach each other, lose power and links, come back."""

from __future__ import annotations

import subprocess
import time

from labkit import layout, report
from tests.support import lab as labs


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run deploy/lab as a person does."""
    return subprocess.run(
        [labs.LAB, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def boot_id(lab: labs.Lab, name: str) -> str:
    """What tells one boot of a host from another."""
    return lab.run(name, "cat", "/proc/sys/kernel/random/boot_id").strip()


def test_every_host_runs_its_units_and_no_unit_has_failed(lab: labs.Lab) -> None:
    """Each host's systemd runs what provisioning enabled, and nothing on it is in the state failed."""
    for host in lab.layout.hosts:
        states = lab.call(host.name, "systemctl", "is-active", *report.units(host)).stdout.split()
        failed = lab.run(host.name, "systemctl", "list-units", "--failed", "--no-legend", "--plain")

        assert (host.name, set(states), failed) == (host.name, {"active"}, "")


def test_provisioning_again_changes_nothing(lab: labs.Lab) -> None:
    """provision.sh on a host that it has made leaves every process of its units as it is."""
    provision = "/opt/fairlead/deploy/provision.sh"
    control, node = lab.controls[0], lab.nodes[0]
    addresses = ",".join(lab.address(name) for name in lab.controls)

    def processes(name: str, *units: str) -> str:
        return lab.run(name, "systemctl", "show", "--property=MainPID,NRestarts", *units)

    before = processes(control, "fairlead-etcd", "fairlead-control"), processes(node, "fairlead-*")
    lab.run(control, provision, "control", "--address", lab.address(control), "--control-addresses", addresses)
    lab.run(node, provision, "node", "--address", lab.address(node), "--name", node)

    assert (processes(control, "fairlead-etcd", "fairlead-control"), processes(node, "fairlead-*")) == before


def test_hosts_reach_each_other_by_name(lab: labs.Lab) -> None:
    """Every host answers a ping to its name from the first node."""
    for host in lab.layout.hosts:
        lab.run(lab.nodes[0], "ping", "-c", "1", "-W", "2", host.name)


def test_etcd_is_one_healthy_cluster_and_refuses_strangers(lab: labs.Lab) -> None:
    """Each member is healthy for a client with etcd's own certificate; one with the cluster's is refused."""
    first = lab.controls[0]
    endpoints = ",".join(f"https://{lab.address(name)}:2379" for name in lab.controls)
    pki = "/etc/fairlead/pki"

    def etcdctl(certificate: str) -> subprocess.CompletedProcess[str]:
        files = ("--cacert", f"{pki}/etcd/ca.crt", "--cert", f"{pki}/{certificate}.crt")
        more = ("--key", f"{pki}/{certificate}.key", "--endpoints", endpoints, "--command-timeout", "3s")
        return lab.call(first, "etcdctl", *files, *more, "endpoint", "health")

    ours, strange = etcdctl("etcd/client"), etcdctl("server")

    assert (ours.stdout + ours.stderr).count("is healthy") == len(lab.controls)
    assert strange.returncode != 0


def test_exec_gives_the_commands_output_and_exit_status(lab: labs.Lab) -> None:
    """`exec HOST -- COMMAND` runs on that host and ends as the command ends."""
    good = command("exec", lab.nodes[0], "--", "hostname")
    bad = command("exec", lab.nodes[0], "--", "sh", "-c", "exit 7")

    assert (good.stdout, good.returncode, bad.returncode) == (f"{lab.nodes[0]}\n", 0, 7)


def test_a_killed_host_is_off_and_comes_back_with_its_disk(lab: labs.Lab) -> None:
    """`kill` is a power cut: what was written stays, what ran is gone; `start` boots it anew."""
    name = lab.nodes[-1]
    before = boot_id(lab, name)
    lab.run(name, "sh", "-c", "echo kept >/root/file")

    assert command("kill", name).returncode == 0
    assert not lab.is_on(name)
    assert command("exec", name, "--", "true").returncode == 1
    assert f"{name}: not found" not in command("logs", name).stderr
    assert command("start", name).returncode == 0

    assert lab.run(name, "cat", "/root/file") == "kept\n"
    assert boot_id(lab, name) != before


def test_a_reboot_from_inside_brings_the_host_back(lab: labs.Lab) -> None:
    """A host that reboots itself is booted again by its keeper."""
    name = lab.nodes[-1]
    before = boot_id(lab, name)

    lab.call(name, "systemctl", "reboot")

    def booted_again() -> str:
        done = lab.call(name, "sh", "-c", "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running")
        lines = done.stdout.split()
        if len(lines) == 2 and lines[0] != before and lines[1] in ("running", "degraded"):
            return ""
        return f"{name} says {lines}"

    def probe() -> str:
        return booted_again() if lab.is_on(name) else f"{name} is off"

    labs.wait_until(probe, 60.0)


def test_a_shutdown_ends_containers_before_what_they_stand_on(lab: labs.Lab) -> None:
    """On a reboot the agent ends first, then each container in its own time, then Podman; no scope times out."""
    name = lab.nodes[0]
    before = boot_id(lab, name)
    since = lab.run(name, "date", "+@%s").strip()

    lab.call(name, "systemctl", "reboot")

    def booted_again() -> str:
        if not lab.is_on(name):
            return f"{name} is off"
        found = lab.call(name, "cat", "/proc/sys/kernel/random/boot_id").stdout.strip()
        return "" if found not in ("", before) else f"{name} has not rebooted"

    labs.wait_until(booted_again, 40.0)
    said = lab.run(name, "journalctl", f"--since={since}", "--output=cat", "--unit=fairlead-*", "--unit=libpod-*")
    ends = [said.index(f"Stopped fairlead-{unit}.service") for unit in ("node", "pods", "podman")]
    assert ends == sorted(ends)
    assert "timed out" not in said


def test_a_cut_host_is_unreachable_until_it_is_healed(lab: labs.Lab) -> None:
    """`cut` and `heal` take one host's link down and up; the host itself runs on."""
    first, last = lab.nodes[0], lab.nodes[-1]

    def ping() -> int:
        return lab.call(first, "ping", "-c", "1", "-W", "1", last).returncode

    assert command("cut", last).returncode == 0
    assert ping() != 0
    assert lab.run(last, "hostname").strip() == last
    assert command("heal", last).returncode == 0
    labs.wait_until(lambda: "still cut off" if ping() else "", 5.0)


def test_status_says_which_hosts_are_off_or_cut(lab: labs.Lab) -> None:
    """`status` has one line a host with its state."""
    lab.kill(lab.nodes[-1])
    lab.cut(lab.nodes[0])

    lines = {line.split()[0]: line for line in command("status").stdout.splitlines()}

    assert "off" in lines[lab.nodes[-1]]
    assert "cut off" in lines[lab.nodes[0]]
    assert "etcd active" in lines[lab.controls[0]]


def test_a_second_up_changes_nothing_and_is_quick(lab: labs.Lab) -> None:
    """`up` on a lab that runs boots nothing, restarts nothing and writes nothing."""
    before = {host.name: boot_id(lab, host.name) for host in lab.layout.hosts}
    started = time.monotonic()

    done = command("up")

    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 15.0
    assert {host.name: boot_id(lab, host.name) for host in lab.layout.hosts} == before
    assert "deployment.apps/web unchanged\nservice/web unchanged\n" in done.stdout


def test_kubeconfig_names_a_file_that_only_root_reads(lab: labs.Lab) -> None:
    """`kubeconfig` prints the path of the file that clients use."""
    path = layout.Path(command("kubeconfig").stdout.strip())

    assert path == lab.kubeconfig
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_unknown_host_is_refused_with_the_names_there_are(lab: labs.Lab) -> None:
    """A wrong name is told in one sentence."""
    done = command("kill", "node-99")

    assert done.returncode == 1
    assert done.stderr.startswith("deploy/lab: no host 'node-99': there are control-1")
