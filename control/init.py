"""`fairlead-control init`: everything that a control host needs before its first start.

The first host makes the authorities and the service-account key; copy SHARED_FILES to the others, where the
same command adds only what is theirs. Running it again changes nothing but leaves that near their end.
"""

from __future__ import annotations

import base64
import dataclasses
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from control import config as configs
from control import pki
from control.apiserver import authn
from fairlead import certificates

SHARED_FILES = ("ca.crt", "ca.key", "etcd/ca.crt", "etcd/ca.key", "sa.key", "sa.pub")
ADMIN = pki.Subject("kubernetes-admin", (authn.MASTERS,), client=True)
# By this certificate an aggregated API knows that a request's headers come from the gateway.
FRONT_PROXY = pki.Subject("front-proxy-client", client=True)
KUBECONFIG_EXTENSION = "fairlead.dev/v1"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where init writes."""

    config: pathlib.Path = configs.DEFAULT_PATH
    kubeconfig: pathlib.Path = pathlib.Path("/etc/fairlead/admin.conf")


def initialise(config: configs.Config, paths: Paths) -> list[str]:
    """Make what is missing; returns one sentence for each thing made. PkiError where shared files are incomplete."""
    configs.check(config, str(paths.config))
    done = []
    present = [name for name in SHARED_FILES if name != "sa.pub" and (config.pki / name).exists()]
    if present and len(present) < len(SHARED_FILES) - 1:
        missing = ", ".join(sorted(set(SHARED_FILES) - set(present) - {"sa.pub"}))
        raise pki.PkiError(f"{config.pki}: found only some of the shared files; copy the others too: {missing}")
    cluster, made = pki.ensure_authority(config.pki / "ca.crt", config.pki / "ca.key", "fairlead-ca")
    done += ["made the cluster's authority"] if made else []
    etcd_dir = config.pki / "etcd"
    etcd, made = pki.ensure_authority(etcd_dir / "ca.crt", etcd_dir / "ca.key", "fairlead-etcd-ca")
    done += ["made etcd's authority"] if made else []
    done += ["made the service-account key"] if pki.ensure_service_account_key(config.pki) else []
    for authority, path, subject in leaves(config, cluster, etcd):
        if pki.ensure_leaf(authority, path, subject):
            done.append(f"made the certificate {path}.crt for {subject.user}")
    text = kubeconfig(config, cluster, (config.pki / "admin.crt", config.pki / "admin.key"))
    if not paths.kubeconfig.exists() or paths.kubeconfig.read_text() != text:
        certificates.write_file(paths.kubeconfig, text.encode(), secret=True)
        done.append(f"wrote {paths.kubeconfig}")
    if not paths.config.exists() or configs.load(paths.config) != configs.parse(_plain(config), str(paths.config)):
        certificates.write_file(paths.config, configs.dump(config).encode())
        done.append(f"wrote {paths.config}")
    return done


def leaves(
    config: configs.Config, cluster: pki.Authority, etcd: pki.Authority
) -> Sequence[tuple[pki.Authority, pathlib.Path, pki.Subject]]:
    """Return this host's certificates: authority, path without ending, subject."""
    local = ("localhost", "127.0.0.1")
    hosts = pki.unique((config.name, config.advertiseAddress, *local))
    services = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    served = pki.unique((*hosts, *services, f"kubernetes.default.svc.{config.clusterDomain}", config.service_address))
    control = f"system:fairlead-control:{config.name}"
    member = pki.Subject(config.name, hosts=hosts, server=True, client=True)
    return (
        (cluster, config.pki / "server", pki.Subject(control, (authn.CONTROL_PEERS,), served, True, True)),
        (cluster, config.pki / "admin", ADMIN),
        (cluster, config.pki / FRONT_PROXY.user, FRONT_PROXY),
        (etcd, config.pki / "etcd" / "server", member),
        (etcd, config.pki / "etcd" / "peer", member),
        (etcd, config.pki / "etcd" / "client", pki.Subject(control, client=True)),
    )


def kubeconfig(config: configs.Config, authority: pki.Authority, admin: tuple[pathlib.Path, pathlib.Path]) -> str:
    """Return a kubeconfig for the administrator, with the gRPC endpoints as an extension of its cluster."""
    certificate, key = (base64.b64encode(path.read_bytes()).decode() for path in admin)
    extension = {"name": KUBECONFIG_EXTENSION, "extension": {"endpoints": list(config.grpc_endpoints)}}
    cluster = {
        "server": f"https://{config.advertiseAddress}:{config.restPort}",
        "certificate-authority-data": base64.b64encode(authority.pem).decode(),
        "extensions": [extension],
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fairlead", "cluster": cluster}],
        "users": [{"name": ADMIN.user, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        "contexts": [{"name": "fairlead", "context": {"cluster": "fairlead", "user": ADMIN.user}}],
        "current-context": "fairlead",
    }
    return yaml.safe_dump(document, sort_keys=False)


def _plain(config: configs.Config) -> dict[str, object]:
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
