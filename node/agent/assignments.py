"""What the node was told: pods, and what they draw from. Kept by the pod manager, read by the workers (`Sources`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairlead import clock as clocks
from fairlead.api import times
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1

# A token is asked for anew when this share of its life is over, as kubelet does.
TOKEN_RENEWAL = 0.8
# An unanswered question for a token is repeated after this.
TOKEN_REPEAT_SECONDS = 10.0

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Token:
    """A service-account token and when it is to be renewed (Unix seconds)."""

    text: str
    renew_at: float


class Assignments:
    """The objects that the node was told of. `ask` is called for each token that is wanted."""

    def __init__(self, clock: clocks.Clock, ask: Callable[[agent_pb2.TokenNeeded], None]) -> None:
        self._clock = clock
        self._ask = ask
        self.pods: dict[str, corev1.Pod] = {}
        self.nodes: dict[str, corev1.Node] = {}
        self._config_maps: dict[Key, corev1.ConfigMap] = {}
        self._secrets: dict[Key, corev1.Secret] = {}
        self._services: dict[Key, corev1.Service] = {}
        self._tokens: dict[tuple[str, str, int], Token] = {}
        self._asked: dict[tuple[str, str, int], float] = {}

    def config_map(self, namespace: str, name: str) -> corev1.ConfigMap | None:
        """Return a config map."""
        return self._config_maps.get((namespace, name))

    def secret(self, namespace: str, name: str) -> corev1.Secret | None:
        """Return a secret."""
        return self._secrets.get((namespace, name))

    def services(self, namespace: str) -> list[corev1.Service]:
        """Return a namespace's services and the API's own, sorted."""
        found = [
            service
            for (place, name), service in self._services.items()
            if place == namespace or (place, name) == ("default", "kubernetes")
        ]
        return sorted(found, key=lambda one: (one.metadata.namespace, one.metadata.name))

    def token(self, pod_uid: str, audience: str, seconds: int) -> str | None:
        """Return a token; one that is missing or old is asked for."""
        wanted = (pod_uid, audience, seconds)
        known = self._tokens.get(wanted)
        now = self._clock.now()
        if (known is None or known.renew_at <= now) and self._asked.get(wanted, 0.0) + TOKEN_REPEAT_SECONDS <= now:
            pod = self.pods.get(pod_uid)
            if pod is not None:
                self._asked[wanted] = now
                self._ask(_question(pod, audience, seconds))
        return known.text if known is not None else None

    def waiting_tokens(self) -> list[agent_pb2.TokenNeeded]:
        """Return the questions that have no answer yet."""
        return [
            _question(self.pods[uid], audience, seconds) for uid, audience, seconds in self._asked if uid in self.pods
        ]

    def tokens_due(self) -> bool:
        """Tell whether a token is to be renewed by now, or a question repeated."""
        now = self._clock.now()
        repeat = any(at + TOKEN_REPEAT_SECONDS <= now for at in self._asked.values())
        return repeat or any(one.renew_at <= now for one in self._tokens.values())

    def next_token_at(self) -> float:
        """Return when `tokens_due` will be true next; 0.0 for never."""
        renewals = [one.renew_at for one in self._tokens.values()]
        return min([*renewals, *(at + TOKEN_REPEAT_SECONDS for at in self._asked.values())], default=0.0)

    def prune(self) -> None:
        """Forget the tokens of pods that are not there any more."""
        for uid in {wanted[0] for wanted in (*self._tokens, *self._asked)} - self.pods.keys():
            self._forget_tokens(uid)

    def clear(self) -> None:
        """Forget everything but tokens: a COMPLETE follows that names what there is."""
        for kept in (self.pods, self.nodes, self._config_maps, self._secrets, self._services):
            kept.clear()

    def take(self, changes: Sequence[agent_pb2.Change]) -> set[str]:
        """Take changes; returns which kinds changed, by their field names in Change."""
        kinds: set[str] = set()
        for change in changes:
            kind = change.WhichOneof("change") or ""
            kinds.add(_RESOURCES.get(change.removed.resource, "") if kind == "removed" else kind)
            match kind:
                case "pod":
                    self.pods[change.pod.metadata.uid] = change.pod
                case "config_map":
                    self._config_maps[_key(change.config_map)] = change.config_map
                case "secret":
                    self._secrets[_key(change.secret)] = change.secret
                case "service":
                    self._services[_key(change.service)] = change.service
                case "node":
                    self.nodes[change.node.metadata.name] = change.node
                case "token":
                    self._put_token(change.token)
                case "removed":
                    self._remove(change.removed)
        return kinds

    def _remove(self, gone: agent_pb2.Removed) -> None:
        key = (gone.namespace, gone.name)
        match gone.resource:
            case "pods":
                for uid, pod in list(self.pods.items()):
                    if _key(pod) == key and gone.uid in ("", uid):
                        self._forget_pod(uid)
            case "configmaps":
                self._config_maps.pop(key, None)
            case "secrets":
                self._secrets.pop(key, None)
            case "services":
                self._services.pop(key, None)
            case "nodes":
                self.nodes.pop(gone.name, None)

    def _forget_pod(self, uid: str) -> None:
        del self.pods[uid]
        self._forget_tokens(uid)

    def _forget_tokens(self, uid: str) -> None:
        for wanted in [one for one in (*self._tokens, *self._asked) if one[0] == uid]:
            self._tokens.pop(wanted, None)
            self._asked.pop(wanted, None)

    def _put_token(self, token: agent_pb2.ServiceAccountToken) -> None:
        spec, status = token.request.spec, token.request.status
        now = self._clock.now()
        life = times.to_seconds(status.expirationTimestamp) - now
        audiences = list(spec.audiences)
        made = Token(status.token, now + TOKEN_RENEWAL * life)
        # The server may shorten or lengthen what was asked for: the question is known by pod and audience.
        asked = [one for one in (*self._asked, *self._tokens) if one[0] == token.pod_uid and _matches(one, audiences)]
        for wanted in asked or [(token.pod_uid, audiences[0] if audiences else "", spec.expirationSeconds)]:
            self._tokens[wanted] = made
            self._asked.pop(wanted, None)


# The field of Change for each resource that Removed names.
_RESOURCES = {
    "pods": "pod",
    "configmaps": "config_map",
    "secrets": "secret",
    "services": "service",
    "nodes": "node",
}


def _matches(wanted: tuple[str, str, int], audiences: Sequence[str]) -> bool:
    return wanted[1] in audiences if wanted[1] else True


def _question(pod: corev1.Pod, audience: str, seconds: int) -> agent_pb2.TokenNeeded:
    return agent_pb2.TokenNeeded(
        namespace=pod.metadata.namespace,
        service_account=pod.spec.serviceAccountName or "default",
        pod_name=pod.metadata.name,
        pod_uid=pod.metadata.uid,
        audiences=[audience] if audience else [],
        expiration_seconds=seconds,
    )


def _key(obj: corev1.Pod | corev1.ConfigMap | corev1.Secret | corev1.Service) -> Key:
    return obj.metadata.namespace, obj.metadata.name
