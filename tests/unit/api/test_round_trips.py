"""Every message of the field table survives JSON and bytes, whatever it holds."""

from __future__ import annotations

import random
import string
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api import codec, quantity, table

META = "k8s.io.apimachinery.pkg.apis.meta.v1"
EXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1"
DEEPEST = 4
TEXT = string.ascii_letters + string.digits + '-_./ :é"\\\n'
# Timestamp is the wire's form of Time and never stands in JSON; Patch has no fields.
ALL = [name for name in table.names() if name != f"{META}.Timestamp"]


def a_text(rng: random.Random) -> str:
    return "".join(rng.choices(TEXT, k=rng.randint(1, 8)))


def a_json(rng: random.Random) -> bytes:
    return orjson.dumps(rng.choice([{"a": [1, {"b": None}]}, [1.5, "x"], "text", 7, True, {}]))


def a_scalar(rng: random.Random, kind: str) -> Any:
    return {
        "string": lambda: rng.choice(["", a_text(rng)]),
        "bytes": lambda: rng.choice([b"", rng.randbytes(5)]),
        "bool": lambda: rng.random() < 0.5,
        "double": lambda: rng.choice([0.0, -1.5, 3.0, 1e300]),
        "int32": lambda: rng.choice([0, 1, -1, 2**31 - 1, -(2**31)]),
        "int64": lambda: rng.choice([0, 1, -1, 2**63 - 1, -(2**63)]),
    }[kind]()


def fill_special(rng: random.Random, name: str, message: Any) -> bool:
    """Fill a message whose JSON is its own; return whether it is one."""
    short = name.rpartition(".")[2]
    if name == f"{META}.Time":
        message.seconds = rng.choice([0, 1_700_000_000, 253_402_300_799])
    elif name == f"{META}.MicroTime":
        message.seconds, message.nanos = 1_700_000_000, rng.choice([1000, 999_999_000])
    elif short in ("Quantity", "QuantityValue"):
        message.string = str(
            quantity.Quantity(rng.randint(0, 2**60), rng.choice([quantity.BINARY, quantity.DECIMAL]))
        )
    elif short == "IntOrString":
        if rng.random() < 0.5:
            message.intVal = rng.choice([0, 8080])
        else:
            message.type, message.strVal = 1, a_text(rng)
    elif name == f"{META}.FieldsV1":
        message.Raw = a_json(rng)
    elif short in ("RawExtension", "Unknown", "JSON"):
        message.raw = a_json(rng)
    elif short == "JSONSchemaPropsOrBool":
        message.allows = rng.random() < 0.5
    elif short == "JSONSchemaPropsOrArray":
        message.jSONSchemas.add(type="string")
    elif short == "JSONSchemaPropsOrStringArray":
        message.property.extend(["a", "b"])
    else:
        return False
    return True


def fill(rng: random.Random, name: str, message: Any, depth: int = 0) -> None:
    """Give a message some of its fields; one that is not a pointer stays unset where it holds nothing."""
    if fill_special(rng, name, message):
        return
    for field in table.schema(name).fields:
        if rng.random() < 0.5 or (field.is_message and depth >= DEEPEST):
            continue
        if field.map:
            fill_map(rng, field, getattr(message, field.name), depth)
        elif field.repeated and field.is_message:
            for _ in range(rng.randint(1, 2)):
                fill(rng, field.type, getattr(message, field.name).add(), depth + 1)
        elif field.repeated:
            getattr(message, field.name).extend(a_scalar(rng, field.type) for _ in range(2))
        elif field.is_message:
            child = getattr(message, field.name)
            child.SetInParent()
            fill(rng, field.type, child, depth + 1)
            if not field.pointer and not child.ByteSize():
                message.ClearField(field.name)
        else:
            setattr(message, field.name, a_scalar(rng, field.type))


def fill_map(rng: random.Random, field: table.Field, target: Any, depth: int) -> None:
    for key in {a_text(rng) for _ in range(2)}:
        if field.is_message:
            fill(rng, field.type, target[key], depth + 1)
        else:
            target[key] = a_scalar(rng, field.type)


def made(name: str, seed: int) -> Message:
    message = table.message_type(name)()
    fill(random.Random(seed), name, message)
    return message


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_every_message_survives_json_and_bytes(name: str, seed: int) -> None:
    """JSON says all that a message holds, in text as in Python; so do its bytes."""
    message = made(name, seed)

    data = codec.to_json(message)
    text = orjson.loads(orjson.dumps(data))

    assert text == data
    assert codec.from_json(text, type(message)) == message
    assert type(message).FromString(message.SerializeToString()) == message


@pytest.mark.parametrize("name", [name for name in ALL if table.schema(name).kind])
def test_every_kind_survives_yaml(name: str) -> None:
    """kubectl's YAML reads back as the same JSON, whatever the strings look like."""
    message = made(name, 7)
    (data,) = codec.load_yaml_documents(codec.to_yaml(message))
    assert data == codec.to_json(message)


@pytest.mark.parametrize("name", ALL)
def test_every_empty_message_survives_json(name: str) -> None:
    """What Go never omits is written, and reading it sets nothing."""
    empty = table.message_type(name)()
    data = codec.to_json(empty)
    got = codec.from_json(data, type(empty)) if data is not None else empty
    assert codec.to_json(got) == data
