"""IntOrString: a number, or a percentage of one. Pure."""

from __future__ import annotations

import re

from fairlead.api.pb import intstr_pb2

STRING = 1


def of(value: int | str) -> intstr_pb2.IntOrString:
    """Return the message of a number or a text."""
    if isinstance(value, int):
        return intstr_pb2.IntOrString(intVal=value)
    return intstr_pb2.IntOrString(type=STRING, strVal=value)


def scaled(value: intstr_pb2.IntOrString, total: int, *, round_up: bool) -> int:
    """Return the number, or the percentage of `total` rounded up or down; ValueError for any other text."""
    if value.type != STRING:
        return value.intVal
    match = re.fullmatch(r"([0-9]+)%", value.strVal)
    if match is None:
        raise ValueError(f"invalid value for IntOrString: {value.strVal!r} is not a percentage")
    share = int(match[1]) * total
    return -(-share // 100) if round_up else share // 100
