"""What an expression may cost at most over all values that its schema allows: Kubernetes' estimate, in its units.

Kubernetes refuses definitions whose rules may cost too much, so that its estimate decides which definitions it takes.
The model is that of its language's library (cel-go) and of Kubernetes' own functions; `costs.py` bounds what really
runs here, for the values that are there. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from control.apiserver.cel import sizes, trees
from fairlead.api.pb import celast_pb2

MOST = 2**64 - 1
TEXT = 0.1  # a character that is looked at
PATTERN = 0.25  # a character of a regular expression
LIST, MAP, STRUCT = 10, 30, 40  # of making one
ADDRESS_BYTES = 16
OPAQUE = ("kubernetes.", "net.")  # packages of types whose values cost the same

Range = tuple[int, int]  # the least and the most

UNKNOWN: Range = (0, MOST)
ONE: Range = (1, 1)
_PRIMITIVES = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN = {2: "timestamp", 3: "duration"}
_SCALARS = frozenset(("bool", "int", "uint", "double", "timestamp", "duration"))
_TEXTS = frozenset(("string", "bytes"))


def of(tree: celast_pb2.CheckedExpr, root: sizes.Sized) -> int:
    """Return the most that an expression over values of a place may cost."""
    return _Estimator(tree.type_map, root).cost(trees.unwrapped(tree.expr))


def times(count: int, cost: int) -> int:
    """Return the cost of doing something again and again, as far as Kubernetes counts."""
    return min(MOST, count * cost)


def _sum(left: Range, right: Range) -> Range:
    return min(MOST, left[0] + right[0]), min(MOST, left[1] + right[1])


def _product(left: Range, right: Range) -> Range:
    return times(left[0], right[0]), times(left[1], right[1])


def _union(left: Range, right: Range) -> Range:
    return min(left[0], right[0]), max(left[1], right[1])


def _part(count: int, factor: float) -> int:
    return min(MOST, math.ceil(float(count) * factor))


class _Estimator:
    """Walks an expression once: costs, sizes and the places in the schema that its parts stand for."""

    def __init__(self, types: Mapping[int, Any], root: sizes.Sized) -> None:
        self._types = types
        self._root = root
        self._paths: dict[int, tuple[str, ...]] = {}
        self._sizes: dict[int, Range] = {}
        self._loops: dict[str, list[tuple[str, ...]]] = {}

    def cost(self, node: Any) -> int:
        """Return what a part costs."""
        match node.WhichOneof("kind"):
            case "ident":
                loops = self._loops.get(node.ident.name)
                self._paths[node.id] = loops[-1] if loops else (node.ident.name,)
                return 1
            case "select":
                return self._select(node)
            case "call":
                return self._call(node)
            case "list":
                return LIST + sum(map(self.cost, node.list.elements))
            case "struct":
                parts = sum(map(self.cost, trees.children(node, "struct")))
                return parts + (STRUCT if node.struct.message_name else MAP)
            case "comprehension":
                return self._loop(node)
        return 0

    def size(self, node: Any) -> Range:
        """Return how large a part's value is, as far as anything says so."""
        if node.id in self._sizes:
            return self._sizes[node.id]
        written = _written(node)
        if written is not None:
            return written
        path = self._paths.get(node.id, ())
        place = self._root.at(path[1:]) if path else None
        if place is not None:
            return 0, place.most
        return ONE if self._kind(node) in _SCALARS else UNKNOWN

    def _kind(self, node: Any) -> str:
        return _named(self._types.get(node.id))

    def elements(self, node: Any) -> Range | None:
        """Return how large the texts of a list are; None for a list of something else."""
        kind = self._types.get(node.id)
        if kind is None or _named(kind.list_type.elem_type) not in _TEXTS:
            return None
        path = self._paths.get(node.id, ())
        place = self._root.at((*path[1:], "@items")) if path else None
        return (0, place.most) if place is not None else UNKNOWN

    def is_list(self, node: Any) -> bool:
        """Say whether a part is a list."""
        return self._kind(node) == "list"

    def is_text(self, node: Any) -> bool:
        """Say whether a part is a text."""
        return self._kind(node) in _TEXTS

    def _select(self, node: Any) -> int:
        select = node.select
        cost = self.cost(select.operand)
        if select.test_only:
            return cost
        self._paths[node.id] = (*self._paths.get(select.operand.id, ()), select.field)
        return cost + (1 if self._kind(select.operand) in ("map", "object", "type") else 0)

    def _loop(self, node: Any) -> int:
        loop = node.comprehension
        cost = self.cost(loop.iter_range) + self.cost(loop.accu_init)
        step = "@items" if self.is_list(loop.iter_range) else "@keys"
        self._loops.setdefault(loop.iter_var, []).append((*self._paths.get(loop.iter_range.id, ()), step))
        self._loops.setdefault(loop.accu_var, []).append(())
        turn = self.cost(loop.loop_condition) + self.cost(loop.loop_step)
        self._loops[loop.iter_var].pop()
        cost += self.cost(loop.result)
        self._loops[loop.accu_var].pop()
        turns = self.size(loop.iter_range)
        self._sizes[node.id] = turns if loop.accu_init.WhichOneof("kind") in ("list", "struct") else ONE
        return min(MOST, cost + times(turns[1], turn))

    def _call(self, node: Any) -> int:
        call = node.call
        costs = [self.cost(each) for each in call.args]
        cost = self.cost(call.target) if call.HasField("target") else 0
        parts = [call.target, *call.args] if call.HasField("target") else list(call.args)
        if call.function in ("_&&_", "_||_"):
            return cost + sum(costs)
        if call.function == "_?_:_":
            self._sizes[node.id] = _union(self.size(call.args[1]), self.size(call.args[2]))
            return costs[0] + max(costs[1:])
        if call.function == "_[_]":
            step = "@items" if self.is_list(call.args[0]) else "@values"
            self._paths[node.id] = (*self._paths.get(call.args[0].id, ()), step)
        own, size = _CALLS.get(call.function, _cheap)(self, parts)
        if size is not None:
            self._sizes[node.id] = size
        return min(MOST, cost + sum(costs) + own)

    def kinds(self, parts: Sequence[Any]) -> set[str]:
        """Return what parts may be."""
        return {self._kind(each) for each in parts}


