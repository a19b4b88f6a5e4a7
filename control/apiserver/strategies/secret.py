"""Secrets: types with the keys that they need, a bound on size, and a promise not to change where it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta, names
from fairlead.api import codec
from fairlead.api.pb import core_v1_pb2 as corev1

MAX_BYTES = 1024 * 1024
OPAQUE = "Opaque"
SSH = "kubernetes.io/ssh-auth"
GO_KINDS: Mapping[type, str] = {list: "array", str: "string", bool: "bool"}
SERVICE_ACCOUNT = "kubernetes.io/service-account-token"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"

# Keys that a type demands, all of them.
NEEDED: Mapping[str, tuple[str, ...]] = {
    DOCKER_CONFIG: (".dockercfg",),
    DOCKER_CONFIG_JSON: (".dockerconfigjson",),
    SSH: ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


class SecretStrategy(strategy.Strategy[corev1.Secret]):
    """The rules of Secrets."""

    message = corev1.Secret
    selectable: ClassVar = {"type": lambda secret: secret.type}

    def default(self, obj: corev1.Secret) -> None:
        """Fill in the type, and take `stringData` into `data`: it is only for writing."""
        if not obj.type:
            obj.type = OPAQUE
        for key, value in obj.stringData.items():
            obj.data[key] = value.encode()
        obj.stringData.clear()

    def validate(self, obj: corev1.Secret) -> field.Faults:
        """Judge keys, size and what the type demands."""
        faults: field.Faults = []
        size = 0
        for key in sorted(obj.data):
            faults += field.invalids(f"data[{key}]", key, names.config_key(key))
            size += len(obj.data[key])
        if size > MAX_BYTES:
            faults.append(field.too_long("data", MAX_BYTES))
        return faults + _typed(obj)

    def prepare_for_update(self, obj: corev1.Secret, old: corev1.Secret) -> None:
        """Keep the type where the update leaves it out."""
        if not obj.type:
            obj.type = old.type

    def validate_update(self, obj: corev1.Secret, old: corev1.Secret) -> field.Faults:
        """Judge what changes: never the type, nothing of an immutable one."""
        faults = meta.immutable("type", obj.type, obj.type != old.type)
        if old.immutable:
            text = "field is immutable when `immutable` is set"
            if not obj.immutable:
                faults.append(field.forbidden("immutable", text))
            if dict(obj.data) != dict(old.data):
                faults.append(field.forbidden("data", text))
        return faults + self.validate(obj)


def _typed(obj: corev1.Secret) -> field.Faults:
    faults: field.Faults = []
    if obj.type == SERVICE_ACCOUNT and not obj.metadata.annotations.get(SERVICE_ACCOUNT_NAME):
        faults.append(field.required(f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]"))
    if obj.type == "kubernetes.io/basic-auth" and not {"username", "password"} & set(obj.data):
        faults.append(field.required("data[username]"))
        faults.append(field.required("data[password]"))
    for key in NEEDED.get(obj.type, ()):
        if key not in obj.data or (obj.type == SSH and not obj.data[key]):
            faults.append(field.required(f"data[{key}]"))
        elif obj.type in (DOCKER_CONFIG, DOCKER_CONFIG_JSON):
            faults += field.invalids(f"data[{key}]", "<secret contents redacted>", _no_document(obj.data[key]))
    return faults


def _no_document(data: bytes) -> Sequence[str]:
    """Say why what should be a JSON object is none, in the words of Go's decoder."""
    if fault := codec.json_fault(data):
        return [fault]
    value = json.loads(data)
    if value is None or isinstance(value, dict):
        return []
    kind = GO_KINDS.get(type(value), "number")
    return [f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"]
