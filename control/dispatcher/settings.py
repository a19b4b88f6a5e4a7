"""What the dispatcher is told when it is made, the same for all of its sessions."""

from __future__ import annotations

from dataclasses import dataclass

from control.dispatcher import leases

PROTOCOL_VERSION = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """A control process as its agents see it; `endpoints` are host:port of every process' port 7443."""

    holder: leases.Holder
    cluster_id: int
    heartbeat_seconds: float = 1.0
    grace_seconds: float = 3.0
    endpoints: tuple[str, ...] = ()
    cluster_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
