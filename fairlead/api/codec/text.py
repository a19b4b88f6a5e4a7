"""JSON and YAML texts to JSON-shaped Python and back.

YAML is read as Kubernetes reads it: version 1.1's scalars without its timestamps and base-60 numbers, keys
made strings, several documents in a text, and JSON too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from fairlead.api.codec import errors

Json = Any


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a text: the line that it starts in (from 1) and its object."""

    line: int
    data: dict[str, Json]


def loads(data: bytes | str, *, strict: bool = False) -> dict[str, Json]:
    """Return the object of a JSON text; where strict, a key that stands twice is a StrictDecodeError."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise errors.DecodeError(f"invalid JSON: {error}") from None
    if not isinstance(found, dict):
        raise errors.mismatch("an object", found)
    if strict:
        faults = duplicate_fields(data)
        if faults:
            raise errors.StrictDecodeError(faults)
    return found


def duplicate_fields(data: bytes | str) -> list[str]:
    """Return `json: duplicate field "spec.replicas"` for each key of a valid JSON text that stands twice."""
    doubles: dict[int, list[str]] = {}

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        found = dict(items)
        if len(found) != len(items):
            seen: set[str] = set()
            names = [key for key, _ in items if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
            doubles[id(found)] = list(dict.fromkeys(names))
        return found

    root = json.loads(data, object_pairs_hook=pairs)
    if not doubles:
        return []
    return [f'json: duplicate field "{path}"' for path in _paths(root, "", doubles)]


def _paths(value: Json, path: str, doubles: dict[int, list[str]]) -> Iterator[str]:
    if isinstance(value, dict):
        for key in doubles.get(id(value), ()):
            yield errors.join(path, key) if path else key
        for key, item in value.items():
            yield from _paths(item, errors.join(path, key) if path else key, doubles)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, f"{path}[{index}]", doubles)


# The scalars that Go's YAML reader resolves: PyYAML's own would also make dates and base-60 numbers.
_BOOL = re.compile(r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$")
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_INT = re.compile(r"^[-+]?(?:0b_*[01][01_]*|0o_*[0-7][0-7_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|[0-9][0-9_]*)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_MERGE = re.compile(r"^<<$")
_MERGE_TAG = "tag:yaml.org,2002:merge"
_RESOLVERS = (
    ("tag:yaml.org,2002:bool", _BOOL, "yYnNtTfFoO"),
    ("tag:yaml.org,2002:int", _INT, "-+0123456789"),
    ("tag:yaml.org,2002:float", _FLOAT, "-+0123456789."),
    (_MERGE_TAG, _MERGE, "<"),
)


class _Loader(yaml.CSafeLoader):
    """PyYAML's loader with Go's scalars, keys as strings, and complaints about keys that stand twice."""

    yaml_implicit_resolvers: dict[str | None, list[Any]] = {}  # noqa: RUF012 - PyYAML's own shape
    _merged = 0

    def flatten_mapping(self, node: Any) -> None:
        """Take over what `<<` names, unless that is more than anybody writes."""
        for key_node, value_node in list(node.value):
            if key_node.tag != _MERGE_TAG:
                continue
            for one in value_node.value if isinstance(value_node, yaml.SequenceNode) else (value_node,):
                if isinstance(one, yaml.MappingNode):
                    self.flatten_mapping(one)
                    self._merged += len(one.value)
                    if self._merged > MOST_MERGED:
                        raise errors.ExcessiveAliasing
        super().flatten_mapping(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Json]:
        if not isinstance(node, yaml.MappingNode):
            return super().construct_mapping(node, deep)
        own: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE_TAG:
                continue
            key = _key(self.construct_object(key_node, deep=True), key_node)
            if key in own:
                line = key_node.start_mark.line + 1
                raise errors.StrictDecodeError([f'yaml: line {line}: key "{key}" already set in map'])
            own.add(key)
        self.flatten_mapping(node)
        return {
            _key(self.construct_object(key_node, deep=True), key_node): self.construct_object(value, deep=deep)
            for key_node, value in node.value
        }


MOST_PARTS = 1_000_000  # that a document's aliases may stand for: more than any object that fits into etcd has
MOST_MERGED = 100_000  # fields that a text may take over by `<<`


class _Dumper(yaml.CSafeDumper):
    """PyYAML's dumper, which quotes what either PyYAML's or Go's reader would not take as a string."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


MOST_DIGITS = 250  # more do not fit into a float, even of sixteens


def _scalar(node: Any, pattern: re.Pattern[str], tag: str) -> str:
    """Return a node's text, which an explicit tag may have called what it is not."""
    if isinstance(node, yaml.ScalarNode) and pattern.match(node.value):
        return str(node.value)
    what = f"!!str `{node.value}`" if isinstance(node, yaml.ScalarNode) else "a collection"
    raise errors.DecodeError(f"yaml: line {node.start_mark.line + 1}: cannot decode {what} as a !!{tag}")


