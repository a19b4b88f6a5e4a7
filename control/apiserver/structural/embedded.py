"""Resources within resources: their version, kind and metadata, in Kubernetes' words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.apiserver import field
from control.apiserver.structural import validating
from control.apiserver.validation import meta
from fairlead.api import codec, names
from fairlead.api.pb import meta_v1_pb2 as metav1

Json = Any
UNNAMED = "fakename"  # a resource within another needs no name


def validate(value: Mapping[str, Json], path: str) -> field.Faults:
    """Judge an embedded resource; only version and kind must be there."""
    faults = [field.required(f"{path}.{name}") for name in ("apiVersion", "kind") if name not in value]
    for name, found in value.items():
        at = f"{path}.{name}"
        if name in ("apiVersion", "kind"):
            why = _text(name, found)
            if why:
                text = f"Invalid value: {validating.shown(found)}: {why}"
                faults.append(field.fault("FieldValueInvalid", text, at))
        elif name == "metadata":
            faults += _metadata(found, at)
    return faults


def _text(name: str, found: Json) -> str:
    """Return what is wrong with a version or a kind; "" where nothing is."""
    if not isinstance(found, str):
        return "must be a string"
    if not found:
        return "must not be empty"
    if name == "apiVersion":
        return f"unexpected GroupVersion string: {found}" if found.count("/") > 1 else ""
    wrong = names.dns_1035_label(found.lower())
    return f"may have mixed case, but should otherwise match: {','.join(wrong)}" if wrong else ""


def _metadata(found: Json, path: str) -> field.Faults:
    try:
        metadata = codec.from_json(found, metav1.ObjectMeta)
    except codec.DecodeError as error:
        text = f"Invalid value: {validating.shown(found)}: {error}"
        return [field.fault("FieldValueInvalid", text, path)]
    metadata.name = metadata.name or UNNAMED
    return meta.validate(metadata, bool(metadata.namespace), lambda name: tuple(names.path_segment(name)), path)
