"""Functions on resource quantities. Source: Kubernetes' documentation, "CEL in Kubernetes". Pure."""

from __future__ import annotations

from control.apiserver.cel import functions
from fairlead.api import quantity

Quantity = quantity.Quantity
MOST = 2**63 - 1


def parsed(text: str) -> Quantity:
    """Return the quantity that a text writes."""
    return quantity.parse(text)


def nanos_of(amount: Quantity) -> str:
    """Return an amount in nano-units."""
    return str(amount.nanos)


def of_nanos(text: str) -> Quantity:
    """Return the quantity of so many nano-units."""
    return Quantity(int(text))


def is_quantity(text: str) -> bool:
    """Say whether a text is a quantity."""
    try:
        quantity.parse(text)
    except quantity.QuantityError:
        return False
    return True


def is_integer(amount: Quantity) -> bool:
    """Say whether an amount is whole and fits into an integer."""
    return amount.nanos % quantity.NANO == 0 and abs(amount.nanos // quantity.NANO) <= MOST


def as_integer(amount: Quantity) -> int:
    """Return a whole amount."""
    if not is_integer(amount):
        raise ValueError("cannot convert value to integer")
    return amount.nanos // quantity.NANO


def compared(one: Quantity, other: Quantity) -> int:
    """Return -1, 0 or 1 for less, equal or greater."""
    return (one.nanos > other.nanos) - (one.nanos < other.nanos)


def added(one: Quantity, other: Quantity | int) -> Quantity:
    """Return the sum."""
    return one + _amount(other)


def subtracted(one: Quantity, other: Quantity | int) -> Quantity:
    """Return the difference."""
    return one - _amount(other)


def _amount(value: Quantity | int) -> Quantity:
    return Quantity(value * quantity.NANO) if isinstance(value, int) else value


FUNCTIONS = (
    functions.function("quantity", parsed, "(string) quantity"),
    functions.function("isQuantity", is_quantity, "(string) bool"),
    functions.function("sign", lambda amount: (amount.nanos > 0) - (amount.nanos < 0), "quantity.() int"),
    functions.function("isInteger", is_integer, "quantity.() bool"),
    functions.function("asInteger", as_integer, "quantity.() int"),
    functions.function("asApproximateFloat", lambda amount: amount.nanos / quantity.NANO, "quantity.() double"),
    functions.function("isGreaterThan", lambda one, other: one.nanos > other.nanos, "quantity.(quantity) bool"),
    functions.function("isLessThan", lambda one, other: one.nanos < other.nanos, "quantity.(quantity) bool"),
    functions.function("compareTo", compared, "quantity.(quantity) int"),
    functions.function("add", added, "quantity.(quantity) quantity", "quantity.(int) quantity"),
    functions.function("sub", subtracted, "quantity.(quantity) quantity", "quantity.(int) quantity"),
)
