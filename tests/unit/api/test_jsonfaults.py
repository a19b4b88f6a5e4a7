"""What Go's decoder says of texts that are no JSON; the expectations are its own words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api import codec

FAULTS = {
    "": "unexpected end of JSON input",
    "  ": "unexpected end of JSON input",
    '{"a"': "unexpected end of JSON input",
    '{"a": "b': "unexpected end of JSON input",
    '{"a": [1, 2': "unexpected end of JSON input",
    '{"a": tru': "unexpected end of JSON input",
    '{"a": -': "unexpected end of JSON input",
    "hello": "invalid character 'h' looking for beginning of value",
    "'": "invalid character '\\'' looking for beginning of value",
    "é": "invalid character 'Ã' looking for beginning of value",
    '{"a": }': "invalid character '}' looking for beginning of value",
    '{"a": [1,]}': "invalid character ']' looking for beginning of value",
    '{"a": NaN}': "invalid character 'N' looking for beginning of value",
    '{"a": -Infinity}': "invalid character 'I' in numeric literal",
    '{"a": nil}': "invalid character 'i' in literal null (expecting 'u')",
    '{"a": truth}': "invalid character 't' in literal true (expecting 'e')",
    '{"a": -a}': "invalid character 'a' in numeric literal",
    '{"a": 1.}': "invalid character '}' after decimal point in numeric literal",
    '{"a": 1e+}': "invalid character '}' in exponent of numeric literal",
    '{"a": 01}': "invalid character '1' after object key:value pair",
    '{"a": 1 "b": 2}': "invalid character '\"' after object key:value pair",
    '{"a": [1 2]}': "invalid character '2' after array element",
    '{"a]": ["[\\"", {}] }]': "invalid character ']' after top-level value",
    '{"a]": ["[\\"", {}] ]': "invalid character ']' after object key:value pair",
    '{"a": 1,}': "invalid character '}' looking for beginning of object key string",
    "{a: 1}": "invalid character 'a' looking for beginning of object key string",
    '{"a" 1}': "invalid character '1' after object key",
    "{} x": "invalid character 'x' after top-level value",
    '{"a": "\n"}': "invalid character '\\n' in string literal",
    '{"a": "\x01"}': "invalid character '\\x01' in string literal",
    '{"a": "\\q"}': "invalid character 'q' in string escape code",
    '{"a": "\\u12g4"}': "invalid character 'g' in \\u hexadecimal character escape",
}


@pytest.mark.parametrize(("text", "said"), FAULTS.items())
def test_what_is_no_json_is_told_as_go_tells_it(text: str, said: str) -> None:
    """With the character that is wrong, and where one of another kind belongs."""
    assert (codec.json_fault(text), codec.json_fault(text.encode())) == (said, said)


@given(st.text(alphabet='{}[]",:\\ untrefals0123.-+e\n', max_size=30))
def test_every_text_that_python_cannot_read_has_a_fault(text: str) -> None:
    """And no other one has."""
    try:
        json.loads(text)
    except ValueError:
        assert codec.json_fault(text)
    else:
        assert codec.json_fault(text) == ""