def _named(kind: Any) -> str:
    """Return a type's name; "" for one that only shows when it runs."""
    if kind is None:
        return ""
    match kind.WhichOneof("kind"):
        case "primitive":
            return _PRIMITIVES.get(kind.primitive, "")
        case "wrapper":
            return _PRIMITIVES.get(kind.wrapper, "")
        case "well_known":
            return _WELL_KNOWN.get(kind.well_known, "")
        case "list_type":
            return "list"
        case "map_type":
            return "map"
        case "message_type":
            return "opaque" if kind.message_type.startswith(OPAQUE) else "object"
        case "type_param":
            return "type"
        case "null":
            return "null"
        case "abstract_type" if len(kind.abstract_type.parameter_types) == 1:
            inner = _named(kind.abstract_type.parameter_types[0])
            return inner if inner in _SCALARS else "optional"
    return ""


def _written(node: Any) -> Range | None:
    """Return the size of what an expression writes out; None for other parts."""
    match node.WhichOneof("kind"):
        case "const":
            kind = node.const.WhichOneof("kind")
            count = len(getattr(node.const, kind)) if kind else 1
        case "list":
            count = len(node.list.elements)
        case "struct":
            count = len(node.struct.entries)
        case _:
            return None
    return count, count


Cost = tuple[int, Range | None]  # a call's own cost, and its result's size where that is known


