"""Resource quantities with Kubernetes' exact arithmetic and canonical form.

A quantity is a whole number of nano-units and the family of suffix that its text used, so that `1Gi` stays
binary and `0.5` becomes `500m`. The codec canonicalises with this module; scheduler, admission and clients
calculate with it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fairlead.api.pb import resource_pb2

NANO = 10**9
BINARY, DECIMAL, EXPONENT = "BinarySI", "DecimalSI", "DecimalExponent"
FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC_WRONG = "unable to parse numeric part of quantity"
SUFFIX_WRONG = "unable to parse quantity's suffix"
_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIXES = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_SUFFIX_OF_POWER = {power: suffix for suffix, power in _DECIMAL_SUFFIXES.items()}
# Up to this many digits Kubernetes calculates in an int64 and neither rounds nor caps.
_INT64_DIGITS = 18
_MAX = (2**63 - 1) * NANO


class QuantityError(ValueError):
    """A text that is no quantity; worded as Kubernetes words it."""


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount; equal to another of the same amount in any format."""

    nanos: int
    format: str = DECIMAL

    def __str__(self) -> str:
        """Return the canonical form, as Kubernetes writes it."""
        return _canonical(self.nanos, self.format)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __add__(self, other: Quantity) -> Quantity:
        """Return the sum in this one's format; zero takes the other's."""
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        """Return the difference in this one's format; zero takes the other's."""
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.format)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.nanos * factor, self.format)

    def value(self) -> int:
        """Return the whole units, rounded away from zero."""
        return _away_from_zero(self.nanos, NANO)

    def milli_value(self) -> int:
        """Return the thousandths, rounded away from zero: `250m` of a CPU is 250."""
        return _away_from_zero(self.nanos, NANO // 1000)

    def message(self) -> resource_pb2.Quantity:
        """Return the message that carries the canonical form."""
        return resource_pb2.Quantity(string=str(self))


ZERO = Quantity(0)


class Stringed(Protocol):
    """What carries a quantity's text: the message Quantity."""

    @property
    def string(self) -> str:
        """Return the text."""
        ...


# Powers of ten beyond it are taken for it: what is written reads back the same.
_MOST_POWER = 400
_MOST = 10**_MOST_POWER * NANO
LONGEST = 1024  # what int() reads in no time, and nobody writes


@functools.lru_cache(maxsize=16384)
def parse(text: str) -> Quantity:
    """Return the quantity that a text writes; QuantityError where it writes none."""
    if not text or len(text) > LONGEST:
        raise QuantityError(FORMAT_WRONG)
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise QuantityError(FORMAT_WRONG)
    sign, whole, fraction, suffix = match[1], match[2].lstrip("0"), match[3] or "", match[4]
    if not match[2] and not fraction:
        raise QuantityError(NUMERIC_WRONG)
    base, power, family = _interpret(suffix)
    digits = int(whole + fraction or "0")
    # the amount in nano-units is numerator / divisor
    numerator = digits * NANO
    divisor = 10 ** len(fraction)
    if base == 2:
        numerator <<= power
        small = not fraction and len(whole) + power * 3 // 10 < 15
    else:
        numerator, divisor = _scaled(numerator, divisor, power)
        numerator = min(numerator, _MOST * divisor)
        small = len(whole) + len(fraction) <= _INT64_DIGITS and power - len(fraction) >= -9
    if small:
        nanos = numerator // divisor
    else:
        nanos = min(-(-numerator // divisor), _MAX)
        if family == BINARY and 0 < nanos < NANO:
            family = DECIMAL
    return Quantity(-nanos if sign == "-" else nanos, family)


@functools.lru_cache(maxsize=16384)
def canonical(text: str) -> str:
    """Return the canonical form of a quantity's text; an absent one is `0`."""
    return str(parse(text)) if text else "0"


def of(message: Stringed) -> Quantity:
    """Return the quantity of a message; an empty one is zero."""
    return parse(message.string) if message.string else ZERO


def whole(number: int, family: str = DECIMAL) -> Quantity:
    """Return a quantity of whole units, in the binary family for bytes."""
    return Quantity(number * NANO, family)


Amounts = dict[str, Quantity]


def amounts(resources: Mapping[str, resource_pb2.Quantity]) -> Amounts:
    """Return a message's ResourceList as quantities by resource name."""
    return {name: of(resources[name]) for name in resources}


def add(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    """Return the sum by resource name; a name that one side lacks counts as zero there."""
    return {name: left.get(name, ZERO) + right.get(name, ZERO) for name in {**left, **right}}


def subtract(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    """Return left minus right by resource name; the result may be negative."""
    return {name: left.get(name, ZERO) - right.get(name, ZERO) for name in {**left, **right}}


def largest(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    """Return the larger amount of each resource name that either side has."""
    return {
        name: max(left.get(name, right.get(name, ZERO)), right.get(name, left.get(name, ZERO)))
        for name in {**left, **right}
    }


def write(resources: Mapping[str, Quantity], target: Mapping[str, resource_pb2.Quantity]) -> None:
    """Write amounts into a message's ResourceList, replacing those of the same names."""
    for name, amount in resources.items():
        target[name].string = str(amount)


def _interpret(suffix: str) -> tuple[int, int, str]:
    """Return (base, power, family) of a suffix."""
    if suffix in _DECIMAL_SUFFIXES:
        return 10, _DECIMAL_SUFFIXES[suffix], DECIMAL
    if suffix in _BINARY_SUFFIXES:
        return 2, _BINARY_SUFFIXES[suffix], BINARY
    if suffix[0] in "eE" and re.fullmatch(r"[-+]?[0-9]+", suffix[1:]):
        power = int(suffix[1:])
        if -(2**31) <= power < 2**31:
            return 10, max(-_MOST_POWER, min(power, _MOST_POWER)), EXPONENT
    raise QuantityError(SUFFIX_WRONG)


def _scaled(numerator: int, divisor: int, power: int) -> tuple[int, int]:
    return (numerator * 10**power, divisor) if power >= 0 else (numerator, divisor * 10**-power)


def _away_from_zero(amount: int, unit: int) -> int:
    return -(-amount // unit) if amount > 0 else amount // unit


@functools.lru_cache(maxsize=16384)
def _canonical(nanos: int, family: str) -> str:
    if nanos == 0:
        return "0"
    if family == BINARY and (abs(nanos) < 1024 * NANO or nanos % NANO):
        family = DECIMAL
    sign, left = ("-", -nanos) if nanos < 0 else ("", nanos)
    if family == BINARY:
        left //= NANO
        power = 0
        while left % 1024 == 0 and power < 6:
            left, power = left // 1024, power + 1
        suffix = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")[power]
        return f"{sign}{left}{suffix}"
    power = -9
    while left % 1000 == 0 and (power < 18 or family == EXPONENT):
        left, power = left // 1000, power + 3
    if abs(nanos) > _MAX and left >= 10**_INT64_DIGITS:
        # Kubernetes' own form of so much has more digits than it reads without a cap: it would come back as less
        while left % 10 == 0:
            left, power = left // 10, power + 1
        return f"{sign}{left}e{power}"
    if family == EXPONENT:
        return f"{sign}{left}e{power}" if power else f"{sign}{left}"
    return f"{sign}{left}{_SUFFIX_OF_POWER[power]}"
