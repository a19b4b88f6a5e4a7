"""Manifests: what `-f` names, read and decoded whole before anything is sent.

Every fault is one line that names the file, the document, the object and the field.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api import codec, errors, objects, scheme
from fairlead.api.pb import meta_v1_pb2 as metav1

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"


class ManifestError(Exception):
    """One or more faults in the input, one line each."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of the input: where it stands, as it was written, and as the API has it."""

    place: str
    data: dict[str, Any]
    object: objects.Object
    kind: scheme.Kind

    @property
    def name(self) -> str:
        """Return `deployment.apps/web`, as kubectl's output names objects."""
        return object_name(self.kind, self.metadata.name)

    @property
    def carrier(self) -> type[Any]:
        """Return the class of the object's kind."""
        return objects.class_of(self.kind)

    @property
    def metadata(self) -> metav1.ObjectMeta:
        """Return the object's metadata."""
        return self.object.metadata


def object_name(kind: scheme.Kind, name: str) -> str:
    """Return kubectl's short form of an object: kind in lower case, its group, its name."""
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.singular}{group}/{name}"


def faults_of(document: Document, error: errors.ApiError) -> list[str]:
    """Return what the server has against a document, one line for each field."""
    where = f"{document.place}{_subject(document.data)}"
    if isinstance(error, errors.Invalid) and error.causes:
        return [f"{where}: {cause.field}: {cause.message}" for cause in error.causes]
    return [f"{where}: {error}"]


def load(
    paths: Sequence[str],
    *,
    recursive: bool,
    namespace: str,
    strict: bool = True,
    kinds: scheme.Scheme = scheme.DEFAULT,
) -> list[Document]:
    """Read files, folders and standard input (`-`); ManifestError lists every fault of all of them.

    Objects of namespaced kinds without a namespace get `namespace`. Unless strict, unknown fields are let pass.
    """
    documents, faults = [], []
    for place, text in _texts(paths, recursive):
        try:
            parsed = codec.load_yaml_documents(text)
        except codec.DecodeError as error:
            faults.append(f"{place}: {error}")
            continue
        numbered = [(f"{place}, document {number}", data) for number, data in enumerate(parsed, start=1)]
        for where, data in (item for whole in numbered for item in _flatten(*whole)):
            try:
                documents.append(_document(where, data, namespace, strict, kinds))
            except codec.StrictDecodeError as error:
                faults += [f"{where}{_subject(data)}: {fault}" for fault in error.faults]
            except (codec.DecodeError, scheme.UnknownKind, ManifestError) as error:
                faults.append(f"{where}{_subject(data)}: {error}")
    faults += _duplicates(documents)
    if faults:
        raise ManifestError("\n".join(faults))
    if not documents:
        raise ManifestError("no objects in " + ", ".join(paths))
    return documents


def _texts(paths: Sequence[str], recursive: bool) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path == STDIN:
            yield "standard input", sys.stdin.read()
            continue
        root = pathlib.Path(path)
        if root.is_dir():
            found = sorted(root.rglob("*") if recursive else root.iterdir())
            files = [file for file in found if file.is_file() and file.suffix in SUFFIXES]
            if not files:
                raise ManifestError(f"{path}: no files ending in {', '.join(SUFFIXES)}")
        else:
            files = [root]
        for file in files:
            try:
                yield str(file), file.read_text()
            except FileNotFoundError as error:
                raise ManifestError(f"{file}: the path does not exist") from error
            except (OSError, UnicodeDecodeError) as error:
                raise ManifestError(f"{file}: cannot be read: {error}") from error


def _flatten(place: str, data: object) -> Iterator[tuple[str, object]]:
    """Take a v1 List apart into its items."""
    if isinstance(data, dict) and data.get("kind") == "List" and isinstance(data.get("items"), list):
        for index, item in enumerate(data["items"]):
            yield f"{place}, items[{index}]", item
    else:
        yield place, data


def _document(place: str, data: object, namespace: str, strict: bool, kinds: scheme.Scheme) -> Document:
    if not isinstance(data, dict):
        raise ManifestError("expected a mapping with apiVersion and kind")
    for field in ("apiVersion", "kind"):
        if not isinstance(data.get(field), str) or not data[field]:
            raise ManifestError(f"{field}: Required value")
    kind = kinds.by_kind(data["apiVersion"], data["kind"])
    metadata = data.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise ManifestError("metadata.name: Required value")
    if kind.namespaced:
        data = {**data, "metadata": {"namespace": namespace, **metadata}}
    elif metadata.get("namespace"):
        raise ManifestError(f"metadata.namespace: {kind.kind} is not namespaced")
    return Document(place, data, codec.decode_object(data, strict=strict, scheme=kinds), kind)


def _subject(data: object) -> str:
    """Return `, Deployment "web"` as far as the document tells."""
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        return ""
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f', {data["kind"]} "{name}"' if name else f", {data['kind']}"


def _duplicates(documents: Sequence[Document]) -> Iterator[str]:
    """Report an object that stands twice in the input."""
    seen: dict[tuple[str, str, str], str] = {}
    for document in documents:
        key = (document.kind.group_resource, document.metadata.namespace, document.metadata.name)
        if key in seen:
            yield f"{document.place}{_subject(document.data)}: stands already in {seen[key]}"
        seen.setdefault(key, document.place)
