"""The field table: what Kubernetes' Go types say of each message's fields and the .proto files cannot.

The codec compiles from it, patches are driven by it. Read from package data when first asked for.
"""

from __future__ import annotations

import functools
import importlib
import importlib.resources
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

SCALARS = frozenset({"string", "bytes", "bool", "int32", "int64", "double"})
META = "k8s.io.apimachinery.pkg.apis.meta.v1"
OBJECT_META = f"{META}.ObjectMeta"
LIST_META = f"{META}.ListMeta"
# Kinds of the meta package that are served as `v1`; its others carry the group.
_META_CORE = {
    "APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "CreateOptions", "DeleteOptions",
    "GetOptions", "List", "ListOptions", "PatchOptions", "Status", "UpdateOptions", "WatchEvent",
}  # fmt: skip
# Messages that have a kind of their own although they carry no metadata.
_BARE_KINDS = {
    "AdmissionReview", "APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "ApplyOptions",
    "CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "NodeProxyOptions", "PatchOptions",
    "PodAttachOptions", "PodExecOptions", "PodLogOptions", "PodPortForwardOptions", "PodProxyOptions",
    "RangeAllocation", "SerializedReference", "ServiceProxyOptions", "TableOptions", "UpdateOptions",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `type` is a scalar or a message's full name, that of the values where `map` is true."""

    name: str
    number: int
    type: str
    json: str
    repeated: bool = False
    map: bool = False
    inline: bool = False
    pointer: bool = False
    omitempty: bool = False
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    struct_type: str = ""
    default: Any = None
    patch_strategies: frozenset[str] = frozenset()
    patch_merge_key: str = ""

    @property
    def is_message(self) -> bool:
        """Whether the field (or its elements, or its values) is a message."""
        return self.type not in SCALARS


@dataclass(frozen=True, slots=True)
class Schema:
    """One message: its fields in the order of Kubernetes' Go type, and the kind that it is in JSON.

    `api_version` and `kind` are empty where the message is only a part of others.
    """

    full_name: str
    fields: tuple[Field, ...]
    api_version: str = ""
    kind: str = ""


def module_name(package: str) -> str:
    """Return the stem of the Python module of a proto package: `k8s.io.api.core.v1` is `core_v1`."""
    parts = package.split(".")
    if re.fullmatch(r"v\d+((alpha|beta)\d+)?", parts[-1]):
        return f"{parts[-2]}_{parts[-1]}"
    return parts[-1]


def _field(package: str, name: str, row: Mapping[str, Any]) -> Field:
    kind = str(row["type"])
    keyed = re.fullmatch(r"map<string,(.+)>", kind)
    kind = keyed.group(1) if keyed else kind
    if kind not in SCALARS and "." not in kind:
        kind = f"{package}.{kind}"
    strategies = str(row.get("patchStrategy", ""))
    return Field(
        name=name,
        number=int(row["number"]),
        type=kind,
        json=str(row.get("json", name)),
        repeated=bool(row.get("repeated")),
        map=keyed is not None,
        inline=bool(row.get("inline")),
        pointer=bool(row.get("pointer")),
        omitempty=bool(row.get("omitempty")),
        list_type=str(row.get("listType", "")),
        list_map_keys=tuple(row.get("listMapKeys", ())),
        map_type=str(row.get("mapType", "")),
        struct_type=str(row.get("structType", "")),
        default=_default(row.get("default")),
        patch_strategies=frozenset(strategies.split(",")) if strategies else frozenset(),
        patch_merge_key=str(row.get("patchMergeKey", "")),
    )


def _default(text: str | None) -> Any:
    """Return the value of a default that is written as JSON; None for one that only names a Go constant."""
    return None if text is None or text.startswith("ref(") else json.loads(text)


def _identity(package: str, entry: Mapping[str, Any], name: str, fields: tuple[Field, ...]) -> tuple[str, str]:
    """Return (apiVersion, kind) of a message that is an object, a list or options; else two empty texts."""
    meta = any(f.json == "metadata" and f.type in (OBJECT_META, LIST_META) for f in fields)
    if name.endswith(("TemplateSpec", "ClaimTemplate")):
        return "", ""
    if not meta and name not in _BARE_KINDS:
        return "", ""
    group, version = entry.get("group") or "", entry.get("version") or ""
    if package == META and name in _META_CORE:
        group = ""
    return (f"{group}/{version}" if group else version), name


@functools.cache
def _packages() -> dict[str, Any]:
    text = importlib.resources.files("fairlead.api").joinpath("data", "kubernetes-api.json").read_bytes()
    packages: dict[str, Any] = json.loads(text)["packages"]
    return packages


@functools.cache
def schema(full_name: str) -> Schema:
    """Return the schema of a message by its full name; LookupError where Kubernetes has none of that name."""
    package, _, name = full_name.rpartition(".")
    entry = _packages().get(package)
    if entry is None or name not in entry["messages"]:
        raise LookupError(f"{full_name} is not in the field table")
    fields = tuple(_field(package, key, row) for key, row in entry["messages"][name].items())
    api_version, kind = _identity(package, entry, name, fields)
    return Schema(full_name, fields, api_version, kind)


@functools.cache
def json_fields(full_name: str) -> Mapping[str, Field]:
    """Return the fields that stand in the JSON of a message by their JSON names, inlined ones included."""
    found: dict[str, Field] = {}
    for field in schema(full_name).fields:
        if field.inline:
            found |= json_fields(field.type)
        else:
            found[field.json] = field
    return found


@functools.cache
def message_type(full_name: str) -> type[Message]:
    """Return the generated class of a message by its full name, importing its module."""
    package, _, name = full_name.rpartition(".")
    if package not in _packages():
        raise LookupError(f"{full_name} is not in the field table")
    module = importlib.import_module(f"fairlead.api.pb.{module_name(package)}_pb2")
    found: type[Message] = getattr(module, name)
    return found


@functools.cache
def by_kind(api_version: str, kind: str) -> str:
    """Return the full name of the message that `policy/v1`, `Eviction` is; LookupError where there is none."""
    for package, entry in _packages().items():
        if kind in entry["messages"]:
            found = schema(f"{package}.{kind}")
            if (found.api_version, found.kind) == (api_version, kind):
                return found.full_name
    raise LookupError(f'no kind "{kind}" is registered for version "{api_version}"')


def names() -> list[str]:
    """Return the full names of all messages of the table."""
    return [f"{package}.{name}" for package, entry in _packages().items() for name in entry["messages"]]
