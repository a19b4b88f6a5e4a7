"""Quantities: canonical form, exact arithmetic, and Kubernetes' words for texts that are none."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.api import quantity


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0", "0"),
        ("0.0Mi", "0"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("+1", "1"),
        ("-1500m", "-1500m"),
        ("00012k", "12k"),
        ("1000k", "1M"),
        ("1024Ki", "1Mi"),
        ("1536Mi", "1536Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("512Ki", "512Ki"),
        ("1Ei", "1Ei"),
        ("1e3", "1e3"),
        ("1500e3", "1500e3"),
        ("1E3", "1e3"),
        ("1E", "1E"),
        ("100e-3", "100e-3"),
        ("1u", "1u"),
        ("0.000000001", "1n"),
        ("0.0000000001", "1n"),
        ("1.0000000001", "1000000001n"),
        ("-0.0000000001", "-1n"),
        ("123456789012345678901234567890", "9223372036854775807"),
        ("3.2Ki", "3276800m"),
        ("100e30100", "10e399"),
        ("10e399", "10e399"),
        ("515555555555555551e40", "515555555555555551e40"),  # not as 19 digits, which are capped when they are read
        ("710200935339874272e2", "710200935339874272e2"),
        ("22730440850.6404442P", "227304408506404442e8"),
        ("-7e400", "-10e399"),
    ],
)
def test_a_text_has_one_canonical_form(text: str, want: str) -> None:
    """The family of the suffix stays, fractions finer than nano are rounded up, the largest number is capped."""
    got = quantity.canonical(text)
    assert got == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity.FORMAT_WRONG),
        ("a", quantity.FORMAT_WRONG),
        ("1 Mi", quantity.FORMAT_WRONG),
        ("1Mi ", quantity.FORMAT_WRONG),
        ("1Mb", quantity.FORMAT_WRONG),
        ("1KK", quantity.SUFFIX_WRONG),
        ("1K", quantity.SUFFIX_WRONG),
        ("1mi", quantity.SUFFIX_WRONG),
        ("1e", quantity.SUFFIX_WRONG),
        ("1.1.1", quantity.FORMAT_WRONG),
        (".", quantity.NUMERIC_WRONG),
    ],
)
def test_a_text_that_is_no_quantity_is_refused_in_kubernetes_words(text: str, message: str) -> None:
    """Users search for these messages."""
    with pytest.raises(quantity.QuantityError) as caught:
        quantity.parse(text)
    assert str(caught.value) == message


def test_values_round_away_from_zero() -> None:
    """A fraction of a CPU takes the whole of the next unit, on either side of zero."""
    got = [
        (quantity.parse(text).value(), quantity.parse(text).milli_value())
        for text in ("1500m", "-1500m", "1u", "1Ki")
    ]
    assert got == [(2, 1500), (-2, -1500), (1, 1), (1024, 1024000)]


def test_a_sum_keeps_the_family_of_its_left_side() -> None:
    """Zero has no family of its own to keep."""
    one, half = quantity.parse("1Gi"), quantity.parse("512M")
    got = [str(one + half), str(half + one), str(quantity.ZERO + one), str(one - one)]
    assert got == ["1548576Ki", "1585741824", "1Gi", "0"]


def test_amounts_are_compared_across_families() -> None:
    """1024 and 1Ki are the same amount."""
    assert quantity.parse("1024") == quantity.parse("1Ki")
    assert quantity.parse("1000m") < quantity.parse("1.1") <= quantity.parse("1100m")
    assert max(quantity.parse("1G"), quantity.parse("1Gi")) == quantity.parse("1Gi")


def test_resource_lists_add_and_subtract_by_name() -> None:
    """A resource that one side does not name counts as zero there."""
    used = {"cpu": quantity.parse("500m"), "memory": quantity.parse("1Gi")}
    more = {"cpu": quantity.parse("1"), "pods": quantity.parse("1")}

    total = quantity.add(used, more)
    left = quantity.subtract(total, used)

    assert {name: str(amount) for name, amount in total.items()} == {"cpu": "1500m", "memory": "1Gi", "pods": "1"}
    assert {name: str(amount) for name, amount in left.items()} == {"cpu": "1", "memory": "0", "pods": "1"}
    assert str(quantity.largest(used, more)["cpu"]) == "1"


@given(st.integers(-(2**63), 2**63), st.sampled_from([quantity.DECIMAL, quantity.BINARY, quantity.EXPONENT]))
@example(15_625_000 * 10**9, quantity.BINARY)
def test_the_canonical_form_means_the_same_amount(nanos: int, family: str) -> None:
    """Writing and reading loses nothing, and a canonical text is its own canonical form.

    A binary amount without a suffix is read as a decimal one, as in Kubernetes, and may then be written shorter.
    """
    amount = quantity.Quantity(nanos, family)
    text = str(amount)
    again = quantity.parse(text)
    assert again == amount
    assert str(again) == text or (again.format != family and quantity.canonical(str(again)) == str(again))