def _cheap(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    return 1, None


def _read(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    """Cost what goes through the characters of its last part once."""
    return _part(walk.size(parts[-1])[1], TEXT), None


def _parsed(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    """Cost what makes a value of a text; of another value it takes what lies there."""
    return _read(walk, parts) if walk.is_text(parts[0]) or "" in walk.kinds(parts[:1]) else (1, None)


def _read_twice(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    return _part(walk.size(parts[-1])[1], 2 * TEXT), None


def _formatted(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    return _part(walk.size(parts[0])[1], TEXT), None


def _changed(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    size = walk.size(parts[0])
    return _part(size[1], TEXT), size


def _equal(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    if walk.kinds(parts) == {"opaque"}:
        return 1, None
    return _part(min(walk.size(parts[0])[1], walk.size(parts[1])[1]), TEXT), None


def _compared(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    if walk.kinds(parts) & {"", "string", "bytes"}:
        return max(1, _equal(walk, parts)[0]), None
    return 1, None


def _added(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    kinds = walk.kinds(parts)
    if not kinds & {"", "string", "bytes", "list"}:
        return 1, None
    size = _sum(walk.size(parts[0]), walk.size(parts[1]))
    return (1 if "list" in kinds else max(1, _part(size[1], TEXT))), size


def _within(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    return (1 if walk.kinds(parts[1:]) == {"map"} else walk.size(parts[1])[1]), None


def _matched(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    text, pattern = _sum(walk.size(parts[0]), ONE)[1], walk.size(parts[-1])[1]
    return times(_part(text, TEXT), _part(pattern, PATTERN)), None


def _found(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    return _matched(walk, parts[:2])[0], (0, walk.size(parts[0])[1])


def _contained(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    return times(*(_part(walk.size(each)[1], TEXT) for each in parts)), None


def _gone_through(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    """Cost what compares the elements of a list; of a text, what looks for a part of it."""
    count = walk.size(parts[0])[1]
    if not walk.is_list(parts[0]):
        return _part(count, TEXT), None
    texts = walk.elements(parts[0])
    return times(count, 1 if texts is None else min(MOST, 1 + _part(texts[1], TEXT))), None


def _replaced(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    text, before, after = (walk.size(each) for each in parts[:3])
    most = _replacements(text[1], before[0], after[1], longer=after[1] > before[0])
    least = _replacements(text[0], before[1], after[0], longer=after[0] < before[1])
    return _part(text[1], 2 * TEXT), (least, most)


def _replacements(text: int, before: int, after: int, *, longer: bool) -> int:
    """Return how long a text is once all that can be replaced of it has been."""
    if before == 0:  # between all characters
        return min(MOST, times(min(MOST, text + 1), after) + text)
    return times(math.ceil(text / before), after) if longer else text


def _split(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    size = walk.size(parts[0])[1]
    return _part(size, 2 * TEXT), (0, size)


def _joined(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    count, texts = walk.size(parts[0]), walk.elements(parts[0])
    size = _product(count, texts) if texts is not None else (0, 0)
    if len(parts) > 1:
        size = _sum(size, _product(walk.size(parts[1]), (max(0, count[0] - 1), max(0, count[1] - 1))))
    return _part(size[1], TEXT), size


def _sets(factor: int) -> Callable[[_Estimator, Sequence[Any]], Cost]:
    def cost(walk: _Estimator, parts: Sequence[Any]) -> Cost:
        return min(MOST, 1 + times(factor, _product(walk.size(parts[0]), walk.size(parts[1]))[1])), None

    return cost


def _address(*looks: float) -> Callable[[_Estimator, Sequence[Any]], Cost]:
    """Cost what compares networks; a text is read first."""

    def cost(walk: _Estimator, parts: Sequence[Any]) -> Cost:
        own = sum(_part(ADDRESS_BYTES, look * TEXT) for look in looks) + len(looks) - 1
        return min(MOST, own + (_read(walk, parts)[0] if walk.is_text(parts[-1]) else 0)), None

    return cost


def _encoded(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    """Cost bytes of a text."""
    if not walk.is_text(parts[0]):
        return 1, None
    least, most = walk.size(parts[0])
    return _part(most, TEXT), (least, times(most, sizes.BYTES_PER_CHARACTER))


def _told(walk: _Estimator, parts: Sequence[Any]) -> Cost:
    """Cost a text of a value: as long as it likes, but for bytes."""
    if "bytes" not in walk.kinds(parts):
        return 1, None
    least, most = walk.size(parts[0])
    return _part(most, TEXT), (least // sizes.BYTES_PER_CHARACTER, most)


_CALLS: Mapping[str, Callable[[_Estimator, Sequence[Any]], Cost]] = {
    "_==_": _equal,
    "_!=_": _equal,
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _compared),
    "_+_": _added,
    "@in": _within,
    "bytes": _encoded,
    "string": _told,
    **dict.fromkeys(("startsWith", "endsWith", "url"), _read),
    **dict.fromkeys(("isIP", "isCIDR", "cidr", "quantity", "isQuantity"), _read),
    "ip": _parsed,
    "ip.isCanonical": _read_twice,
    "matches": _matched,
    "contains": _contained,
    "format": _formatted,
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _changed),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _gone_through),
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    **dict.fromkeys(("find", "findAll"), _found),
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    "sets.equivalent": _sets(2),
    "containsIP": _address(2),
    "containsCIDR": _address(2, 1),
}
