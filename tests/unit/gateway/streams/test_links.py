"""Links inside HTML that comes through a proxy."""

from __future__ import annotations

import functools

import pytest

from control.gateway.streams import addresses, links

PREFIX = "/api/v1/namespaces/default/pods/web/proxy"


def _below(page: str, size: int = 1 << 20) -> str:
    """Return a page that is fed in pieces of a size, as a proxy's caller gets it."""
    below = functools.partial(addresses.relocated, prefix=PREFIX, hosts=("10.0.0.1:80",))
    rewriter, data = links.Rewriter(below), page.encode()
    pieces = [rewriter.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([*pieces, rewriter.end()]).decode()


@pytest.mark.parametrize(
    ("page", "want"),
    [
        ('<a href="/rewriteme">test</a>', '<a href="P/rewriteme">test</a>'),
        ("<A HREF='/x/?a=1&amp;b=2' class=\"y\">", "<A HREF='P/x/?a=1&amp;b=2' class=\"y\">"),
        ("<img src=/i.png alt='>'/>", "<img src=P/i.png alt='>'/>"),
        ('<form method="post" action = "/go">', '<form method="post" action = "P/go">'),
        ('<a href="http://10.0.0.1:80/x#y">', '<a href="P/x#y">'),
        ('<input src="/a" formaction="/b" value="/c">', '<input src="P/a" formaction="P/b" value="/c">'),
        ('<script src="/a">x = "<a href=/b>"</script><a href=/c>', None),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_paths_of_the_server_are_led_below_the_proxy(page: str, want: str | None, size: int) -> None:
    """However the page comes in pieces; what a script says is its own."""
    if want is None:
        want = '<script src="P/a">x = "<a href=/b>"</script><a href=P/c>'
    assert _below(page, size) == want.replace("P/", f"{PREFIX}/")


@pytest.mark.parametrize(
    "page",
    [
        '<a href="relative">',
        '<a href="http://elsewhere/x">',
        '<a href="//elsewhere/x">',
        '<a href="http://[">',
        f'<a href="{PREFIX}/x">',
        '<p href="/x" title="/y">',
        '<!-- <a href="/x"> --><b>',
        '<textarea><a href="/x"></textarea>',
        "<title>a < b</title> 1 < 2 <\u00e9> </ a><",
        '<a href="/x',
        '<a href="/x>' + "y" * 20_000,
        "<!- <!",
        "<!DOCTYPE html>",
        "\u00fc \u20ac",
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_everything_else_stays_byte_for_byte(page: str, size: int) -> None:
    """Also what never ends."""
    assert _below(page, size) == page


@pytest.mark.parametrize("piece", ["<a", "a=", "<a '", "='", "<!--", "<a b=c "])
def test_a_page_of_nonsense_costs_no_more_than_its_length(piece: str) -> None:
    """Which nothing asserts but that this ends: each was made to be tried over and over."""
    page = piece * 20_000
    assert _below(page, 1000) == page
