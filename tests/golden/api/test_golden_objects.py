"""Objects as Kubernetes' own encoders write them, and ours reading them and writing the same."""

from __future__ import annotations

import ast
import json
import pathlib

import pytest

from fairlead.api import codec, scheme, table

HERE = pathlib.Path(__file__).parent
KINDS = ("pod", "service", "deployment")


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def assembled(lines: list[str]) -> bytes:
    """Return the wire bytes of `number: value` lines up to the closing brace; lines are used up."""
    out = b""
    while lines:
        line = lines.pop(0).strip()
        if line.startswith("}"):
            break
        if not line or line.startswith("#"):
            continue
        number, _, rest = line.partition(": ")
        if rest.startswith("{"):
            body = assembled(lines)
        elif rest.startswith('"'):
            body = ast.literal_eval(rest[: rest.rindex('"') + 1]).encode()
        else:
            out += varint(int(number) << 3) + varint(int(rest.partition("#")[0]))
            continue
        out += varint(int(number) << 3 | 2) + varint(len(body)) + body
    return out


def stored(name: str) -> bytes:
    return b"k8s\0" + assembled((HERE / f"{name}.wire").read_text().splitlines())


def golden(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((HERE / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", KINDS)
def test_what_kubernetes_stored_reads_as_what_kubernetes_serves(name: str) -> None:
    """Every zero that its encoder writes means the same as nothing."""
    got = codec.to_json(codec.decode_stored(stored(name)))
    assert got == golden(name)


@pytest.mark.parametrize("name", KINDS)
def test_json_and_kubernetes_bytes_are_the_same_object(name: str) -> None:
    """What comes in as JSON is stored, and read back, as if Kubernetes had stored it."""
    obj = codec.decode_object(golden(name))
    assert codec.to_json(codec.decode_stored(codec.encode_stored(obj))) == golden(name)


def test_stored_bytes_begin_with_kubernetes_envelope() -> None:
    """The prefix, the kind, the length of the object; at the end the empty encoding and content type."""
    obj = codec.decode_object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
    assert codec.encode_stored(obj) == b'k8s\0\n\x0f\n\x02v1\x12\tNamespace\x12\x05\n\x03\n\x01a\x1a\x00"\x00'


def test_a_service_is_written_as_kubectl_writes_yaml() -> None:
    """Keys in order, lists not indented, and quotes where a text would read as something else."""
    got = codec.to_yaml(codec.decode_object(golden("service")))
    assert got == (HERE / "service.yaml").read_text()


def test_every_kind_of_the_scheme_is_the_tables() -> None:
    """The codec says of a message what the scheme says of its kind."""
    rows = [row for row in (*scheme.KINDS, *scheme.VERSIONS) if row.message is not None]
    for row in rows:
        schema = table.schema(row.message.DESCRIPTOR.full_name)
        assert (schema.api_version, schema.kind) == (row.api_version, row.kind)
