"""Whatever rules and objects are, the answer is faults: nothing is raised that would be the server's own error."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from control.apiserver.cel import library
from control.apiserver.policies import compiling, evaluating, judging
from control.apiserver.structural import rules, schema
from control.apiserver.validation import structural
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

SCHEMA = yaml.safe_load(
    """
    type: object
    properties:
      n: {type: integer}
      f: {type: number}
      s: {type: string}
      t: {type: string, format: date-time}
      d: {type: string, format: duration}
      b: {type: string, format: byte}
      x-y: {type: boolean, nullable: true}
      p: {x-kubernetes-int-or-string: true}
      u: {type: object, x-kubernetes-preserve-unknown-fields: true}
      l: {type: array, items: {type: string}, x-kubernetes-list-type: set}
      m: {type: object, additionalProperties: {type: integer}}
      o:
        type: array
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [s]
        items: {type: object, required: [s], properties: {s: {type: string}, n: {type: integer}}}
    """
)
PATHS = [f"self.{name}" for name in ("n", "f", "s", "t", "d", "b", "x__dash__y", "p", "u", "l", "m", "o", "nothing")]
LITERALS = [
    "0", "1", "-9223372036854775808", "1.5", "2u", "''", "'a'", "b'a'", "true", "null", "[]", "[1, 'a']", "{}",
    "{'a': 1}", "duration('1h')", "timestamp('2020-01-01T00:00:00Z')", "quantity('1Gi')", "ip('::1')",
    "optional.none()",
]  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"]
CALLS = [
    "size()", "all(x, x == 1)", "exists_one(x, x in self.l)", "map(x, [x, x])", "filter(x, true)", "sum()", "max()",
    "isSorted()", "join(',')", "split('')", "replace('a', 'bb')", "format([1, 'a'])", "matches('(a+)+$')",
    "find('a|')", "charAt(1)", "substring(1, 0)", "indexOf('a')", "getFullYear('Nowhere')", "getHours()",
    "orValue(1)", "hasValue()", "isGreaterThan(quantity('1'))", "asInteger()", "family()", "contains('a')",
    "trim()", "lowerAscii()", "value()",
]  # fmt: skip
CONVERSIONS = ["string", "int", "uint", "double", "type", "dyn", "duration", "timestamp", "url", "quantity"]


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions of expressions."""
    return st.one_of(
        st.builds("({} {} {})".format, parts, st.sampled_from(OPERATORS), parts),
        st.builds("{}.{}".format, parts, st.sampled_from(CALLS)),
        st.builds("({} ? {} : {})".format, parts, parts, parts),
        st.builds("{}[{}]".format, parts, parts),
        st.builds("has({}.s)".format, parts),
        st.builds("[{}, {}]".format, parts, parts),
        st.builds("{{'a': {}, ?'b': {}.?s}}".format, parts, parts),
        st.builds("{}.?n".format, parts),
        st.builds(
            "{}({})".format, st.sampled_from(["string", "int", "double", "type", "dyn", "duration", "url"]), parts
        ),
    )


EXPRESSIONS = st.recursive(st.sampled_from(PATHS + LITERALS + ["oldSelf.n", "self", "oldSelf"]), larger, max_leaves=8)
NAMES = st.sampled_from(["n", "f", "s", "t", "d", "b", "x-y", "p", "u", "l", "m", "o", "nothing"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(), st.text(max_size=5),
    st.sampled_from(["2020-01-01T00:00:00Z", "1h", "3 days", "YWJj", "9999-12-31T23:59:59-12:00"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(NAMES, below, max_size=4)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6)


@given(EXPRESSIONS, EXPRESSIONS, OBJECTS, st.none() | OBJECTS, st.booleans())
def test_rules_have_an_answer_for_any_object(rule: str, made: str, new: Any, old: Any, optional: bool) -> None:
    """A rule that compiles is asked of anything, well-formed or not, old value or not."""
    validation = {"rule": rule, "messageExpression": made, "optionalOldSelf": optional}
    written = {**SCHEMA, "x-kubernetes-validations": [validation]}

    judged = structural.validate(written, "schema")
    asked = rules.Rules(schema.parse(written)).validate(new, old)

    assert all(fault.message for fault in (*judged, *asked))


@given(st.text(max_size=60))
def test_definitions_have_an_answer_for_any_text(rule: str) -> None:
    """A rule is good, or it is a fault."""
    written = {**SCHEMA, "x-kubernetes-validations": [{"rule": rule}]}

    assert all(fault.field.startswith("schema.") for fault in structural.validate(written, "schema"))


@given(EXPRESSIONS, EXPRESSIONS, EXPRESSIONS, OBJECTS)
def test_policies_have_an_answer_for_any_object(rule: str, variable: str, made: str, given_object: Any) -> None:
    """A policy denies or lets pass, whatever its variables and messages are worth."""
    spec = registrationv1.ValidatingAdmissionPolicySpec(failurePolicy="Fail")
    spec.variables.add(Name="v", Expression=variable.replace("self", "object").replace("oldSelf", "oldObject"))
    source = f"variables.v == {rule.replace('oldSelf', 'oldObject').replace('self', 'object')}"
    spec.validations.add(Expression=source, messageExpression=made.replace("self", "object"))

    values = {"object": given_object, "oldObject": None, "request": {}, "namespaceObject": None, "params": None}
    told = judging.judge(compiling.policy(spec), values)

    assert all(denial.message for denial in told.denials)


def test_null_can_be_returned_any_number_of_times() -> None:
    """None keeps its references: the library takes one with each null that it is asked for."""
    program = library.Program("[self, null, {'a': self}, self.map(x, null)]")
    given_nulls = library.Activation({"self": [None, None]})
    program.evaluate(given_nulls)
    before = sys.getrefcount(None)
    for _ in range(1000):
        assert program.evaluate(given_nulls) == [[None, None], None, {"a": [None, None]}, [None, None]]

    assert sys.getrefcount(None) > before - 500


def test_a_budget_that_is_spent_is_a_failure() -> None:
    """Each evaluation of a policy takes from one budget."""
    evaluation = evaluating.Evaluation({"object": 1})
    compiled = compiling.Scope().compiled("object == 1", ("bool",))

    def spend() -> None:
        while evaluation.value(compiled):
            pass

    with pytest.raises(evaluating.Failure) as failed:
        spend()

    assert str(failed.value) == f"expression 'object == 1' resulted in error: {evaluating.EXHAUSTED}"
