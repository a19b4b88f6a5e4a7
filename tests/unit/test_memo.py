"""What is remembered, and what is not."""

from __future__ import annotations

from fairlead import memo


def test_a_short_text_is_asked_once_and_a_long_one_each_time() -> None:
    """Nobody fills the memory with texts of their own."""
    asked: list[str] = []

    @memo.remembered(2, longest=3)
    def shout(text: str) -> str:
        """Return a text in capitals."""
        asked.append(text)
        return text.upper()

    assert [shout(text) for text in ("abc", "abc", "abcd", "abcd")] == ["ABC", "ABC", "ABCD", "ABCD"]
    assert asked == ["abc", "abcd", "abcd"]


def test_the_oldest_answer_makes_room() -> None:
    """And a function keeps its name and words."""
    asked: list[bytes] = []

    @memo.remembered(2, longest=3)
    def length(text: bytes) -> int:
        """Return a length."""
        asked.append(text)
        return len(text)

    for text in (b"a", b"b", b"c", b"c", b"a"):
        length(text)

    assert asked == [b"a", b"b", b"c", b"a"]
    assert (length.__name__, length.__doc__) == ("length", "Return a length.")
