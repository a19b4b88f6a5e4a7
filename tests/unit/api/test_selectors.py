"""Label and field selectors: what they match, how they are written, and what is refused."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from fairlead.api import selectors
from fairlead.api.pb import meta_v1_pb2 as metav1

LABELS = {"app": "web", "tier": "front", "rank": "7"}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier", True),
        ("app!=web", False),
        ("absent!=x", True),
        ("absent notin (x)", True),
        ("absent", False),
        ("!absent", True),
        ("! absent,app", True),
        ("app in (web, db),tier notin (back)", True),
        ("app in (db)", False),
        ("rank>6", True),
        ("rank<7", False),
        ("app>6", False),
        ("app=", False),
        ("app in (,web)", True),
    ],
)
def test_a_selector_matches_labels(text: str, want: bool) -> None:
    """All conditions must be met; a label that is absent meets != and notin."""
    got = selectors.parse(text).matches(LABELS)
    assert got is want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("tier in (b,a),app==web", "app=web,tier in (a,b)"),
        ("!x , y", "!x,y"),
        ("rank>6", "rank>6"),
        ("a!=b,a notin (c)", "a!=b,a notin (c)"),
        ("a=", "a="),
    ],
)
def test_a_selector_has_one_canonical_text(text: str, want: str) -> None:
    """Conditions are ordered by key and the values of a set are sorted."""
    got = str(selectors.parse(text))
    assert got == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app=web,", "found '', expected: identifier after ','"),
        ("app in web", "found 'web' expected: '('"),
        ("app in (web", "found '', expected: ',' or ')'"),
        ("app web", "found 'web', expected: in, notin, =, ==, !=, gt, lt"),
        ("=web", "found '=', expected: identifier"),
        ("rank>x", "the value must be an integer"),
        ("-app=web", 'key: Invalid value: "-app": name part must consist of alphanumeric characters'),
        ("app=web_", 'values[0][app]: Invalid value: "web_": a valid label must be an empty string or consist'),
        ("app=" + "x" * 64, "must be no more than 63 characters"),
    ],
)
def test_a_selector_that_is_wrong_says_why(text: str, message: str) -> None:
    """The words are Kubernetes'."""
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.parse(text)
    assert message in str(caught.value)


def test_a_message_becomes_a_selector() -> None:
    """matchLabels and matchExpressions are conditions alike."""
    message = metav1.LabelSelector(matchLabels={"app": "web"})
    message.matchExpressions.add(key="tier", operator="NotIn", values=["back", "admin"])
    message.matchExpressions.add(key="canary", operator="DoesNotExist")

    got = selectors.of_message(message)

    assert str(got) == "app=web,!canary,tier notin (admin,back)"
    assert got.matches(LABELS)
    assert not got.matches(LABELS | {"canary": ""})


def test_no_selector_matches_nothing_and_an_empty_one_everything() -> None:
    """A Deployment without selector must not adopt every pod."""
    assert not selectors.of_message(None).matches(LABELS)
    assert selectors.of_message(metav1.LabelSelector()).matches({})
    assert selectors.of_labels({"app": "web"}).matches(LABELS)
    assert not selectors.of_labels({"app": "web"}).matches({"app": "db"})


def test_a_messages_labels_can_be_asked_and_are_not_changed() -> None:
    """Reading a protobuf map by index would add the key."""
    meta = metav1.ObjectMeta(labels={"app": "web"})
    assert selectors.parse("app=web,!tier,rank!=1").matches(meta.labels)
    assert dict(meta.labels) == {"app": "web"}


def test_an_unknown_operator_is_refused() -> None:
    """Only In, NotIn, Exists and DoesNotExist stand in a LabelSelector."""
    message = metav1.LabelSelector(
        matchExpressions=[metav1.LabelSelectorRequirement(key="a", operator="Gt", values=["1"])]
    )
    with pytest.raises(selectors.SelectorError, match='"Gt" is not a valid label selector operator'):
        selectors.of_message(message)


def test_a_field_selector_matches_fields() -> None:
    """A field that an object lacks is empty."""
    fields = {"spec.nodeName": "node-1", "metadata.name": "a,b=c"}
    want = {
        "spec.nodeName=node-1": True,
        "spec.nodeName==node-2": False,
        "status.phase!=Running,spec.nodeName=node-1": True,
        "status.phase=": True,
        r"metadata.name=a\,b\=c": True,
        "": True,
    }
    got = {text: selectors.parse_fields(text).matches(fields) for text in want}
    assert got == want


def test_a_field_selector_names_what_a_field_must_be() -> None:
    """The cache serves pods of one node from an index."""
    selector = selectors.parse_fields("spec.nodeName=node-1,status.phase!=Failed")
    assert selector.required("spec.nodeName") == "node-1"
    assert selector.required("status.phase") is None
    assert str(selector) == "spec.nodeName=node-1,status.phase!=Failed"


@pytest.mark.parametrize("text", ["spec.nodeName", "a=b=c", "a=b\\"])
def test_a_field_selector_that_is_wrong_is_refused(text: str) -> None:
    """A term needs a sign, and a special character in a value its backslash."""
    with pytest.raises(selectors.SelectorError):
        selectors.parse_fields(text)


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["", "1", "2", "x"])
TERMS = st.one_of(
    st.builds("{}".format, KEYS),
    st.builds("!{}".format, KEYS),
    st.builds("{}{}{}".format, KEYS, st.sampled_from(["=", "==", "!="]), VALUES),
    st.builds("{}{}{}".format, KEYS, st.sampled_from(["<", ">"]), st.sampled_from(["0", "1", "7"])),
    st.builds("{} {} ({},{})".format, KEYS, st.sampled_from(["in", "notin"]), VALUES, VALUES),
)


@hypothesis.given(st.lists(TERMS, max_size=5), st.dictionaries(KEYS, VALUES))
def test_a_selector_matches_where_all_of_its_conditions_do(terms: list[str], labels: dict[str, str]) -> None:
    """However they are asked."""
    selector = selectors.parse(",".join(terms))

    assert selector.matches(labels) == all(each.matches(labels) for each in selector.requirements)
