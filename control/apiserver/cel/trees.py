"""Syntax trees of checked expressions: what they mention, and where optional values stand in them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.api.pb import celast_pb2

_OPTIONAL = "optional_type"
# What may be given an optional value; what else takes one could hide it where the library cannot follow it.
_TAKE_OPTIONALS = frozenset(("hasValue", "value", "or", "orValue", "_==_", "_!=_", "_?._", "_[?_]", "_[_]", "type"))


def variables(tree: celast_pb2.CheckedExpr) -> frozenset[str]:
    """Return the names that an expression reads from outside."""
    return frozenset(_free(tree.expr, frozenset()))


def names(tree: celast_pb2.CheckedExpr) -> frozenset[str]:
    """Return all names that an expression mentions, those of its loops included."""
    return frozenset(_named(tree.expr))


def parts_of(tree: celast_pb2.CheckedExpr, name: str) -> frozenset[str]:
    """Return the fields that an expression selects of a variable."""
    return frozenset(_selected(tree.expr, name))


def _selected(node: Any, name: str) -> Iterator[str]:
    kind = node.WhichOneof("kind")
    if kind == "select" and node.select.operand.ident.name == name:
        yield node.select.field
    for part in children(node, kind):
        yield from _selected(part, name)


def _named(node: Any) -> Iterator[str]:
    kind = node.WhichOneof("kind")
    if kind == "ident":
        yield node.ident.name
    for part in children(node, kind):
        yield from _named(part)


def _free(node: Any, bound: frozenset[str]) -> Iterator[str]:
    kind = node.WhichOneof("kind")
    if kind == "ident":
        if node.ident.name not in bound:
            yield node.ident.name
    elif kind == "comprehension":
        loop = node.comprehension
        yield from _free(loop.iter_range, bound)
        yield from _free(loop.accu_init, bound)
        inner = bound | {loop.iter_var, loop.accu_var}
        for part in (loop.loop_condition, loop.loop_step, loop.result):
            yield from _free(part, inner)
    else:
        for part in children(node, kind):
            yield from _free(part, bound)


def children(node: Any, kind: str | None) -> Iterator[Any]:
    """Iterate over the parts of a node of a kind; a loop's are what it goes through, starts with, asks and makes."""
    if kind == "select":
        yield node.select.operand
    elif kind == "call":
        if node.call.HasField("target"):
            yield node.call.target
        yield from node.call.args
    elif kind == "list":
        yield from node.list.elements
    elif kind == "struct":
        for entry in node.struct.entries:
            if entry.HasField("map_key"):
                yield entry.map_key
            yield entry.value
    elif kind == "comprehension":
        loop = node.comprehension
        yield from (loop.iter_range, loop.accu_init, loop.loop_condition, loop.loop_step, loop.result)


def misplaces_optional(tree: celast_pb2.CheckedExpr) -> bool:
    """Say whether an optional value becomes part of a list or map, or loses its type.

    The library cannot hand such a list to a function that is written in Python, nor give it as a result: it crashes.
    `[optional].map(name, EXPRESSION)[0]`, as the whole, is how a variable becomes an optional, and is no such list.
    """
    whole = tree.expr
    loop = whole.call.args[0].comprehension if whole.call.function == "_[_]" else None
    if loop is not None and len(loop.iter_range.list.elements) == 1:
        parts = (loop.iter_range.list.elements[0], loop.loop_step)
        return any(_misplaces(part, tree.type_map) for part in parts)
    return _misplaces(whole, tree.type_map)


def _misplaces(node: Any, types: Mapping[int, Any]) -> bool:
    kind = node.WhichOneof("kind")
    if kind == "list":
        allowed = set(node.list.optional_indices)
        wrong = any(_is_optional(each, types) for at, each in enumerate(node.list.elements) if at not in allowed)
    elif kind == "struct":
        entries = [each for each in node.struct.entries if not each.optional_entry]
        wrong = any(_is_optional(part, types) for each in entries for part in (each.map_key, each.value))
    elif kind == "call" and node.call.function not in _TAKE_OPTIONALS:
        chooses = node.call.function == "_?_:_" and _is_optional(node, types)
        wrong = not chooses and any(_is_optional(part, types) for part in children(node, kind))
    else:
        wrong = False
    return wrong or any(_misplaces(part, types) for part in children(node, kind))


def _is_optional(node: Any, types: Mapping[int, Any]) -> bool:
    found = types.get(node.id)
    return found is not None and found.abstract_type.name == _OPTIONAL


def unwrapped(whole: Any) -> Any:
    """Return an expression without what makes `oldSelf` an optional around it."""
    loop = whole.call.args[0].comprehension if whole.call.function == "_[_]" else None
    if loop is None or loop.iter_var != "oldSelf" or loop.loop_step.call.function != "_+_":
        return whole
    return loop.loop_step.call.args[1].list.elements[0]
