"""The files by which a pod resolves names: /etc/hosts and /etc/resolv.conf. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.api.pb import core_v1_pb2 as corev1

_HEADER = "# Kubernetes-managed hosts file."
_HOST_HEADER = "# Kubernetes-managed hosts file (host network)."
_STANDARD = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)
# The resolver's own bounds (resolv.conf(5)).
_MAX_SERVERS, _MAX_SEARCHES = 3, 32


@dataclass(frozen=True, slots=True)
class Resolver:
    """What a resolv.conf says."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the file."""
        lines = [f"nameserver {server}" for server in self.servers[:_MAX_SERVERS]]
        if self.searches:
            lines.insert(0, f"search {' '.join(self.searches[:_MAX_SEARCHES])}")
        if self.options:
            lines.append(f"options {' '.join(self.options)}")
        return "\n".join([*lines, ""])


def parse(text: str) -> Resolver:
    """Return what a resolv.conf says; the last `search` counts."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        match words[:1]:
            case ["nameserver"]:
                servers += words[1:2]
            case ["search"]:
                searches = tuple(words[1:])
            case ["options"]:
                options += words[1:]
    return Resolver(tuple(servers), searches, tuple(options))


def resolver(pod: corev1.Pod, host: Resolver, cluster_dns: Sequence[str], cluster_domain: str) -> Resolver:
    """Return the pod's resolver by its dnsPolicy; without a cluster DNS the node's own."""
    policy = pod.spec.dnsPolicy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.hostNetwork:
        policy = "Default"
    found = host
    if policy == "None":
        found = Resolver()
    elif policy in ("ClusterFirst", "ClusterFirstWithHostNet") and cluster_dns:
        own = tuple(f"{prefix}{cluster_domain}" for prefix in (f"{pod.metadata.namespace}.svc.", "svc.", ""))
        found = Resolver(tuple(cluster_dns), (*own, *host.searches), ("ndots:5",))
    if not pod.spec.HasField("dnsConfig"):
        return found
    config = pod.spec.dnsConfig
    options = {option.partition(":")[0]: option for option in found.options}
    for given in config.options:
        options[given.name] = f"{given.name}:{given.value}" if given.HasField("value") else given.name
    return Resolver(
        tuple(dict.fromkeys((*found.servers, *config.nameservers))),
        tuple(dict.fromkeys((*found.searches, *config.searches))),
        tuple(options.values()),
    )


def hosts(pod: corev1.Pod, addresses: Sequence[str], hostname: str, domain: str, node_hosts: str) -> str:
    """Return the pod's hosts file: the node's own on its network, else the standard names and the pod's."""
    if pod.spec.hostNetwork:
        lines = [_HOST_HEADER, *node_hosts.splitlines()]
    else:
        lines = [_HEADER, *_STANDARD]
        names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
        lines += [f"{address}\t{names}" for address in addresses]
    if pod.spec.hostAliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((alias.ip, *alias.hostnames)) for alias in pod.spec.hostAliases]
    return "\n".join([*lines, ""])
