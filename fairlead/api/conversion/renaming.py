"""Copying between messages that say the same under other names or numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def rewired(obj: Message, target: type[M]) -> M:
    """Return a message as another type whose fields have the same numbers and types."""
    return target.FromString(obj.SerializeToString())


def renamed(obj: Message, target: type[M], names: Mapping[str, str]) -> M:
    """Return a message of single fields as another type, each under its name or the one that `names` gives."""
    made = target()
    for descriptor, value in obj.ListFields():
        place(made, names.get(descriptor.name, descriptor.name), value)
    return made


def carry(source: Any, name: str, target: Any, other: str = "") -> bool:
    """Copy one field that knows whether it is set, and say whether it was."""
    if not source.HasField(name):
        return False
    place(target, other or name, getattr(source, name))
    return True


def place(target: Any, name: str, value: Any) -> None:
    """Set a field to a scalar, or to what a message of the same wire form holds."""
    if isinstance(value, Message):
        child = getattr(target, name)
        child.SetInParent()
        child.MergeFromString(value.SerializeToString())
    else:
        setattr(target, name, value)
