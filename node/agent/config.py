"""The configuration of a node's agent, as /etc/fairlead/node.yaml holds it; `fairlead-node join` writes it."""

from __future__ import annotations

import dataclasses
import ipaddress
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

DEFAULT_PATH = pathlib.Path("/etc/fairlead/node.yaml")
DEFAULT_PKI = "/etc/fairlead/pki"


class ConfigError(Exception):
    """A configuration that cannot be used; the text names file and field."""


@dataclass(frozen=True, slots=True)
class Config:
    """What an agent is told; the field names are those of the file. `endpoints` are host:port of port 7443."""

    nodeName: str
    address: str
    endpoints: Sequence[str]
    pkiDir: str = DEFAULT_PKI
    rootDir: str = "/var/lib/fairlead"
    podmanSocket: str = "/run/podman/podman.sock"
    maxPods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    # Kept from pods, as Kubernetes quantities, for example {cpu: 100m, memory: 256Mi}.
    reserved: Mapping[str, str] = field(default_factory=dict)
    # Sysctls that pods may set beside the safe ones, `net.core.*` for all that begin so.
    allowedUnsafeSysctls: Sequence[str] = ()
    logLevel: str = "INFO"

    @property
    def pki(self) -> pathlib.Path:
        """Return the folder of keys and certificates."""
        return pathlib.Path(self.pkiDir)


def load(path: pathlib.Path) -> Config:
    """Read a configuration file; ConfigError where it cannot be used."""
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist: run `fairlead-node join` first") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse(document, str(path))


def parse(document: Any, source: str) -> Config:
    """Return the configuration that a YAML document holds."""
    if not isinstance(document, dict):
        raise ConfigError(f"{source}: expected a mapping of fields")
    fields = {found.name: found for found in dataclasses.fields(Config)}
    faults = [f'unknown field "{name}"' for name in sorted(set(document) - set(fields))]
    faults += [f"{name}: required value" for name in ("nodeName", "address", "endpoints") if not document.get(name)]
    expected = {"str": (str, "a string"), "int": (int, "an integer"), "Sequence[str]": (list, "a list of strings")}
    for name, value in document.items():
        if name in fields:
            type_, words = expected.get(str(fields[name].type), (dict, "a mapping of strings"))
            if not isinstance(value, type_):
                faults.append(f"{name}: expected {words}, got {value!r}")
    if not faults:
        faults += _faults(document)
    if faults:
        raise ConfigError(f"{source}: " + "; ".join(faults))
    return Config(**document)


def _faults(document: Mapping[str, Any]) -> list[str]:
    faults = []
    try:
        ipaddress.ip_address(document["address"])
    except ValueError as error:
        faults.append(f"address: {error}")
    for endpoint in document["endpoints"]:
        host, _, port = str(endpoint).rpartition(":")
        if not host or not port.isdigit():
            faults.append(f'endpoints: "{endpoint}" must be HOST:PORT')
    return faults