def _construct_bool(loader: Any, node: Any) -> bool:
    return _scalar(node, _BOOL, "bool").lower() in ("yes", "true", "on")


def _construct_int(loader: Any, node: Any) -> float:
    text = _scalar(node, _INT, "int").replace("_", "")
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    if len(digits) > MOST_DIGITS:
        line = node.start_mark.line + 1
        raise errors.DecodeError(f"yaml: line {line}: a number of {len(digits)} digits has no form in JSON")
    if digits.startswith(("0b", "0o", "0x")):
        number = sign * int(digits, 0)
    elif len(digits) > 1 and digits[0] == "0" and not set("89") & set(digits):
        number = sign * int(digits, 8)
    else:
        number = sign * int(digits)
    # beyond 64 bits JSON has floating point only
    return number if -(2**63) <= number < 2**64 else float(number)


def _construct_float(loader: Any, node: Any) -> float | int:
    text = _scalar(node, _FLOAT, "float").replace("_", "").lower()
    number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        line = node.start_mark.line + 1
        raise errors.DecodeError(f"yaml: line {line}: {node.value} has no form in JSON")
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def _construct_map(loader: Any, node: Any) -> Iterator[dict[str, Json]]:
    data: dict[str, Json] = {}
    yield data
    data.update(loader.construct_mapping(node))


def _construct_binary(loader: Any, node: Any) -> str:
    return bytes(yaml.constructor.SafeConstructor.construct_yaml_binary(loader, node)).decode("utf-8", "replace")


def _refuse(loader: Any, node: Any) -> None:
    tag = node.tag.rpartition(":")[2]
    raise errors.DecodeError(f"yaml: line {node.start_mark.line + 1}: !!{tag} has no form in JSON")


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", _NULL, ["~", "n", "N", ""])
for _tag in ("timestamp", "set", "omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refuse)
_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)
_Loader.add_constructor("tag:yaml.org,2002:binary", _construct_binary)


def _represent_str(dumper: Any, text: str) -> Any:
    """Return a text as a block where it has lines, in double quotes where it would read as something else."""
    tag = "tag:yaml.org,2002:str"
    if "\n" in text:
        return dumper.represent_scalar(tag, text, style="|")
    resolved = dumper.resolve(yaml.ScalarNode, text, (True, False))
    return dumper.represent_scalar(tag, text, style=None if resolved == tag else '"')


_Dumper.add_representer(str, _represent_str)


def _key(key: Json, node: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, dict | list) or key is None:
        line = node.start_mark.line + 1
        raise errors.DecodeError(f"yaml: line {line}: a key must be a scalar, got {errors.shown(key)}")
    return errors.shown(key)


def documents(text: str) -> list[Document]:
    """Return the objects of a YAML or JSON text with their lines; empty documents are left out."""
    if text.lstrip().startswith("{"):
        found = _json_documents(text)
        if found is not None:
            return found
    loader = _Loader(text)
    found = []
    try:
        while loader.check_node():
            node: Any = loader.get_node()
            data = loader.construct_document(node)
            if "&" in text and _parts(data, {}) > MOST_PARTS:
                raise errors.ExcessiveAliasing
            line = node.start_mark.line + 1
            if isinstance(data, dict):
                found.append(Document(line, data))
            elif data is not None:
                raise errors.DecodeError(f"yaml: line {line}: expected an object, got {errors.shown(data)}")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise errors.DecodeError(f"yaml: {where}{error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.encode(errors="replace").count(b"\n", 0, error.position) + 1  # the position counts bytes
        fault = f"control character #x{error.character:02x} is not allowed"
        raise errors.DecodeError(f"yaml: line {line}: {fault}") from None
    except RecursionError:
        raise errors.DecodeError("yaml: nested too deeply") from None
    finally:
        loader.dispose()
    return found


def _parts(value: Json, known: dict[int, int]) -> int:
    """Return how many parts a document has once its aliases are written out; shared parts are counted once."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST_PARTS  # of a part that contains itself
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_parts(one, known) for one in inner)
    return known[id(value)]


def load_yaml_documents(text: str) -> list[dict[str, Json]]:
    """Return the objects of a YAML or JSON text; errors name the line, a key that stands twice is one."""
    return [document.data for document in documents(text)]


def _json_documents(text: str) -> list[Document] | None:
    """Return the objects of JSON texts that follow each other, or None where the text is no JSON."""
    decoder = json.JSONDecoder()
    found: list[Document] = []
    end = 0
    while True:
        start = end + len(text[end:]) - len(text[end:].lstrip())
        if start == len(text):
            return found
        try:
            _, end = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            return None
        found.append(Document(text.count("\n", 0, start) + 1, loads(text[start:end], strict=True)))


def to_yaml(data: Json) -> str:
    """Return JSON-shaped data as YAML with sorted keys, as kubectl prints it."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=2**31 - 1)
    return text
