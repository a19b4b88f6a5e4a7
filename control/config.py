"""The configuration of a control process, as /etc/fairlead/control.yaml holds it.

`fairlead-control init` writes it, `fairlead-control run` reads it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fairlead.api import scheme

DEFAULT_PATH = pathlib.Path("/etc/fairlead/control.yaml")
DEFAULT_PKI = pathlib.Path("/etc/fairlead/pki")
ETCD_PORT = 2379
API_COMPAT = ("", scheme.COMPAT_1_20)  # releases of Kubernetes whose clients can be served as well


class ConfigError(Exception):
    """A configuration that cannot be used; the text names file and field."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a control process is told; the field names are those of the file."""

    name: str
    advertiseAddress: str
    controlPlaneAddresses: Sequence[str]
    etcdEndpoints: Sequence[str]
    pkiDir: str = str(DEFAULT_PKI)
    serviceCIDR: str = "10.96.0.0/12"
    clusterCIDR: str = "10.128.0.0/11"
    nodeCIDRMaskSize: int = 24
    nodePortMin: int = 30000
    nodePortMax: int = 32767
    clusterDomain: str = "cluster.local"
    restPort: int = 6443
    grpcPort: int = 7443
    joinPort: int = 7444
    metricsPort: int = 7445
    heartbeatSeconds: float = 1.0
    graceSeconds: float = 3.0
    logLevel: str = "INFO"
    # Paths that are answered without a certificate or token; none: nothing is.
    anonymousPaths: Sequence[str] = ("/healthz", "/livez", "/readyz", "/version", "/version/")
    tokenAuthFile: str = ""
    # An issuer whose ID tokens are taken, its keys (a JWK set) and what makes a user of them.
    oidcIssuerURL: str = ""
    oidcClientID: str = ""
    oidcKeysFile: str = ""
    oidcUsernameClaim: str = "sub"
    oidcUsernamePrefix: str = ""
    oidcGroupsClaim: str = ""
    oidcGroupsPrefix: str = ""
    # An audit.k8s.io/v1 Policy; none: nothing is logged.
    auditPolicyFile: str = ""
    auditLogPath: str = "/var/log/fairlead/audit.log"
    auditLogMaxSizeMB: int = 100
    auditLogMaxBackups: int = 10
    auditLogMaxAgeDays: int = 30
    serviceAccountIssuer: str = "https://kubernetes.default.svc.cluster.local"
    apiCompat: str = ""
    disabledAdmissionPlugins: Sequence[str] = ()
    # An apiserver.config.k8s.io/v1 AdmissionConfiguration: PodSecurity's defaults and exemptions.
    admissionConfigFile: str = ""
    # Requests that the API carries out at once, divided among the priority levels (docs/fairness.md).
    maxRequestsInFlight: int = 600

    @property
    def pki(self) -> pathlib.Path:
        """Return the folder of keys and certificates."""
        return pathlib.Path(self.pkiDir)

    @property
    def grpc_endpoints(self) -> tuple[str, ...]:
        """Return host:port of every control process' port for mutual TLS."""
        return tuple(f"{address}:{self.grpcPort}" for address in self.controlPlaneAddresses)

    @property
    def join_endpoints(self) -> tuple[str, ...]:
        """Return host:port of every control process' port for joining."""
        return tuple(f"{address}:{self.joinPort}" for address in self.controlPlaneAddresses)

    @property
    def service_address(self) -> str:
        """Return the address of the Service `kubernetes`: the first of the service range."""
        return str(ipaddress.ip_network(self.serviceCIDR)[1])


def check(config: Config, source: str) -> None:
    """Refuse a configuration whose values cannot be used; ConfigError names each."""
    faults = []
    for field in ("serviceCIDR", "clusterCIDR"):
        try:
            ipaddress.ip_network(getattr(config, field))
        except ValueError as error:
            faults.append(f"{field}: {error}")
    for field in ("advertiseAddress", "controlPlaneAddresses"):
        value = getattr(config, field)
        for address in [value] if isinstance(value, str) else value:
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                faults.append(f"{field}: {error}")
    if not faults:
        service, cluster = ipaddress.ip_network(config.serviceCIDR), ipaddress.ip_network(config.clusterCIDR)
        if service.overlaps(cluster):
            faults.append(f"serviceCIDR: {service} overlaps clusterCIDR {cluster}")
        if not cluster.prefixlen <= config.nodeCIDRMaskSize <= cluster.max_prefixlen - 2:
            faults.append(f"nodeCIDRMaskSize: {config.nodeCIDRMaskSize} does not fit in clusterCIDR {cluster}")
        if config.advertiseAddress not in config.controlPlaneAddresses:
            faults.append(f"controlPlaneAddresses: must contain advertiseAddress {config.advertiseAddress}")
    if not 0 < config.nodePortMin <= config.nodePortMax < 65536:
        faults.append("nodePortMin, nodePortMax: must be a range of ports")
    if not 0 < config.heartbeatSeconds < config.graceSeconds:
        faults.append("graceSeconds: must be greater than heartbeatSeconds, which must be greater than 0")
    if config.apiCompat not in API_COMPAT:
        faults.append(f"apiCompat: {config.apiCompat!r} is not one of {', '.join(filter(None, API_COMPAT))}")
    if config.oidcIssuerURL and not (config.oidcClientID and config.oidcKeysFile):
        faults.append("oidcIssuerURL: needs oidcClientID and oidcKeysFile")
    if config.maxRequestsInFlight <= 0:
        faults.append("maxRequestsInFlight: must be greater than 0")
    if not config.etcdEndpoints:
        faults.append("etcdEndpoints: must name at least one member")
    if faults:
        raise ConfigError(f"{source}: " + "; ".join(faults))


def parse(document: Any, source: str) -> Config:
    """Return the configuration that a YAML document holds; ConfigError for unknown, missing or mistyped fields."""
    if not isinstance(document, dict):
        raise ConfigError(f"{source}: expected a mapping of fields")
    fields = {field.name: field for field in dataclasses.fields(Config)}
    unknown = sorted(set(document) - set(fields))
    missing = [
        name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in document
    ]
    faults = [f'unknown field "{name}"' for name in unknown] + [f"{name}: required value" for name in missing]
    faults += [
        f"{name}: expected {_expected(fields[name])}, got {value!r}"
        for name, value in document.items()
        if name in fields and not _fits(fields[name], value)
    ]
    if faults:
        raise ConfigError(f"{source}: " + "; ".join(faults))
    config = Config(**document)
    check(config, source)
    return config


def load(path: pathlib.Path) -> Config:
    """Read a configuration file."""
    try:
        return parse(yaml.safe_load(path.read_text()), str(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist: run `fairlead-control init` first") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error


def dump(config: Config) -> str:
    """Return the file's text for a configuration."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return "# Written by `fairlead-control init`; changes are kept by later runs of it.\n" + yaml.safe_dump(
        plain, sort_keys=False
    )


def _expected(field: dataclasses.Field[Any]) -> str:
    return {"str": "a string", "int": "an integer", "float": "a number"}.get(str(field.type), "a list of strings")


def _fits(field: dataclasses.Field[Any], value: object) -> bool:
    match str(field.type):
        case "str":
            return isinstance(value, str)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
