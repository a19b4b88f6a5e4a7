"""What the API server is told of the cluster."""

from __future__ import annotations

from dataclasses import dataclass

from control.apiserver.admission import podpolicies


@dataclass(frozen=True, slots=True)
class Settings:
    """What the API server is told of the cluster; `node_ports` is the range's first and last.

    `api_compat` is an older release of Kubernetes whose clients are served as well, empty for none.
    `disabled_plugins` are names of admission plugins, as Kubernetes has them; `pod_security` configures one of them.
    """

    service_cidr: str = "10.96.0.0/12"
    node_ports: tuple[int, int] = (30000, 32767)
    api_compat: str = ""
    disabled_plugins: frozenset[str] = frozenset()
    pod_security: podpolicies.Configuration = podpolicies.NOTHING
