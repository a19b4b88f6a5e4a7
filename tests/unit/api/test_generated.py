"""The .proto files and the generated messages agree with the field table, and with etcd's."""

from __future__ import annotations

import itertools
import pathlib
import re
import subprocess
import sys

import pytest

from fairlead.api import table

ROOT = pathlib.Path(__file__).parents[3]
TYPES = {"double": 1, "int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12}


def test_the_proto_files_are_the_tables() -> None:
    """What a person reads in proto/ is what the codec works by."""
    result = subprocess.run(
        [sys.executable, "proto/from_table.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", table.names())
def test_every_generated_field_is_the_tables(name: str) -> None:
    """Numbers, types and presence: the wire format is Kubernetes'."""
    fields = table.message_type(name).DESCRIPTOR.fields_by_name
    schema = table.schema(name)

    assert set(fields) == {field.name for field in schema.fields}
    for field in schema.fields:
        made = fields[field.name]
        value = made.message_type.fields_by_name["value"] if field.map else made
        kind = value.message_type.full_name if field.is_message else value.type
        assert (made.number, kind) == (field.number, field.type if field.is_message else TYPES[field.type])
        if not (field.map or field.repeated or field.is_message):
            counts = name.endswith(("v1.Time", "v1.MicroTime")) and field.name == "seconds"
            assert made.has_presence is (field.pointer or counts)


@pytest.mark.parametrize("name", ["agent", "cluster", "metrics"])
def test_every_call_and_field_of_our_own_is_documented(name: str) -> None:
    """Who writes a client in another language has nothing but these files."""
    lines = [line.strip() for line in (ROOT / f"proto/fairlead/api/pb/{name}.proto").read_text().splitlines()]
    things = re.compile(r"rpc \w+\(|[\w. ]+ = \d+;")
    pairs = itertools.pairwise(lines)
    assert [line for before, line in pairs if things.match(line) and not before.startswith("//")] == []


def test_etcds_messages_and_ours_can_be_imported_together() -> None:
    """One process has one pool of messages; names in it must not clash."""
    program = (
        "import importlib, pathlib, etcd3\n"
        "from etcd3.etcdrpc import rpc_pb2\n"
        "for path in pathlib.Path('fairlead/api/pb').glob('*_pb2*.py'):\n"
        "    importlib.import_module('fairlead.api.pb.' + path.stem)\n"
        "print(rpc_pb2.RangeRequest(key=b'a').ByteSize())\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "3\n"), result.stderr
