"""Expressions and their values: the language as Kubernetes' API knows it, with Kubernetes' functions and errors."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import datetime
import functools
from typing import Any

import pytest

from control.apiserver.cel import expressions, library

DATA: dict[str, Any] = {
    "name": "web-1",
    "count": 3,
    "ratio": 0.5,
    "on": True,
    "none": None,
    "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}],
    "labels": {"app": "web", "tier": "front"},
    "numbers": [3, 1, 2],
    "words": ["b", "a"],
}

VALUES = [
    # the language
    ("self.count + 1", 4),
    ("-7 / 2", -3),
    ("-7 % 2", -1),
    ("1 < 1.5 && 2u > 1", True),
    ("self.count == 3.0", True),
    ("1.0 / 0.0 > 1.0", True),
    ("'a' + 'b' == \"ab\"", True),
    ("'\\u00e9'.size()", 1),
    ("r'\\d' == '\\\\d'", True),
    ("b'ab'.size()", 2),
    ("has(self.name) && !has(self.missing)", True),
    ("self.missing == 1 || true", True),
    ("false && self.missing == 1", False),
    ("self.on ? 'yes' : 'no'", "yes"),
    ("'app' in self.labels", True),
    ("3 in self.numbers", True),
    ("self.labels['app']", "web"),
    ("self.none == null", True),
    ("type(self.count) == int && type(self.ratio) == double", True),
    ("self.ports.all(p, p.port > 0)", True),
    ("self.ports.exists(p, p.name == 'http')", True),
    ("self.ports.exists_one(p, p.port > 100)", True),
    ("self.ports.map(p, p.port)", [80, 443]),
    ("self.ports.map(p, p.port > 100, p.name)", ["https"]),
    ("self.ports.filter(p, p.port < 100).size()", 1),
    ("self.labels.all(k, self.labels[k] != '')", True),
    ("int('7') + int(2.9) + int(true ? 1 : 0)", 10),
    ("string(7) + string(1.5) + string(true)", "71.5true"),
    ("timestamp('2024-02-29T10:00:00Z').getMonth()", 1),
    ("timestamp('2024-02-29T10:00:00Z') - timestamp('2024-02-29T09:00:00Z') == duration('1h')", True),
    ("timestamp('2024-02-29T10:00:00Z') + duration('1h30m')", datetime.datetime(2024, 2, 29, 11, 30, tzinfo=datetime.UTC)),
    ("duration('90s').getMinutes()", 1),
    ("self.name.matches('^[a-z]+-[0-9]$')", True),
    ("self.name.startsWith('web') && self.name.endsWith('1') && self.name.contains('-')", True),
    # optional values
    ("self.?name.orValue('x')", "web-1"),
    ("self.?missing.?deeper.orValue('x')", "x"),
    ("self.?missing.hasValue()", False),
    ("self.numbers[?9].orValue(0)", 0),
    ("self.?count.optMap(c, c + 1).value()", 4),
    ("optional.ofNonZeroValue('').hasValue()", False),
    ("[?self.?missing, ?self.?name]", ["web-1"]),
    ("{?'a': self.?name, ?'b': self.?missing}", {"a": "web-1"}),
    ("(self.on ? self.?name : self.?missing).or(optional.of('x')).value()", "web-1"),
    ("self.?ports[?0].?port.orValue(0) + self.?labels['app'].optMap(l, l.size()).orValue(0)", 83),
    # strings
    ("'hello'.charAt(4) + 'hello'.charAt(5)", "o"),
    ("'hello'.indexOf('l')", 2),
    ("'hello'.indexOf('l', 3)", 3),
    ("'hello'.indexOf('x')", -1),
    ("'hello'.lastIndexOf('l')", 3),
    ("'hello'.lastIndexOf('l', 2)", 2),
    ("self.words.join('-') + ['x', 'y'].join()", "b-axy"),
    ("'TacoCat'.lowerAscii() + 'é'.upperAscii()", "tacocaté"),
    ("'hello'.replace('l', 'L') + 'hello'.replace('l', 'L', 1)", "heLLoheLlo"),
    ("'a,b,c'.split(',')", ["a", "b", "c"]),
    ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
    ("'abc'.split('')", ["a", "b", "c"]),
    ("'tacocat'.substring(4) + 'tacocat'.substring(0, 4)", "cattaco"),
    ("'  x '.trim()", "x"),
    ("strings.quote('a\"b')", '"a\\"b"'),
    ("'%s has %d of %.2f%% (%x, %b)'.format(['it', 3, 1.5, 255, 5])", "it has 3 of 1.50% (ff, 101)"),
    ("'%s %s'.format([[1, 'a'], {'k': true}])", "[1, a] {k: true}"),
    # regular expressions, lists, sets
    ("'abc 123 45'.find('[0-9]+')", "123"),
    ("'abc 123 45'.findAll('[0-9]+')", ["123", "45"]),
    ("'abc 123 45'.findAll('[0-9]+', 1)", ["123"]),
    ("self.numbers.isSorted() || [1, 2, 2].isSorted()", True),
    ("self.numbers.sum() + [].sum()", 6),
    ("[1.5, 2.0].sum()", 3.5),
    ("self.numbers.min() * 10 + self.numbers.max()", 13),
    ("self.words.indexOf('a') * 10 + [1, 2, 1].lastIndexOf(1)", 12),
    ("[duration('1h'), duration('2h')].sum() == duration('3h')", True),
    ("sets.contains([1, 2, 3], [3, 1]) && !sets.contains([1], [2])", True),
    ("sets.equivalent([1, 1, 2], [2, 1]) && sets.intersects([1], [1, 2])", True),
    # quantities
    ("quantity('1Gi').isGreaterThan(quantity('1G'))", True),
    ("quantity('1000m') == quantity('1')", True),
    ("quantity('50k').add(quantity('20')).sub(20).asInteger()", 50000),
    ("quantity('1.5').isInteger() || quantity('500m').asApproximateFloat() == 0.5", True),
    ("quantity('-1').sign() * 10 + quantity('1').compareTo(quantity('2'))", -11),
    ("isQuantity('1Mi') && !isQuantity('1 Mi')", True),
    # URLs
    ("url('https://me@example.com:8080/a%20b?q=1&q=2#f').getHost()", "example.com:8080"),
    ("url('https://[::1]:80/').getHostname() + url('https://[::1]:80/').getPort()", "::180"),
    ("url('https://example.com/a%20b?q=1').getScheme() + url('/a%20b').getEscapedPath()", "https/a%20b"),
    ("url('/a?q=1&q=2').getQuery()['q']", ["1", "2"]),
    ("isURL('https://example.com') && !isURL('../x') && !isURL(':x')", True),
    # addresses and networks
    ("ip('10.0.0.1').family() + ip('::1').family()", 10),
    ("ip('127.0.0.1').isLoopback() && ip('0.0.0.0').isUnspecified() && ip('fe80::1').isLinkLocalUnicast()", True),
    ("ip('8.8.8.8').isGlobalUnicast() && !ip('224.0.0.1').isGlobalUnicast() && ip('224.0.0.1').isLinkLocalMulticast()", True),
    ("isIP('::1') && !isIP('1.2.3') && !isIP('fe80::1%eth0') && !isIP('::ffff:1.2.3.4')", True),
    ("ip.isCanonical('::1') && !ip.isCanonical('0::1')", True),
    ("type(ip('::1')) == net.IP", True),
    ("cidr('10.1.2.3/8').containsIP('10.9.9.9') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))", True),
    ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsCIDR(cidr('0.0.0.0/0'))", True),
    ("cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')", True),
    ("cidr('10.0.0.0/8').prefixLength()", 8),
    ("isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/08')", True),
]  # fmt: skip

FAILURES = [
    ("self.missing", "no such key: missing"),
    ("self.labels['a \"b\"']", 'no such key: a "b"'),
    ("{1: 2}[self.count]", "no such key: 3"),
    ("self.name + 1 == 2", "no such overload"),
    ("self.name.deeper", "no such overload"),
    ("1 / (self.count - 3)", "division by zero"),
    ("1 % (self.count - 3)", "modulus by zero"),
    ("self.numbers[7]", "index out of bounds: 7"),
    ("9223372036854775807 + self.count", "integer overflow"),
    ("[].max()", "max called on empty list"),
    ("'abc'.substring(5)", "index out of range: 5"),
    ("'abc'.find('(')", "Illegal regex: missing ): ("),
    ("ip('x')", 'IP Address "x" parse error during conversion from string'),
    ("quantity('x').sign()", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ("quantity('1.5').asInteger()", "cannot convert value to integer"),
    ("'%d'.format(['x'])", "error during formatting: decimal clause can only be used on integers, was given string"),
]  # fmt: skip

REFUSED = [
    ("self.", "Syntax error: no viable alternative at input '.'"),
    ("self.a ==", "Syntax error: mismatched input '<EOF>' expecting"),
    ("other == 1", "undeclared reference to 'other' (in container '')"),
    ("1 + 'a'", "found no matching overload for '_+_' applied to '(int, string)'"),
    ("'a' < 1", "found no matching overload for '_<_' applied to '(string, int)'"),
    ("['a'].sum()", "found no matching overload for 'sum' applied to '(list(string))'"),
    ("quantity('1') < quantity('2')", "found no matching overload for '_<_' applied to '(kubernetes.Quantity, kubernetes.Quantity)'"),
    ("self.name.nothing()", "undeclared reference to 'nothing'"),
    ("[optional.of(1)].size() == 1", "optional values as elements of lists or maps"),
    ("{'a': optional.none()}.size() == 1", "optional values as elements of lists or maps"),
    ("{?'k': optional.of(optional.of(1))}", "optional values as elements of lists or maps"),
    ("self.ports.map(p, p.?name).size() == 1", "optional values as elements of lists or maps"),
    ("[dyn(optional.of(1))].isSorted()", "optional values as elements of lists or maps, or of unknown type"),
    ("(self.on ? dyn(1) : optional.of(1)) == 1", "optional values as elements of lists or maps, or of unknown type"),
    ("(" * 200 + "1" + ")" * 200, "limit"),
    ("{{'a': 1}: 2}", "Unsupported map key type: MAP<STRING, INT>"),
    ("self.all(x, " * 30 + "true" + ")" * 30, "the expression is nested too deeply"),
    ("self" + ".a" * 500, "Exceeded max recursion depth of 32"),
    ("'" + "a" * 200_000 + "'", "expression size exceeds codepoint limit. input size: 200002, limit: 100000"),
]  # fmt: skip


@functools.cache
def checker() -> library.Checker:
    """Return a checker that knows nothing of `self`."""
    return library.Checker({"self": "dyn"})


def evaluated(source: str, data: Any = DATA) -> Any:
    """Return the value of an expression."""
    return expressions.compiled(source, checker()).evaluate(library.Activation({"self": data}))


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source for source, _ in VALUES])
def test_an_expression_has_its_value(source: str, value: Any) -> None:
    """Values are those that Kubernetes' library gives, types included."""
    found = evaluated(source)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("source", "text"), FAILURES, ids=[source for source, _ in FAILURES])
def test_a_failure_has_kubernetes_text(source: str, text: str) -> None:
    """What cannot be evaluated says why."""
    with pytest.raises(library.Error) as failed:
        evaluated(source)

    assert str(failed.value) == text


@pytest.mark.parametrize(("source", "text"), REFUSED, ids=[source[:40] for source, _ in REFUSED])
def test_what_does_not_fit_is_not_compiled(source: str, text: str) -> None:
    """Syntax and types are judged before anything runs."""
    with pytest.raises(library.CompileError) as refused:
        evaluated(source)

    assert text in str(refused.value)


def test_a_compile_error_shows_the_place() -> None:
    """Line, column and a pointer, as Kubernetes prints them."""
    with pytest.raises(library.CompileError) as refused:
        evaluated("self.a == 1 &&\n  1 + 'a' == 2")

    assert str(refused.value) == (
        "ERROR: <input>:2:5: found no matching overload for '_+_' applied to '(int, string)'\n"
        " |   1 + 'a' == 2\n"
        " | ....^"
    )
