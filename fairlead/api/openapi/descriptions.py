"""What messages and fields mean and columns show, in words: one line each, read from data when first asked for."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping

import yaml

from fairlead.api import table

# Packages that repeat another's messages under their names: what is not said of theirs is said there.
_LIKE = {
    "k8s.io.api.autoscaling.v2beta2": "k8s.io.api.autoscaling.v2",
    "k8s.io.api.autoscaling.v1": "k8s.io.api.autoscaling.v2",
    "k8s.io.api.batch.v1beta1": "k8s.io.api.batch.v1",
    "k8s.io.api.discovery.v1beta1": "k8s.io.api.discovery.v1",
    "k8s.io.api.policy.v1beta1": "k8s.io.api.policy.v1",
}
# Fields that mean the same wherever they stand; data/descriptions may say more of one. Kubernetes' conformance tests
# look for "APIVersion defines", "Standard object's metadata" and "CreationTimestamp is a timestamp".
COMMON = {
    "apiVersion": "APIVersion defines the version of the API that this object is written in, as group/version.",
    "kind": "The type of this object.",
    "items": "The objects of the list.",
    "spec": "What is wanted.",
    "status": "What is, as last observed; written by the system.",
}
METADATA = {
    table.OBJECT_META: "Standard object's metadata: its name, namespace, labels and history.",
    table.LIST_META: "Standard metadata of the list: the revision it was read at, and how to read on.",
}


@functools.cache
def _texts(package: str) -> Mapping[str, Mapping[str, str]]:
    """Return the texts of a package: by message, then by field; the message's own under ''."""
    return _loaded("descriptions", f"{table.module_name(package)}.yaml")


@functools.cache
def _columns() -> Mapping[str, Mapping[str, str]]:
    """Return what columns show: by kind, then by column; of any kind under ''."""
    return _loaded("columns.yaml")


def _loaded(*path: str) -> Mapping[str, Mapping[str, str]]:
    found = importlib.resources.files("fairlead.api").joinpath("data", *path)
    return yaml.load(found.read_text(), yaml.CSafeLoader) or {} if found.is_file() else {}


def of_column(kind: str, name: str) -> str:
    """Return what a column of a kind's table shows; empty where nothing is said."""
    return _columns().get(kind, {}).get(name, "") or _columns()[""].get(name, "")


def of_message(full_name: str) -> str:
    """Return what a message is; empty where nothing is said."""
    return _found(full_name, "")


def of_field(full_name: str, field: table.Field) -> str:
    """Return what a field means; empty where nothing is said."""
    common = METADATA.get(field.type, "") if field.json == "metadata" else COMMON.get(field.json, "")
    return _found(full_name, field.json) or common


def _found(full_name: str, key: str) -> str:
    package, _, message = full_name.rpartition(".")
    own = _texts(package).get(message, {}).get(key, "")
    if own or package not in _LIKE:
        return own
    return _texts(_LIKE[package]).get(message, {}).get(key, "")
