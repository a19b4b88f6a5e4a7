"""Sets of fields, in the shape of FieldsV1: a tree of steps, in which `.` says that the path itself is a member.

A set is the tree below the object: step -> node. A node without children is a member; one with children is a member
if it has `.` among them. An empty set is an empty tree. Sets are never changed: operations share parts of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from fairlead.api import jsontext
from fairlead.api.fields import steps

Node = Mapping[str, Any]
FieldSet = Mapping[str, Node]

MEMBER = "."
LEAF: Node = {}
EMPTY: FieldSet = {}
# Steps whose order is not that of their texts: numbers, and what holds escapes.
_BY_VALUE = re.compile(rb'"[iv]:[^\\]|"k:[^}]*\\":[-0-9tfn]|\\\\')
REMEMBERED = 1024
REMEMBERED_BYTES = 16 * 1024


class FieldsError(ValueError):
    """A text that is no FieldsV1."""


def is_member(node: Node) -> bool:
    """Say whether a node's own path is in the set."""
    return not node or MEMBER in node


def children(node: Node) -> FieldSet:
    """Return what lies below a node."""
    return {step: below for step, below in node.items() if step != MEMBER} if MEMBER in node else node


def node(member: bool, below: FieldSet) -> Node | None:
    """Return the node of a path and what lies below it; None where neither is in the set."""
    if not below:
        return LEAF if member else None
    return {MEMBER: LEAF, **below} if member else below


def of(*paths: str) -> FieldSet:
    """Return the set of fields whose paths are written as in `status` or `metadata.labels`."""
    found: FieldSet = EMPTY
    for path in paths:
        made: Node = LEAF
        for name in reversed(path.split(".")):
            made = {steps.FIELD + name: made}
        found = union(found, made)
    return found


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in either set."""
    if not left or not right:
        return left or right
    out = dict(left)
    for step, theirs in right.items():
        mine = out.get(step)
        out[step] = theirs if mine is None else _joined(mine, theirs)
    return out


def _joined(left: Node, right: Node) -> Node:
    member = is_member(left) or is_member(right)
    found = node(member, union(children(left), children(right)))
    assert found is not None
    return found


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in the left set and not, by exactly the same path, in the right one."""
    if not left or not right:
        return left
    out: dict[str, Node] = {}
    for step, mine in left.items():
        theirs = right.get(step)
        rest = mine if theirs is None else _without(mine, theirs)
        if rest is not None:
            out[step] = rest
    return out


def _without(left: Node, right: Node) -> Node | None:
    return node(is_member(left) and not is_member(right), difference(children(left), children(right)))


def recursive_difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in the left set and neither in the right one nor below a member of it."""
    if not left or not right:
        return left
    out: dict[str, Node] = {}
    for step, mine in left.items():
        theirs = right.get(step)
        if theirs is None:
            out[step] = mine
        elif not is_member(theirs):
            rest = node(is_member(mine), recursive_difference(children(mine), children(theirs)))
            if rest is not None:
                out[step] = rest
    return out


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in both sets."""
    out: dict[str, Node] = {}
    for step, mine in left.items():
        theirs = right.get(step)
        if theirs is not None:
            both = node(is_member(mine) and is_member(theirs), intersection(children(mine), children(theirs)))
            if both is not None:
                out[step] = both
    return out


def covers(outer: FieldSet, inner: FieldSet) -> bool:
    """Say whether all of the inner set is in the outer one."""
    for step, mine in inner.items():
        theirs = outer.get(step)
        if theirs is None or (is_member(mine) and not is_member(theirs)):
            return False
        if not covers(theirs, children(mine)):
            return False
    return True


def has(fields: FieldSet, step: str) -> bool:
    """Say whether the path of one step is in the set."""
    found = fields.get(step)
    return found is not None and is_member(found)


def below(fields: FieldSet, step: str) -> FieldSet:
    """Return what is in the set below a step."""
    found = fields.get(step)
    return EMPTY if found is None else children(found)


def paths(fields: FieldSet) -> Iterator[str]:
    """Iterate over the members' paths as error texts have them, a node before what lies below it."""
    for step in sorted(fields, key=steps.rank):
        text = steps.text(step)
        if is_member(fields[step]):
            yield text
        for rest in paths(children(fields[step])):
            yield text + rest


def dump(fields: FieldSet) -> bytes:
    """Return the FieldsV1 text of a set, ordered as Kubernetes orders it."""
    text = jsontext.dumps(fields, orjson.OPT_SORT_KEYS)
    return jsontext.dumps(_ordered(fields)) if _BY_VALUE.search(text) else text


def _ordered(fields: Node) -> Node:
    if not fields:
        return fields
    found = sorted(fields, key=steps.rank) if len(fields) > 1 else fields
    return {step: _ordered(fields[step]) for step in found}


def parse(text: bytes) -> FieldSet:
    """Return the set of a FieldsV1 text, which others may share; FieldsError where it is none."""
    return _remembered(text) if len(text) <= REMEMBERED_BYTES else _parsed(text)


def _parsed(text: bytes) -> FieldSet:
    if not text:
        return EMPTY
    try:
        return _checked(orjson.loads(text))
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise FieldsError(str(error)) from None


_remembered = functools.lru_cache(REMEMBERED)(_parsed)


def _checked(found: Any) -> FieldSet:
    """Return a tree in the one form that equal sets have."""
    if not isinstance(found, dict):
        raise FieldsError("not an object")
    out: dict[str, Node] = {}
    for step, value in found.items():
        if step == MEMBER:
            continue
        if not steps.is_step(step):
            raise FieldsError(f"not a step of a path: {step}")
        inner = _checked(value)
        out[step] = {MEMBER: LEAF, **inner} if inner and MEMBER in value else inner
    return out
