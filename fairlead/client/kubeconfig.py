"""Kubeconfig files: where a cluster is and who the caller is there.

The standard file; a cluster's extension `fairlead.dev/v1` with `endpoints` (host:port of every control process)
says where gRPC is served. Without it gRPC is looked for on the server's host, port 7443.
"""

from __future__ import annotations

import base64
import binascii
import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib import parse

import yaml

EXTENSION = "fairlead.dev/v1"
GRPC_PORT = 7443
TOKEN_PORT = 7444
DEFAULT_PATH = pathlib.Path("~/.kube/config")


class ConfigError(Exception):
    """A kubeconfig that cannot be used; the text names the file and the entry."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster and an identity: PEM texts, and either a certificate with its key or a token."""

    endpoints: Sequence[str]
    authority: bytes
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    namespace: str = ""


def load(path: str | None = None, context: str = "") -> Connection:
    """Read a kubeconfig: the path given, else the first of KUBECONFIG, else ~/.kube/config.

    `context` names another context than the current one.
    """
    chosen = path or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or str(DEFAULT_PATH)
    file = pathlib.Path(chosen).expanduser()
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; name a kubeconfig with --kubeconfig or KUBECONFIG") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: not a kubeconfig")
    return _Reader(file, document).connection(context)


class _Reader:
    """Looks entries up and resolves file names against the kubeconfig's folder."""

    def __init__(self, file: pathlib.Path, document: Mapping[str, Any]) -> None:
        self._file = file
        self._document = document

    def connection(self, context: str) -> Connection:
        name = context or self._document.get("current-context") or ""
        if not name:
            raise ConfigError(f"{self._file}: current-context is not set")
        chosen = self._entry("contexts", name, "context")
        cluster = self._entry("clusters", chosen.get("cluster", ""), "cluster")
        user = self._entry("users", chosen.get("user", ""), "user")
        token = user.get("token") or self._content(user, "tokenFile").decode().strip()
        connection = Connection(
            endpoints=self._endpoints(cluster, token),
            authority=self._content(cluster, "certificate-authority"),
            certificate=self._content(user, "client-certificate"),
            key=self._content(user, "client-key"),
            token=token,
            namespace=chosen.get("namespace") or "",
        )
        if not connection.authority:
            raise ConfigError(f"{self._file}: the cluster of context {name} has no certificate-authority")
        return connection

    def _entry(self, section: str, name: str, field: str) -> Mapping[str, Any]:
        for entry in self._document.get(section) or ():
            if isinstance(entry, dict) and entry.get("name") == name:
                return entry.get(field) or {}
        raise ConfigError(f'{self._file}: {section} has no entry named "{name}"')

    def _content(self, entry: Mapping[str, Any], field: str) -> bytes:
        """Return what `<field>-data` holds or the file that `<field>` names; empty where neither is there."""
        try:
            if entry.get(f"{field}-data"):
                return base64.b64decode(str(entry[f"{field}-data"]), validate=True)
            if entry.get(field):
                return (self._file.parent / str(entry[field])).read_bytes()
        except (binascii.Error, OSError) as error:
            raise ConfigError(f"{self._file}: {field}: {error}") from error
        return b""

    def _endpoints(self, cluster: Mapping[str, Any], token: str) -> Sequence[str]:
        """Return host:port for gRPC; a caller with a token uses the port that asks for no certificate."""
        found: list[str] = []
        for extension in cluster.get("extensions") or ():
            if extension.get("name") == EXTENSION:
                found = list((extension.get("extension") or {}).get("endpoints") or ())
        if not found:
            host = parse.urlsplit(cluster.get("server", "")).hostname
            if not host:
                raise ConfigError(f"{self._file}: the cluster's server is not a URL")
            found = [f"[{host}]:{GRPC_PORT}" if ":" in host else f"{host}:{GRPC_PORT}"]
        if token:
            return [f"{endpoint.rpartition(':')[0]}:{TOKEN_PORT}" for endpoint in found]
        return found
