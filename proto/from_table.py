"""Writer of the Kubernetes .proto files from the field table.

Run `python proto/from_table.py` after the table (fairlead/api/data/kubernetes-api.json) changes;
`--check` leaves the files alone and exits 1 where one differs. The files are sources, kept in git:
proto packages, message and field names and numbers are Kubernetes', syntax is proto3 with `optional`
on the scalars whose absence Kubernetes tells from zero.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
TABLE = ROOT / "fairlead" / "api" / "data" / "kubernetes-api.json"
OUT = ROOT / "proto" / "fairlead" / "api" / "pb"
SCALARS = {"string", "bytes", "bool", "int32", "int64", "double", "float", "uint32", "uint64"}
# Kubernetes writes these although they are not pointers, and readers ask for their presence.
PRESENT = {("Time", "seconds"), ("MicroTime", "seconds")}
META = "k8s.io.apimachinery.pkg.apis.meta.v1"

Field = dict[str, object]


def module_name(package: str) -> str:
    """Return the Python module stem of a proto package: `k8s.io.api.core.v1` is `core_v1`."""
    parts = package.split(".")
    if re.fullmatch(r"v\d+((alpha|beta)\d+)?", parts[-1]):
        return f"{parts[-2]}_{parts[-1]}"
    return parts[-1]


def owner_of(type_name: str) -> str:
    return type_name.rpartition(".")[0]


def referenced(field: Field) -> list[str]:
    """Return the message types that a field names."""
    kind = str(field["type"])
    inner = re.fullmatch(r"map<string,(.+)>", kind)
    name = inner.group(1) if inner else kind
    return [] if name in SCALARS else [name]


def remarks(field: Field) -> str:
    """Return the JSON and patch facts of a field as a trailing comment, or nothing."""
    facts = []
    if field.get("inline"):
        facts.append("inline in JSON")
    if "json" in field:
        facts.append(f"JSON name {field['json']}")
    if field.get("listType") == "map":
        facts.append("list keyed by " + ", ".join(field["listMapKeys"]))  # type: ignore[arg-type]
    elif field.get("listType") == "set":
        facts.append("set")
    if "patchStrategy" in field:
        key = f" on {field['patchMergeKey']}" if "patchMergeKey" in field else ""
        facts.append(f"patch {field['patchStrategy']}{key}")
    if "default" in field:
        facts.append(f"default {field['default']}")
    return "  // " + "; ".join(facts) if facts else ""


def declaration(message: str, name: str, field: Field) -> str:
    """Return one field's line."""
    kind = str(field["type"]).replace("map<string,", "map<string, ")
    label = options = ""
    if field.get("repeated"):
        label = "repeated "
        if kind in SCALARS - {"string", "bytes"}:
            options = " [packed = false]"
    elif kind in SCALARS and (field.get("pointer") or (message, name) in PRESENT):
        label = "optional "
    return f"  {label}{kind} {name} = {field['number']}{options};{remarks(field)}"


def proto_text(package: str, entry: dict[str, object]) -> str:
    """Return the whole .proto file of a package."""
    messages: dict[str, dict[str, Field]] = entry["messages"]  # type: ignore[assignment]
    used = {owner_of(name) for fields in messages.values() for f in fields.values() for name in referenced(f)}
    lines = [f"// Kubernetes 1.32, {package}. Written by proto/from_table.py.", 'syntax = "proto3";', ""]
    lines += [f"package {package};", ""]
    imports = sorted(f'import "fairlead/api/pb/{module_name(p)}.proto";' for p in used - {"", package})
    lines += [*imports, ""] if imports else []
    for message, fields in messages.items():
        ordered = sorted(fields.items(), key=lambda item: int(str(item[1]["number"])))
        lines.append(f"message {message} {{" if ordered else f"message {message} {{}}")
        lines += [declaration(message, name, field) for name, field in ordered]
        lines += ["}", ""] if ordered else [""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    packages = json.loads(TABLE.read_text())["packages"]
    stale = []
    for package, entry in packages.items():
        path = OUT / f"{module_name(package)}.proto"
        text = proto_text(package, entry)
        if "--check" in sys.argv[1:]:
            stale += [path.name] if not path.exists() or path.read_text() != text else []
        else:
            path.write_text(text)
    if stale:
        print("stale, run `python proto/from_table.py`: " + ", ".join(stale), file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
