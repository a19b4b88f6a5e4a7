"""What an evaluation can cost at most, so that no expression and no object stalls the process.

The library ends an evaluation after 10,000 turns of its loops, but asks nobody how long one turn may take: comparing
large structures in a loop, or doubling a text twenty times, would go on for minutes. So an expression's checked tree
is walked for sizes of input (`Bound.of`): every operation costs what the sizes of its operands let it, every loop
multiplies. A unit is worth 10 to 80 ns. Kubernetes counts while it evaluates; this is an upper bound, found before.
Pure.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from control.apiserver.cel import trees
from fairlead.api.pb import celast_pb2

MOST_TURNS = 10_000  # of loops in one evaluation: the library's own limit
CALL_LIMIT = 10_000_000.0  # units of one evaluation: below a second even where every unit is dear
BUDGET = 5 * CALL_LIMIT  # units of all rules on one object
CHARACTERS_PER_UNIT = 16.0
PYTHON_CALL = 100.0  # units of calling a function that is written in Python
DEEPEST = 200  # levels that are looked at; what lies deeper counts as large
LARGEST = 1 << 22  # more parts or characters than any object that a request carries

_SCALARS = frozenset((1, 2, 3, 4))  # bool, int64, uint64, double among primitive types
_STRINGS = frozenset((5, 6))
_OPAQUE = ("kubernetes.", "net.")  # packages of types that hold no more than a text
_FREE = frozenset(("_&&_", "_||_", "!_", "_?_:_", "@not_strictly_false", "-_", "_-_", "_*_", "_/_", "_%_"))


@dataclass(frozen=True, slots=True)
class Size:
    """An upper bound of a value: what it costs to look at all of it, its own items, its own length as a text.

    `inner` bounds what lies in it; None says nothing of that, and the value's own bound has to do.
    """

    weight: float = 1.0
    items: float = 0.0
    text: float = 0.0
    inner: Size | None = None

    def __or__(self, other: Size) -> Size:
        """Return the bound of a value that may be either."""
        weight, items = max(self.weight, other.weight), max(self.items, other.items)
        return Size(weight, items, max(self.text, other.text), self._inner_with(other))

    def __add__(self, other: Size) -> Size:
        """Return the bound of both together."""
        weight, items = self.weight + other.weight, self.items + other.items
        return Size(weight, items, self.text + other.text, self._inner_with(other))

    def _inner_with(self, other: Size) -> Size | None:
        if self.inner is None or other.inner is None:
            return self.inner or other.inner if not (self.items and other.items) else None
        return self.inner | other.inner

    @property
    def part(self) -> Size:
        """Return the bound of any part of the value."""
        return self.inner or (self if self.items else TINY)


def text_of(length: float) -> Size:
    """Return the size of a text."""
    return Size(1.0 + length / CHARACTERS_PER_UNIT, 0.0, length)


TINY = Size()
MOST = Size(LARGEST, LARGEST, LARGEST)


def measure(value: Any) -> Size:
    """Return the size of a JSON value, as of each depth what is largest there."""
    levels: list[list[float]] = []
    _measure(value, 0, levels)
    size: Size | None = None
    for weight, items, text in reversed(levels):
        size = Size(weight, items, text, size)
    assert size is not None
    return size


def _measure(value: Any, depth: int, levels: list[list[float]]) -> float:
    """Note what is largest at each depth; returns the weight of a value."""
    if depth > DEEPEST:
        return LARGEST
    while len(levels) <= depth:
        levels.append([1.0, 0.0, 0.0])
    level, weight = levels[depth], 1.0
    if isinstance(value, str | bytes):
        level[2] = max(level[2], len(value))
        weight += len(value) / CHARACTERS_PER_UNIT
    elif isinstance(value, dict | list):
        level[1] = max(level[1], len(value))
        for each in value.values() if isinstance(value, dict) else value:
            weight += _measure(each, depth + 1, levels)
        if isinstance(value, dict) and value:
            weight += sum(map(len, value)) / CHARACTERS_PER_UNIT
            levels[depth + 1][2] = max(levels[depth + 1][2], *map(len, value))
    level[0] = max(level[0], weight)
    return weight


def rounded(size: Size) -> Size:
    """Return a size of powers of two, so that few are ever told apart."""
    inner = rounded(size.inner) if size.inner is not None else None
    return Size(_rounded(size.weight), _rounded(size.items), _rounded(size.text), inner)


def _rounded(count: float) -> float:
    return float(1 << int(count).bit_length()) if count else 0.0


class Bound:
    """What one expression can cost, as a function of its variables' sizes."""

    def __init__(self, tree: celast_pb2.CheckedExpr) -> None:
        self.tree = tree
        self._known = functools.lru_cache(maxsize=64)(self._walk)
        names = trees.variables(tree)
        self.is_harmless = self._walk(tuple((name, MOST) for name in sorted(names)))[0] <= CALL_LIMIT

    def of(self, sizes: Mapping[str, Size]) -> tuple[float, Size]:
        """Return the most units that an evaluation takes, and the most that its result can be."""
        return self._known(tuple(sorted((name, rounded(size)) for name, size in sizes.items())))

    def _walk(self, sizes: tuple[tuple[str, Size], ...]) -> tuple[float, Size]:
        walker = _Walker(self.tree.type_map)
        size = walker.size(self.tree.expr, dict(sizes), 1.0)
        return walker.cost, size


