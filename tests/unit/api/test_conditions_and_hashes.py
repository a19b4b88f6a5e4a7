"""Conditions of any kind, and names made of hashes."""

from __future__ import annotations

from fairlead.api import conditions, hashing, times
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1

FIRST, SECOND, THIRD = (times.from_seconds(seconds) for seconds in (100, 200, 300))


def test_the_transition_time_moves_only_with_the_status() -> None:
    """A new message is a change, but no transition."""
    pod = corev1.Pod()
    listed = pod.status.conditions

    changes = [
        conditions.set_condition(listed, "Ready", "False", FIRST, reason="Starting"),
        conditions.set_condition(listed, "Ready", "False", SECOND, reason="Starting"),
        conditions.set_condition(listed, "Ready", "False", SECOND, reason="Failing", message="exit 1"),
    ]
    kept = conditions.get(listed, "Ready").lastTransitionTime.seconds
    changes.append(conditions.set_condition(listed, "Ready", "True", THIRD))

    assert changes == [True, False, True, True]
    assert kept == 100
    assert conditions.get(listed, "Ready").lastTransitionTime.seconds == 300
    assert conditions.is_true(listed, "Ready")


def test_the_update_time_moves_with_every_change() -> None:
    """Deployments show progress by it."""
    listed = appsv1.Deployment().status.conditions
    conditions.set_condition(listed, "Progressing", "True", FIRST, reason="a")
    conditions.set_condition(listed, "Progressing", "True", SECOND, reason="b")
    assert (listed[0].lastTransitionTime.seconds, listed[0].lastUpdateTime.seconds) == (100, 200)


def test_a_condition_that_is_not_there_is_unknown() -> None:
    """Nothing is true of an empty list, and nothing can be removed from it."""
    listed = corev1.Node().status.conditions
    assert conditions.get(listed, "Ready") is None
    assert conditions.status(listed, "Ready") == "Unknown"
    assert conditions.remove(listed, "Ready") is False


def test_a_condition_can_be_removed() -> None:
    """The others stay."""
    listed = corev1.Node().status.conditions
    for kind in ("Ready", "DiskPressure"):
        conditions.set_condition(listed, kind, "True", FIRST)
    assert conditions.remove(listed, "Ready") is True
    assert [each.type for each in listed] == ["DiskPressure"]


def test_fnv_is_fnv() -> None:
    """Values of the algorithm's own test suite."""
    assert [hashing.fnv32a(data) for data in (b"", b"a", b"foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


def test_equal_templates_have_equal_hashes() -> None:
    """The order in which labels were set does not count; a collision count does."""
    one, two = corev1.PodTemplateSpec(), corev1.PodTemplateSpec()
    for template, keys in ((one, "ab"), (two, "ba")):
        for key in keys:
            template.metadata.labels[key] = key
    got = hashing.hash_of(one)
    assert got == hashing.hash_of(two)
    assert got != hashing.hash_of(one, collisions=1)
    assert got == "66b5c76577"


def test_generated_names_are_of_safe_letters() -> None:
    """Five letters, drawn anew each time."""
    got = {hashing.random_suffix() for _ in range(20)}
    assert {len(one) for one in got} == {5}
    assert set("".join(got)) <= set(hashing.ALPHABET)
    assert len(got) > 1
