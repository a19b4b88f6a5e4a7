"""A cluster in which nothing happens does nothing: no polling, no writes but Leases."""

from __future__ import annotations

import base64
import collections
import json
import math
import re
import time
from collections.abc import Mapping

from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import asking, figuring, journal
from tests.support import lab as labs

WINDOW_SECONDS = 32
NODE_LEASE_SECONDS = 10
LEADER_RENEW_SECONDS = 2
QUIET_SECONDS = 4
# of the leader's comparison of allocations with Services (4, every 3 minutes) and of each process' turn at
# compaction, should they fall into the window; whoever polls makes more
PERIODIC_READS = 8
NODE_LEASES = "/registry/leases/kube-node-lease/"
LEADER_LEASES = "/registry/leases/kube-system/"


def written(lab: labs.Lab, seconds: int) -> collections.Counter[str]:
    """Every key that is written within a time from now on, with how often."""
    watching = ("timeout", "--preserve-status", str(seconds), *journal.command(lab))
    found: collections.Counter[str] = collections.Counter()
    done = lab.call(lab.controls[0], *watching, "watch", "--prefix", "/", "--write-out=json", timeout=seconds + 20.0)
    for line in done.stdout.splitlines():
        for event in json.loads(line).get("Events", ()):
            found[base64.b64decode(event["kv"]["key"]).decode()] += 1
    return found


def reads(lab: labs.Lab) -> int:
    """How many reads etcd's members have served since they started."""
    texts = [lab.run(name, "curl", "-s", "http://127.0.0.1:2381/metrics") for name in lab.controls]
    pattern = re.compile(r'^grpc_server_started_total\{grpc_method="Range".*\} (\S+)$', re.MULTILINE)
    return sum(int(float(count)) for text in texts for count in pattern.findall(text))


def unlisted(lab: labs.Lab, api: asking.Api) -> str:
    """Which nodes have not yet told of images that earlier tests pulled: they do so within a minute of it."""
    behind = []
    for node in api.list(corev1.Node):
        held = lab.run(node.metadata.name, "podman", "images", "--quiet", "--no-trunc").split()
        if len(set(held)) != len(node.status.images):
            behind.append(f"{node.metadata.name} lists {len(node.status.images)} images of {len(set(held))}")
    return ", ".join(behind)


def processor_seconds(lab: labs.Lab) -> Mapping[str, float]:
    """The processor time that each host's Fairlead process has used."""
    used = {}
    for host in lab.layout.hosts:
        unit = "fairlead-control" if host.role == "control" else "fairlead-node"
        pid = lab.run(host.name, "systemctl", "show", "--property=MainPID", "--value", unit).strip()
        fields = lab.run(host.name, "cat", f"/proc/{pid}/stat").rpartition(")")[2].split()
        used[host.name] = (int(fields[11]) + int(fields[12])) / 100.0
    return used


def test_idle_cluster_writes_only_leases_and_polls_nothing(
    lab: labs.Lab, api: asking.Api, figures: figuring.Figures
) -> None:
    """Heartbeats, status and metrics write a Lease every 10 s a node; leaders renew theirs; no one polls."""
    labs.wait_until(lambda: unlisted(lab, api), 90.0)
    labs.wait_until(lambda: ", ".join(k for k in written(lab, QUIET_SECONDS) if "/leases/" not in k), 60.0)
    before, used, started = reads(lab), processor_seconds(lab), time.monotonic()

    keys = written(lab, WINDOW_SECONDS)

    after, elapsed = reads(lab), time.monotonic() - started
    shares = {name: 100.0 * (now - used[name]) / elapsed for name, now in processor_seconds(lab).items()}
    nodes = {key.removeprefix(NODE_LEASES): count for key, count in keys.items() if key.startswith(NODE_LEASES)}
    leaders = {key: count for key, count in keys.items() if key.startswith(LEADER_LEASES)}
    assert sorted(set(keys) - {NODE_LEASES + name for name in nodes} - set(leaders)) == []
    assert set(nodes) == set(lab.nodes)
    assert max(nodes.values()) <= math.ceil(WINDOW_SECONDS / NODE_LEASE_SECONDS)
    assert max(leaders.values()) <= math.ceil(WINDOW_SECONDS / LEADER_RENEW_SECONDS)
    assert after - before <= PERIODIC_READS
    figures.note("idle: most that a control process uses of a core", max(shares[n] for n in lab.controls), unit="%")
    figures.note("idle: most that an agent uses of a core", max(shares[n] for n in lab.nodes), unit="%")
