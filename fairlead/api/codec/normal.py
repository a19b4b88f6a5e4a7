"""Messages of other encoders as this codec's own: without empty parts that only say that nothing is set.

Kubernetes' encoder writes every field that is no pointer, zero or not. A zero scalar leaves no trace in a message, an
empty message does; reading JSON leaves it unset. After `normalise` equal objects are equal messages again.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf.message import Message

from fairlead.api import table


def normalise(message: Message) -> None:
    """Unset what is empty and no pointer, in a message and all of its parts."""
    pointers = _pointers(message.DESCRIPTOR.full_name)
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        if descriptor.message_type.GetOptions().map_entry:
            if descriptor.message_type.fields_by_name["value"].message_type is not None:
                for one in value.values():
                    normalise(one)
        elif isinstance(value, Message):
            normalise(value)
            if descriptor.name not in pointers and not value.ListFields():
                message.ClearField(descriptor.name)
        else:
            _normalise_all(value)


def _normalise_all(values: Any) -> None:
    for one in values:
        normalise(one)


@functools.cache
def _pointers(full_name: str) -> frozenset[str]:
    """Return the fields of a message whose being set means something."""
    return frozenset(field.name for field in table.schema(full_name).fields if field.pointer)
