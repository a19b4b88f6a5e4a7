"""A container of a pod as the runtime's spec, its image, its name files."""

from __future__ import annotations

import base64
import json

import pytest

from fairlead.api.pb import core_v1_pb2 as corev1
from node.network import interface as network
from node.pods import containers, images, names, probes, status
from node.runtime import interface as runtime
from tests.support import pods

IMAGE = runtime.Image("abc", user="1000")


def _limited(requests: dict[str, str], limits: dict[str, str]) -> corev1.Container:
    container = pods.container()
    for given, target in ((requests, container.resources.requests), (limits, container.resources.limits)):
        for name, text in given.items():
            target[name].string = text
    return container


@pytest.mark.parametrize(
    ("requests", "limits", "want"),
    [
        ({}, {}, runtime.Resources(cpu_shares=2, oom_score_adjust=1000)),
        ({"cpu": "500m"}, {}, runtime.Resources(cpu_shares=512, oom_score_adjust=999)),
        (
            {},
            {"cpu": "1", "memory": "64Mi"},
            runtime.Resources(1024, 100_000, 100_000, 64 << 20, oom_score_adjust=-997),
        ),
        (
            {"memory": "256Mi"},
            {"memory": "512Mi"},
            runtime.Resources(cpu_shares=2, memory_bytes=512 << 20, oom_score_adjust=750),
        ),
        ({}, {"cpu": "1m"}, runtime.Resources(2, 1000, 100_000, oom_score_adjust=999)),
    ],
)
def test_cgroups(requests: dict[str, str], limits: dict[str, str], want: runtime.Resources) -> None:
    """Shares from requests, quota and memory from limits, the OOM score from the class and its request."""
    container = _limited(requests, limits)
    assert containers.resources(pods.pod(container), container, containers.Surroundings(memory=1 << 30)) == want


def test_the_oom_score_is_no_lower_than_the_node_may_set_it() -> None:
    """On a machine whose root may not: a guaranteed pod runs there nevertheless."""
    container = _limited({}, {"cpu": "1", "memory": "1Gi"})
    around = containers.Surroundings(lowest_oom_score=0)
    assert containers.resources(pods.pod(container), container).oom_score_adjust == -997
    assert containers.resources(pods.pod(container), container, around).oom_score_adjust == 0


def test_a_sandbox_has_the_ports_and_parameters_of_its_pod() -> None:
    """A sidecar's ports lead to it as any other's; a parameter's name has dots."""
    pod = pods.pod()
    pod.spec.initContainers.add(name="side", restartPolicy="Always").ports.add(hostPort=81, containerPort=8081)
    pod.spec.initContainers.add(name="first").ports.add(hostPort=82, containerPort=8082)
    pod.spec.containers[0].ports.add(containerPort=8080)
    pod.spec.containers[0].ports.add(hostPort=80, containerPort=8080, hostIP="192.0.2.1", protocol="UDP")
    pod.spec.securityContext.sysctls.add(name="net/ipv4/tcp_syncookies", value="0")
    assert containers.sandbox(pod, "cluster.local") == network.SandboxSpec(
        pods.UID,
        "web",
        host_ports=(network.HostPort("TCP", 81, 8081), network.HostPort("UDP", 80, 8080, "192.0.2.1")),
        sysctls=(("net.ipv4.tcp_syncookies", "0"),),
    )


def test_the_kernel_knows_the_full_name_of_a_pod_that_wants_it() -> None:
    """As far as it fits; without a subdomain there is none."""
    pod = pods.pod()
    pod.spec.hostname, pod.spec.setHostnameAsFQDN = "one", True
    assert containers.kernel_name(pod, "cluster.local") == "one"
    pod.spec.subdomain = "web"
    assert containers.kernel_name(pod, "cluster.local") == "one.web.default.svc.cluster.local"
    pod.spec.hostname = "o" * 35
    with pytest.raises(containers.BadContainer, match=r"FQDN o+\.web.* is too long .* 65 characters requested\)"):
        containers.kernel_name(pod, "cluster.local")


