"""Static tokens from a file."""

from __future__ import annotations

import pathlib

import pytest

from control.apiserver import authn, bearers, tokenfile

FILE = """\
# comment
s3cret,jane,uid-1,"devs,ops"
t0ken,joe,uid-2
"""


async def test_a_files_tokens_stand_for_its_users(tmp_path: pathlib.Path) -> None:
    """With uid and groups, for this API alone."""
    path = tmp_path / "tokens.csv"
    path.write_text(FILE)
    judge = bearers.Bearers([tokenfile.StaticTokens(tokenfile.read(path), ("here",))], ("here",))

    jane, joe = await judge.authenticate("s3cret"), await judge.authenticate("t0ken")

    assert jane == authn.User("jane", ("devs", "ops", "system:authenticated"), "uid-1")
    assert joe == authn.User("joe", ("system:authenticated",), "uid-2")
    assert (await judge.review("t0ken", ("here", "there"))).audiences == ("here",)
    with pytest.raises(authn.BadToken):
        await judge.review("t0ken", ("there",))
    with pytest.raises(authn.BadToken):
        await judge.authenticate("other")


@pytest.mark.parametrize("line", ["s3cret,jane", ",jane,uid-1"])
def test_a_line_that_says_too_little_is_named_without_its_token(tmp_path: pathlib.Path, line: str) -> None:
    """File and line, nothing of what stands there."""
    path = tmp_path / "tokens.csv"
    path.write_text(f"# first\n{line}\n")

    with pytest.raises(tokenfile.TokenFileError, match=r"tokens\.csv:2: ") as caught:
        tokenfile.read(path)

    assert "s3cret" not in str(caught.value)
