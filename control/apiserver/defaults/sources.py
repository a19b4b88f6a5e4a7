"""Defaults of the sources that pods' and persistent volumes have. Pure: writes into the message it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By source, then by field.
TEXTS: Mapping[str, Mapping[str, str]] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def fill(source: Any) -> None:
    """Fill in what a source leaves out."""
    for kind, texts in TEXTS.items():
        if not source.HasField(kind):
            continue
        value = getattr(source, kind)
        given = {descriptor.name for descriptor, _ in value.ListFields()}
        for name, text in texts.items():
            if name not in given:
                setattr(value, name, text)
        if kind == "azureDisk" and "readOnly" not in given:
            value.readOnly = False
