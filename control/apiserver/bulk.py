"""How many parts an object may have, which is what its treatment costs: `{}` is a container, too. Pure.

Kubernetes bounds an object's bytes alone. Here a request is treated at one go while all others wait, and each of a
million empty parts takes as long as a full one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from fairlead.api import errors, objects

MOST_PARTS = 50_000  # messages, or objects and lists of JSON; large definitions of custom resources have 20,000
LEAST_BYTES = 2  # that a part takes in any format


def check(obj: Any) -> None:
    """Refuse an object with too many parts; errors.RequestEntityTooLarge."""
    if isinstance(obj, objects.Unstructured):
        check_document(obj.content)
    elif obj.ByteSize() > MOST_PARTS * LEAST_BYTES:
        _check(obj, _messages)


def check_document(document: Any) -> None:
    """Refuse JSON with too many parts; errors.RequestEntityTooLarge."""
    _check(document, _containers)


def _check(whole: Any, parts: Callable[[Any], Iterator[Any]]) -> None:
    count, left = 0, [whole]
    while left:
        count += 1
        if count > MOST_PARTS:
            raise errors.RequestEntityTooLarge(f"the object has more than {MOST_PARTS} parts")
        left.extend(parts(left.pop()))


def _messages(message: Message) -> Iterator[Message]:
    for field, value in message.ListFields():
        inner = field.message_type
        if inner is None:
            continue
        if not field.is_repeated:
            yield value
        elif not inner.GetOptions().map_entry:
            yield from value
        elif inner.fields_by_name["value"].message_type is not None:
            yield from value.values()


def _containers(value: Any) -> Iterator[Any]:
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list):
            yield one
