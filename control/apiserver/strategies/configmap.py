"""ConfigMaps: keys that can be files' names, a bound on size, and a promise not to change where it is made."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import names
from fairlead.api.pb import core_v1_pb2 as corev1

MAX_BYTES = 1024 * 1024


class ConfigMapStrategy(strategy.Strategy[corev1.ConfigMap]):
    """The rules of ConfigMaps."""

    message = corev1.ConfigMap

    def validate(self, obj: corev1.ConfigMap) -> field.Faults:
        """Judge keys and size."""
        faults: field.Faults = []
        size = 0
        for key in sorted(obj.data):
            faults += field.invalids(f"data[{key}]", key, names.config_key(key))
            if key in obj.binaryData:
                faults.append(field.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
            size += len(obj.data[key].encode())
        for key in sorted(obj.binaryData):
            faults += field.invalids(f"binaryData[{key}]", key, names.config_key(key))
            size += len(obj.binaryData[key])
        if size > MAX_BYTES:
            faults.append(field.too_long("[]", MAX_BYTES))  # how Kubernetes writes the path of the whole
        return faults

    def validate_update(self, obj: corev1.ConfigMap, old: corev1.ConfigMap) -> field.Faults:
        """Judge what changes: nothing of an immutable one."""
        faults: field.Faults = []
        text = "field is immutable when `immutable` is set"
        if old.immutable:
            if not obj.immutable:
                faults.append(field.forbidden("immutable", text))
            if dict(obj.data) != dict(old.data):
                faults.append(field.forbidden("data", text))
            if dict(obj.binaryData) != dict(old.binaryData):
                faults.append(field.forbidden("binaryData", text))
        return faults + self.validate(obj)
