"""A second decoder of what lies in etcd: it knows the field table and protobuf's wire format, and nothing of ours.

    read(b"k8s\\0...") -> ("v1", "Pod", {"metadata": {...}, "spec": {...}})

Values are given as Kubernetes' JSON has them, without what is empty: a zero on the wire means the same as nothing.
"""

from __future__ import annotations

import base64
import datetime
import json
import pathlib
import struct
from collections.abc import Iterator
from typing import Any

TABLE = pathlib.Path(__file__).parents[2] / "fairlead" / "api" / "data" / "kubernetes-api.json"
PACKAGES: dict[str, Any] = json.loads(TABLE.read_bytes())["packages"]
META = "k8s.io.apimachinery.pkg.apis.meta.v1"
EXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1"


def read(stored: bytes) -> tuple[str, str, Any]:
    """Return apiVersion, kind and content of a stored value."""
    if not stored.startswith(b"k8s\0"):
        content = json.loads(stored)
        return content.pop("apiVersion"), content.pop("kind"), without_empty(content)
    unknown = dict(_fields(stored[4:]))
    kind = {number: value.decode() for number, value in _fields(unknown[1])}
    group, _, version = kind[1].rpartition("/")
    package = next(
        name for name, entry in PACKAGES.items()
        if (entry["group"] or "", entry["version"]) == (group, version) and kind[2] in entry["messages"]
    )  # fmt: skip
    return kind[1], kind[2], without_empty(_message(package, kind[2], unknown[2]))


def without_empty(value: Any) -> Any:
    """Return JSON without what is empty or zero, at any depth."""
    if isinstance(value, dict):
        kept = {key: without_empty(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in ({}, [], "", 0, None)}
    if isinstance(value, list):
        return [without_empty(one) for one in value]
    return value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message: number and value."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case 1:
                yield tag >> 3, struct.unpack("<d", data[at : at + 8])[0]
                at += 8
            case 2:
                size, at = _varint(data, at)
                assert at + size <= len(data), "a field is longer than its message"
                yield tag >> 3, data[at : at + size]
                at += size
            case other:
                raise AssertionError(f"wire type {other} is none of Kubernetes'")


def _message(package: str, name: str, data: bytes) -> Any:
    special = _SPECIAL.get(f"{package}.{name}")
    if special is not None:
        return special(data)
    rows = {row["number"]: (field, row) for field, row in PACKAGES[package]["messages"][name].items()}
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        field, row = rows[number]
        kind = row["type"]
        if row.get("inline"):
            found |= _value(package, kind, value)
            continue
        key = row.get("json", field)
        if kind.startswith("map<"):
            entry = dict(_fields(value))
            inner = kind[len("map<string,") : -1].strip()
            found.setdefault(key, {})[entry.get(1, b"").decode()] = _value(package, inner, entry.get(2, b""))
        elif row.get("repeated"):
            found.setdefault(key, []).append(_value(package, kind, value))
        else:
            found[key] = _value(package, kind, value)
    return found


def _value(package: str, kind: str, value: Any) -> Any:
    match kind:
        case "string":
            return value.decode()
        case "bytes":
            return base64.b64encode(value).decode()
        case "bool":
            return bool(value)
        case "int32" | "int64":
            return value - (1 << 64) if value >= 1 << 63 else value
        case "double":
            return value
    owner, _, name = kind.rpartition(".")
    return _message(owner or package, name, value)


def _time(data: bytes) -> str:
    moment = datetime.datetime.fromtimestamp(dict(_fields(data)).get(1, 0), datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(data: bytes) -> str:
    parts = dict(_fields(data))
    moment = datetime.datetime.fromtimestamp(parts.get(1, 0), datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{parts.get(2, 0) // 1000:06}Z"


def _int_or_string(data: bytes) -> Any:
    parts = dict(_fields(data))
    return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)


def _raw(data: bytes) -> Any:
    return json.loads(dict(_fields(data)).get(1, b"null"))


_SPECIAL = {
    f"{META}.Time": _time,
    f"{META}.MicroTime": _micro_time,
    f"{META}.FieldsV1": _raw,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": lambda data: dict(_fields(data)).get(1, b"0").decode(),
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _raw,
    f"{EXTENSIONS}.JSON": _raw,
}
