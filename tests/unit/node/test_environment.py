"""A container's variables."""

from __future__ import annotations

import pytest

from fairlead import clock as clocks
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import assignments
from node.pods import environment, fields
from tests.support import pods


def _given(*changes: agent_pb2.Change) -> assignments.Assignments:
    made = assignments.Assignments(clocks.FakeClock(), lambda question: None)
    made.take(changes)
    return made


def _config_map(**data: str) -> agent_pb2.Change:
    made = corev1.ConfigMap(data=data)
    made.metadata.name, made.metadata.namespace = "settings", "default"
    return agent_pb2.Change(config_map=made)


def _secret(**data: bytes) -> agent_pb2.Change:
    made = corev1.Secret(data=data)
    made.metadata.name, made.metadata.namespace = "keys", "default"
    return agent_pb2.Change(secret=made)


def _service(name: str = "web", namespace: str = "default", port: int = 80) -> agent_pb2.Change:
    made = corev1.Service()
    made.metadata.name, made.metadata.namespace = name, namespace
    made.spec.clusterIP = "10.96.0.7"
    made.spec.ports.add(name="http", port=port, protocol="TCP")
    return agent_pb2.Change(service=made)


def _variables(container: corev1.Container, *changes: agent_pb2.Change) -> dict[str, str]:
    facts = fields.PodFacts(pods.pod(container), ("10.128.3.2",), ("192.0.2.1",))
    return environment.variables(facts, container, _given(*changes))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("$(A)", "a"),
        ("x$(A)y$(B)", "xayb"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$A", "$A"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(text: str, want: str) -> None:
    """Known names are replaced, `$$` is one `$`, anything else stays."""
    assert environment.expand(text, {"A": "a", "B": "b"}) == want


def test_later_variables_use_earlier_ones() -> None:
    """In the order of the list."""
    container = pods.container()
    container.env.add(name="A", value="one")
    container.env.add(name="B", value="$(A) and $(C)")
    container.env.add(name="C", value="three")
    assert _variables(container) == {"A": "one", "B": "one and $(C)", "C": "three"}


def test_sources_of_variables() -> None:
    """Config maps and secrets, whole or by key, under fields of the pod."""
    container = pods.container()
    container.envFrom.add(prefix="S_").configMapRef.localObjectReference.name = "settings"
    container.envFrom.add().secretRef.localObjectReference.name = "keys"
    one = container.env.add(name="ONE").valueFrom.configMapKeyRef
    one.localObjectReference.name, one.key = "settings", "color"
    container.env.add(name="IP").valueFrom.fieldRef.fieldPath = "status.podIP"
    got = _variables(container, _config_map(color="blue"), _secret(password=b"sesame"))
    assert got == {"S_color": "blue", "password": "sesame", "ONE": "blue", "IP": "10.128.3.2"}


@pytest.mark.parametrize(
    ("key", "change", "want"),
    [
        ("color", None, 'configmap "settings" not found'),
        ("size", _config_map(color="blue"), "couldn't find key size in ConfigMap default/settings"),
    ],
)
def test_what_is_missing_is_said(key: str, change: agent_pb2.Change | None, want: str) -> None:
    """In kubelet's words; an optional one is left out."""
    container = pods.container()
    ref = container.env.add(name="ONE").valueFrom.configMapKeyRef
    ref.localObjectReference.name, ref.key = "settings", key
    changes = [change] if change else []
    with pytest.raises(environment.BadEnvironment, match=want):
        _variables(container, *changes)
    ref.optional = True
    assert _variables(container, *changes) == {}


def test_services_of_the_namespace_are_told() -> None:
    """As Docker's links were; those of other namespaces are not."""
    got = _variables(pods.container(), _service("my-web"), _service("other", "elsewhere"))
    assert got == {
        "MY_WEB_SERVICE_HOST": "10.96.0.7",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP": "80",
        "MY_WEB_PORT": "tcp://10.96.0.7:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.96.0.7:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.96.0.7",
    }


def test_without_links_only_the_api_is_told() -> None:
    """enableServiceLinks: false."""
    container = pods.container()
    pod = pods.pod(container)
    pod.spec.enableServiceLinks = False
    given = _given(_service("web"), _service("kubernetes", port=443))
    got = environment.variables(fields.PodFacts(pod), container, given)
    assert {name.split("_")[0] for name in got} == {"KUBERNETES"}


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", pods.UID),
        ("metadata.labels['app']", "web"),
        ("metadata.labels", 'app="web"\nquote="\\"x\\""'),
        ("spec.nodeName", "node-1"),
        ("status.hostIP", "192.0.2.1"),
        ("status.podIPs", "10.128.3.2"),
    ],
)
def test_fields(path: str, want: str) -> None:
    """The downward API's paths."""
    pod = pods.pod()
    pod.metadata.labels.update({"app": "web", "quote": '"x"'})
    assert fields.field(fields.PodFacts(pod, ("10.128.3.2",), ("192.0.2.1",)), path) == want


@pytest.mark.parametrize(
    ("resource", "divisor", "want"),
    [
        ("limits.cpu", "", "1"),
        ("limits.cpu", "1m", "250"),
        ("limits.memory", "1Mi", "64"),
        ("requests.cpu", "1m", "250"),
        ("requests.memory", "", "67108864"),
    ],
)
def test_limits(resource: str, divisor: str, want: str) -> None:
    """Rounded up to the divisor; a request is its limit where it is not given."""
    container = pods.container()
    container.resources.limits["cpu"].string = "250m"
    container.resources.limits["memory"].string = "64Mi"
    selector = corev1.ResourceFieldSelector(resource=resource)
    selector.divisor.string = divisor
    assert fields.resource(fields.PodFacts(pods.pod(container)), container, selector) == want