@pytest.mark.parametrize(
    ("requests", "limits", "want"),
    [
        ({}, {}, "BestEffort"),
        ({"cpu": "1"}, {}, "Burstable"),
        ({}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1Gi"}, "Guaranteed"),
        ({"cpu": "500m"}, {"cpu": "1", "memory": "1Gi"}, "Burstable"),
        ({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "1"}, "BestEffort"),
    ],
)
def test_quality_of_service(requests: dict[str, str], limits: dict[str, str], want: str) -> None:
    """Kubernetes' three classes."""
    assert status.qos_class(pods.pod(_limited(requests, limits))) == want


def test_a_containers_context_goes_before_its_pods() -> None:
    """User, group, capabilities."""
    pod = pods.pod()
    pod.spec.securityContext.runAsUser, pod.spec.securityContext.fsGroup = 1, 7
    [container] = pod.spec.containers
    container.securityContext.runAsUser = 2
    container.securityContext.runAsGroup = 3
    container.securityContext.capabilities.add.append("NET_ADMIN")
    container.securityContext.allowPrivilegeEscalation = False
    assert containers.security(pod, container, IMAGE) == runtime.Security(
        user="2:3", groups=("7",), add_capabilities=("NET_ADMIN",), no_new_privileges=True
    )


@pytest.mark.parametrize(
    ("user", "image_user", "want"),
    [
        (0, "", "container's runAsUser breaks non-root policy"),
        (None, "", "container has runAsNonRoot and image will run as root"),
        (None, "www", r"container has runAsNonRoot and image has non-numeric user \(www\)"),
    ],
)
def test_who_must_not_be_root(user: int | None, image_user: str, want: str) -> None:
    """Refused before the container is made."""
    pod = pods.pod()
    context = pod.spec.containers[0].securityContext
    context.runAsNonRoot = True
    if user is not None:
        context.runAsUser = user
    with pytest.raises(containers.BadContainer, match=want):
        containers.security(pod, pod.spec.containers[0], runtime.Image("abc", user=image_user))


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1", "docker.io/library/nginx:1"),
        ("me/web", "docker.io/me/web:latest"),
        ("localhost/web:1", "localhost/web:1"),
        ("control-1:5000/web:1", "control-1:5000/web:1"),
        ("quay.io/a/b@sha256:0", "quay.io/a/b@sha256:0"),
    ],
)
def test_image_names(name: str, want: str) -> None:
    """As Docker reads them."""
    assert images.qualified(name) == want


@pytest.mark.parametrize(
    ("image", "want"), [("web", "Always"), ("web:latest", "Always"), ("web:1", "IfNotPresent"), ("r:5/web", "Always")]
)
def test_pull_policies(image: str, want: str) -> None:
    """Without one, `latest` is always pulled."""
    assert images.policy(pods.container(image=image)) == want


def test_pull_secrets_are_found_by_registry() -> None:
    """The longest path first."""
    auths = {
        "https://registry.test/v2/": {"auth": base64.b64encode(b"ann:one:two").decode()},
        "registry.test/team": {"username": "bob", "password": "three"},
        "other.test": {"username": "eve"},
    }
    secret = corev1.Secret(data={".dockerconfigjson": json.dumps({"auths": auths}).encode()})
    found = images.credentials("registry.test/team/web:1", [secret])
    assert [(one.username, one.password) for one in found] == [("bob", "three"), ("ann", "one:two")]


def test_a_secret_that_is_no_pull_secret_gives_nothing() -> None:
    """Broken ones do not keep an image from being pulled without."""
    broken = corev1.Secret(data={".dockerconfigjson": b"{"})
    assert images.credentials("web", [broken, corev1.Secret()]) == []


HOST = names.Resolver(("9.9.9.9",), ("example.test",), ())


@pytest.mark.parametrize(
    ("policy", "host_network", "want"),
    [
        ("Default", False, HOST),
        ("ClusterFirst", True, HOST),
        (
            "ClusterFirst",
            False,
            names.Resolver(
                ("10.96.0.10",),
                ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.test"),
                ("ndots:5",),
            ),
        ),
        ("None", False, names.Resolver()),
    ],
)
def test_dns_policies(policy: str, host_network: bool, want: names.Resolver) -> None:
    """The cluster's server or the node's own."""
    pod = pods.pod()
    pod.spec.dnsPolicy, pod.spec.hostNetwork = policy, host_network
    assert names.resolver(pod, HOST, ("10.96.0.10",), "cluster.local") == want


def test_dns_config_adds_and_overrides() -> None:
    """Options by name."""
    pod = pods.pod()
    config = pod.spec.dnsConfig
    config.nameservers.append("1.1.1.1")
    config.options.add(name="ndots", value="2")
    config.options.add(name="edns0")
    got = names.resolver(pod, HOST, ("10.96.0.10",), "cluster.local")
    assert got.text().splitlines() == [
        "search default.svc.cluster.local svc.cluster.local cluster.local example.test",
        "nameserver 10.96.0.10",
        "nameserver 1.1.1.1",
        "options ndots:2 edns0",
    ]


def test_hosts() -> None:
    """The pod's own name, its domain, and its aliases."""
    pod = pods.pod()
    pod.spec.hostAliases.add(ip="1.2.3.4", hostnames=["a", "b"])
    lines = names.hosts(pod, ("10.128.3.2",), "web", "sub.default.svc.cluster.local", "").splitlines()
    assert "10.128.3.2\tweb.sub.default.svc.cluster.local\tweb" in lines
    assert lines[-1] == "1.2.3.4\ta\tb"


def test_a_probe_counts_answers_in_a_row() -> None:
    """Three failures turn it, one success turns it back."""
    settings = probes.settings(corev1.Probe())
    tally = probes.Tally()
    results = []
    for answer in (True, False, False, True, False, False, False, True):
        tally = tally.after(answer, settings)
        results.append(tally.result)
    assert results == [True, True, True, True, True, True, False, True]
