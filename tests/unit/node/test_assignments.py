"""What the node was told, and the tokens that it asks for."""

from __future__ import annotations

from fairlead import clock as clocks
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import assignments
from tests.support import pods


def _made() -> tuple[assignments.Assignments, clocks.FakeClock, list[agent_pb2.TokenNeeded]]:
    clock = clocks.FakeClock()
    asked: list[agent_pb2.TokenNeeded] = []
    made = assignments.Assignments(clock, asked.append)
    made.take([agent_pb2.Change(pod=pods.pod())])
    return made, clock, asked


def _token(clock: clocks.FakeClock, text: str, audience: str = "api") -> agent_pb2.Change:
    token = agent_pb2.ServiceAccountToken(namespace="default", pod_name="web", pod_uid=pods.UID)
    token.request.spec.audiences.append(audience)
    token.request.status.token = text
    token.request.status.expirationTimestamp.seconds = int(clock.now()) + 1000
    return agent_pb2.Change(token=token)


def test_a_token_is_asked_for_once_and_again_after_a_while() -> None:
    """Its question is repeated only where no answer came."""
    made, clock, asked = _made()
    assert made.token(pods.UID, "", 3600) is None
    assert made.token(pods.UID, "", 3600) is None
    assert len(asked) == 1
    clock.advance(assignments.TOKEN_REPEAT_SECONDS)
    made.token(pods.UID, "", 3600)
    assert len(asked) == 2


def test_a_token_is_renewed_before_it_ends() -> None:
    """At four fifths of its life; meanwhile the old one serves."""
    made, clock, asked = _made()
    made.token(pods.UID, "", 3600)
    made.take([_token(clock, "old")])
    assert made.token(pods.UID, "", 3600) == "old"
    assert made.next_token_at() == clock.now() + 800
    clock.advance(801)
    assert made.tokens_due()
    assert made.token(pods.UID, "", 3600) == "old"
    assert len(asked) == 2
    made.take([_token(clock, "new")])
    assert made.token(pods.UID, "", 3600) == "new"


def test_tokens_are_kept_apart_by_audience() -> None:
    """An answer for one is none for another."""
    made, clock, _ = _made()
    made.token(pods.UID, "vault", 3600)
    made.token(pods.UID, "other", 3600)
    made.take([_token(clock, "for vault", "vault")])
    assert made.token(pods.UID, "vault", 3600) == "for vault"
    assert made.token(pods.UID, "other", 3600) is None


def test_a_pods_tokens_go_with_it() -> None:
    """By a removal or by a COMPLETE that does not name it."""
    made, clock, _ = _made()
    made.token(pods.UID, "", 3600)
    made.take([_token(clock, "text")])
    made.take([agent_pb2.Change(removed=agent_pb2.Removed(resource="pods", namespace="default", name="web"))])
    assert (made.waiting_tokens(), made.next_token_at()) == ([], 0.0)
    made.take([agent_pb2.Change(pod=pods.pod())])
    made.token(pods.UID, "", 3600)
    made.clear()
    made.prune()
    assert made.next_token_at() == 0.0


def test_a_removal_of_an_older_pod_of_the_name_is_passed_over() -> None:
    """The uid tells them apart."""
    made, _, _ = _made()
    gone = agent_pb2.Removed(resource="pods", namespace="default", name="web", uid="older")
    made.take([agent_pb2.Change(removed=gone)])
    assert list(made.pods) == [pods.UID]


def test_changes_are_told_by_kind() -> None:
    """So that workers look at their volumes only when something of theirs may have changed."""
    made, _, _ = _made()
    removed = agent_pb2.Removed(resource="configmaps", namespace="default", name="x")
    changes = [agent_pb2.Change(secret=corev1.Secret()), agent_pb2.Change(removed=removed)]
    assert made.take(changes) == {"secret", "config_map"}
