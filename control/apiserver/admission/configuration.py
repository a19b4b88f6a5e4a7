"""The file that configures admission plugins: Kubernetes' AdmissionConfiguration, of which PodSecurity is read."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from control.apiserver.admission import podpolicies
from fairlead.api import codec

KIND = "AdmissionConfiguration"
VERSIONS = ("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.k8s.io/v1alpha1")
CONFIGURED = "PodSecurity"  # the one plugin that can be


def read(path: pathlib.Path) -> podpolicies.Configuration:
    """Return what a file says of PodSecurity; OSError and ValueError for what is wrong with it."""
    document = _document(path)
    if document.get("apiVersion") not in VERSIONS or document.get("kind") != KIND:
        raise ValueError(f"expected kind {KIND} of {VERSIONS[0]}")
    plugins = document.get("plugins") or []
    if not isinstance(plugins, list) or not all(isinstance(one, Mapping) for one in plugins):
        raise ValueError("plugins: expected a list of mappings")
    found = podpolicies.NOTHING
    for index, plugin in enumerate(plugins):
        try:
            found = _configured(plugin, path.parent)
        except ValueError as error:
            raise ValueError(f"plugins[{index}]: {error}") from error
    return found


def _configured(plugin: Mapping[str, Any], folder: pathlib.Path) -> podpolicies.Configuration:
    if plugin.get("name") != CONFIGURED:
        raise ValueError(f'admission plugin "{plugin.get("name", "")}" takes no configuration')
    if plugin.get("configuration") is not None:
        return podpolicies.parse(plugin["configuration"])
    if plugin.get("path"):
        return podpolicies.parse(_document(folder / str(plugin["path"])))
    return podpolicies.NOTHING


def _document(path: pathlib.Path) -> Mapping[str, Any]:
    try:
        documents = codec.load_yaml_documents(path.read_text())
    except codec.DecodeError as error:
        raise ValueError(str(error)) from None
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        raise ValueError(f"{path.name}: expected one document")
    return documents[0]
