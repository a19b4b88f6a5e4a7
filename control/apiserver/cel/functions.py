"""Functions that Kubernetes adds to the language: one `Function` a name, with its overloads and what it does.

`library.py` declares them to the checker by their overloads' types and to the evaluator by `call`, which is given
plain Python values and raises ValueError with the text of the error. Types are named as the language writes them;
`list`, `dyn` and so on take any element. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MOST_TEXT = 4 << 20  # characters that one function may make; an object holds less


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function: the first parameter of a member is what it is called on."""

    parameters: tuple[str, ...]
    result: str
    is_member: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its name; `call` serves all of its overloads."""

    name: str
    overloads: tuple[Overload, ...]
    call: Callable[..., Any]


def function(name: str, call: Callable[..., Any], *signatures: str) -> Function:
    """Return a function from signatures such as `string.find(string) string` and `(string) ip`."""
    return Function(name, tuple(_overload(text) for text in signatures), call)


def _overload(text: str) -> Overload:
    """Read `target.(parameter, …) result`; without a target the function is called on its own."""
    called, _, result = text.rpartition(" ")
    target, dot, listed = called.rpartition(".(")
    parameters = [each for each in (listed if dot else called[1:]).removesuffix(")").split(", ") if each]
    return Overload((target, *parameters) if dot else tuple(parameters), result, bool(dot))


def bounded(text: str) -> str:
    """Return a text that a function has made; ValueError where it is larger than any object."""
    if len(text) > MOST_TEXT:
        raise ValueError("result is too large")
    return text


def bounded_product(*factors: int) -> None:
    """Refuse, before it is made, a text whose length is a product; ValueError where that is too large."""
    size = 1
    for factor in factors:
        size *= factor
    if size > MOST_TEXT:
        raise ValueError("result is too large")


def same(left: Any, right: Any) -> bool:
    """Say whether two values are equal as the language has it: booleans are no numbers."""
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def contains(values: Sequence[Any], value: Any) -> bool:
    """Say whether a list has a value."""
    return any(same(each, value) for each in values)