class _Walker:
    """Adds up what an expression's operations cost, each as often as loops repeat it."""

    def __init__(self, types: Mapping[int, Any]) -> None:
        self._types = types
        self.cost = 0.0

    def size(self, node: Any, known: Mapping[str, Size], turns: float) -> Size:
        """Return the most that a part's value can be; `turns` is how often it is evaluated at most."""
        self.cost += turns
        kind = node.WhichOneof("kind")
        if kind == "ident":
            found = known.get(node.ident.name, TINY)
        elif kind == "const":
            found = text_of(len(node.const.string_value or node.const.bytes_value))
        elif kind == "comprehension":
            found = self._loop(node.comprehension, known, turns)
        else:
            parts = [self.size(part, known, turns) for part in trees.children(node, kind)]
            if kind == "select":
                found = parts[0].part
            elif kind == "call":
                found = self._call(node.call.function, parts, turns)
            else:
                found = _collected(parts)
        return self._narrowed(node.id, found)

    def _narrowed(self, id: int, size: Size) -> Size:
        """Return a size, less what the type of a part rules out."""
        kind = self._types.get(id)
        if kind is None:
            return size
        if kind.primitive in _SCALARS or kind.well_known:
            return TINY
        if kind.primitive in _STRINGS or kind.message_type.startswith(_OPAQUE):
            return text_of(size.text)
        return size

    def _loop(self, loop: Any, known: Mapping[str, Size], turns: float) -> Size:
        through = self.size(loop.iter_range, known, turns)
        start = self.size(loop.accu_init, known, turns)
        count = min(MOST_TURNS, max(1.0, through.items))
        repeated = min(MOST_TURNS, turns * count)
        inside = {**known, loop.iter_var: through.part, loop.accu_var: TINY}
        self.size(loop.loop_condition, inside, repeated)
        made = self.size(loop.loop_step, inside, repeated)
        if loop.accu_init.WhichOneof("kind") == "list":
            made = Size(made.weight * count, count, 0.0, made.inner)
        return self.size(loop.result, {**known, loop.accu_var: made | start}, turns)

    def _call(self, name: str, parts: list[Size], turns: float) -> Size:
        weight, result = _CALLS.get(name, _python)(parts)
        self.cost += turns * weight
        return result


def _collected(parts: list[Size]) -> Size:
    """Return the size of a list or map that is written out."""
    inner = functools.reduce(Size.__or__, parts) if parts else None
    return Size(1.0 + sum(each.weight for each in parts), len(parts), 0.0, inner)


def _python(parts: list[Size]) -> tuple[float, Size]:
    """Bound a function that is not among those below: it looks at all that it is given, and makes as much."""
    weight = sum(each.weight for each in parts)
    characters = weight * CHARACTERS_PER_UNIT
    return PYTHON_CALL + 5 * weight, Size(characters, characters, characters, text_of(characters))


def _equal(parts: list[Size]) -> tuple[float, Size]:
    return min(each.weight for each in parts), TINY


def _within(parts: list[Size]) -> tuple[float, Size]:
    wanted, values = parts
    return min(values.weight, values.items * min(wanted.weight, values.part.weight)) + values.items, TINY


def _sum(parts: list[Size]) -> tuple[float, Size]:
    result = parts[0] + parts[-1]
    return result.items + result.text / CHARACTERS_PER_UNIT, result


def _chosen(parts: list[Size]) -> tuple[float, Size]:
    return 0.0, functools.reduce(Size.__or__, parts)


def _indexed(parts: list[Size]) -> tuple[float, Size]:
    return parts[-1].text / CHARACTERS_PER_UNIT, parts[0].part


def _looked_at(parts: list[Size]) -> tuple[float, Size]:
    return sum(each.text for each in parts) / CHARACTERS_PER_UNIT, TINY


def _matched(parts: list[Size]) -> tuple[float, Size]:
    text, pattern = parts[0].text, parts[-1].text
    return 10.0 + (1 + text / CHARACTERS_PER_UNIT) * (1 + pattern / CHARACTERS_PER_UNIT) + pattern, TINY


def _found(parts: list[Size]) -> tuple[float, Size]:
    return PYTHON_CALL + _matched(parts)[0], text_of(parts[0].text)


def _replaced(parts: list[Size]) -> tuple[float, Size]:
    weight, _ = _python(parts)
    made = text_of(min(float(LARGEST), (parts[0].text + 1) * (parts[2].text + 1)))
    return weight + made.weight, made


def _joined(parts: list[Size]) -> tuple[float, Size]:
    values, separator = parts[0], parts[-1].text if len(parts) > 1 else 0.0
    made = text_of(min(float(LARGEST), values.items * (values.part.text + separator)))
    return PYTHON_CALL + 5 * values.items + made.weight, made


def _free_of_charge(parts: list[Size]) -> tuple[float, Size]:
    return 0.0, TINY


_CALLS: Mapping[str, Callable[[list[Size]], tuple[float, Size]]] = {
    **dict.fromkeys(_FREE, _free_of_charge),
    "_==_": _equal,
    "_!=_": _equal,
    "@in": _within,
    "_+_": _sum,
    "_?_:_": _chosen,
    "_[_]": _indexed,
    "_[?_]": _indexed,
    "_?._": _indexed,
    **dict.fromkeys(("size", "startsWith", "endsWith", "contains", "_<_", "_<=_", "_>_", "_>=_"), _looked_at),
    **dict.fromkeys(("optional.of", "optional.ofNonZeroValue", "value", "or", "orValue", "dyn"), _chosen),
    **dict.fromkeys(("hasValue", "type", "optional.none", "int", "uint", "double", "bool"), _looked_at),
    **dict.fromkeys(("timestamp", "duration"), _looked_at),
    "matches": _matched,
    "find": _found,
    "replace": _replaced,
    "join": _joined,
}
