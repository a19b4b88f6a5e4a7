"""The main job: a manifest goes in, containers run on several hosts, and a Service reaches them from everywhere."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import asking, figuring
from tests.support import lab as labs

EXAMPLE = labs.CHECKOUT / "deploy" / "examples" / "web.yaml"
NODE_PORT = 30080
REQUESTS = 60  # that one of three is not among so many happens once in ten thousand million runs
CURL = f'for i in $(seq {REQUESTS}); do curl -sS --noproxy "*" -m 3 "$1" || exit 1; done'
WGET = f'for i in $(seq {REQUESTS}); do wget -qO- "$1" || exit 1; done'


def cluster_ip(api: asking.Api) -> str:
    """The address of the Service web."""
    return api.get(corev1.Service, "web", "default").spec.clusterIP


def answers(text: str) -> collections.Counter[str]:
    """How many of the answers each replica gave."""
    return collections.Counter(line.split()[0] for line in text.splitlines())


def inside(lab: labs.Lab, pod: corev1.Pod, *command: str) -> str:
    """Run a command in a pod's first container."""
    container = pod.status.containerStatuses[0].containerID.rpartition("/")[2]
    return lab.run(pod.spec.nodeName, "podman", "exec", container, *command)


def names(api: asking.Api) -> set[str]:
    """The names of the replicas."""
    return {pod.metadata.name for pod in api.living("web")}


def test_replicas_run_on_every_node(lab: labs.Lab, api: asking.Api) -> None:
    """The example's three replicas lie on as many hosts as there are, up to three."""
    hosts = {pod.spec.nodeName for pod in api.living("web")}

    assert hosts == set(lab.nodes[:3])


def test_service_answers_from_all_replicas_on_a_host(lab: labs.Lab, api: asking.Api) -> None:
    """From node-1 the ClusterIP answers from every replica, and so does the node port of each node."""
    first = lab.nodes[0]
    urls = [f"http://{cluster_ip(api)}/", *(f"http://{lab.address(node)}:{NODE_PORT}/" for node in lab.nodes)]

    for url in urls:
        got = answers(lab.run(first, "sh", "-c", CURL, "sh", url))

        assert (url, set(got), got.total()) == (url, names(api), REQUESTS)


def test_service_answers_from_all_replicas_inside_a_pod(lab: labs.Lab, api: asking.Api) -> None:
    """Inside a pod the ClusterIP and another node's port answer from every replica, the pod itself included."""
    pod = api.living("web")[0]
    other = next(node for node in lab.nodes if node != pod.spec.nodeName)

    for url in (f"http://{cluster_ip(api)}/", f"http://{lab.address(other)}:{NODE_PORT}/"):
        got = answers(inside(lab, pod, "sh", "-c", WGET, "sh", url))

        assert (url, set(got), got.total()) == (url, names(api), REQUESTS)


def test_pod_sees_the_true_address_of_a_pod_on_another_node(lab: labs.Lab, api: asking.Api) -> None:
    """The asker's address is that of its pod: without translation, directly and through the Service."""
    asker, *others = api.living("web")
    direct = [(pod, f"http://{pod.status.podIP}:8080/") for pod in others]

    for pod, url in direct:
        said = inside(lab, asker, "wget", "-qO-", url).split()

        assert said == [pod.metadata.name, "version", "1", "answers", asker.status.podIP]
    through = inside(lab, asker, "sh", "-c", WGET, "sh", f"http://{cluster_ip(api)}/").splitlines()
    seen = {line.split()[-1] for line in through if line.split()[0] != asker.metadata.name}
    assert seen == {asker.status.podIP}


def test_logs_are_what_the_container_wrote(lab: labs.Lab, api: asking.Api) -> None:
    """`fairlead logs` of each pod, whichever control process holds its node's session, gives its first line."""
    for pod in api.living("web"):
        name = pod.metadata.name

        assert lab.fairlead("logs", name).splitlines()[0] == f"version 1 serves port 8080 on {name}"


def test_applying_twice_writes_nothing_also_after_scale(lab: labs.Lab, api: asking.Api) -> None:
    """A second apply of the same file leaves every resourceVersion; after `scale` only the first apply writes."""

    def versions() -> tuple[str, str]:
        deployment = api.get(appsv1.Deployment, "web", "default")
        service = api.get(corev1.Service, "web", "default")
        return deployment.metadata.resourceVersion, service.metadata.resourceVersion

    def scaled(count: int) -> str:
        status = api.get(appsv1.Deployment, "web", "default").status
        pods, behind = api.pods("web"), api.endpoints("web")
        same = (status.readyReplicas, len(pods), len(behind)) == (count, count, count)
        return "" if same else f"{status.readyReplicas} ready, {len(pods)} pods, {len(behind)} endpoints, not {count}"

    before = versions()
    lab.fairlead("apply", "-f", str(EXAMPLE))
    assert versions() == before
    lab.fairlead("scale", "deployment/web", "--replicas", "5")
    labs.wait_until(lambda: scaled(5), 20.0)
    lab.fairlead("apply", "-f", str(EXAMPLE))
    labs.wait_until(lambda: scaled(3), 20.0)
    settled = versions()

    said = lab.fairlead("apply", "-f", str(EXAMPLE))

    assert versions() == settled
    assert said.split() == ["deployment.apps/web", "unchanged", "service/web", "unchanged"]


@pytest.fixture
def version_1(lab: labs.Lab) -> Iterator[None]:
    """A test that changes the example ends with the example as it was."""
    yield
    lab.fairlead("apply", "-f", str(EXAMPLE))
    lab.fairlead("rollout", "status", "deployment/web")


def test_rollout_to_a_new_image_loses_no_request(
    lab: labs.Lab, api: asking.Api, tmp_path: Path, version_1: None, figures: figuring.Figures
) -> None:
    """A client at 20 requests/s sees no failure while every replica is replaced by one of another image."""
    manifest = tmp_path / "web.yaml"
    manifest.write_text(EXAMPLE.read_text().replace("/web:1", "/web:2"))
    old, started = names(api), time.monotonic()
    caller = lab.call_steadily(lab.nodes[0], f"http://{cluster_ip(api)}/", timeout=3.0)

    lab.fairlead("apply", "-f", str(manifest))
    lab.fairlead("rollout", "status", "deployment/web")
    took = time.monotonic() - started
    labs.wait_until(lambda: "an old pod is left" if old & {p.metadata.name for p in api.pods("web")} else "", 20.0)
    got = caller.stop()

    figures.note("rollout of 3 replicas to another image", took, 40.0)
    assert [answer for answer in got if answer.error] == []
    assert {answer.body.split()[2] for answer in got} == {"1", "2"}
    assert answers(lab.run(lab.nodes[0], "sh", "-c", CURL, "sh", f"http://{cluster_ip(api)}/")).keys() == names(api)


SECOND = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: second}
spec:
  replicas: 4
  selector: {matchLabels: {app: second}}
  template:
    metadata: {labels: {app: second}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: main
          image: registry.fairlead.lab:5000/web:1
          env: [{name: DRAIN_SECONDS, value: "0"}]
          volumeMounts: [{name: settings, mountPath: /settings}, {name: scratch, mountPath: /scratch}]
      volumes:
        - {name: settings, configMap: {name: second}}
        - {name: scratch, emptyDir: {medium: Memory}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second}
data: {greeting: hello}
---
apiVersion: v1
kind: Service
metadata: {name: second}
spec: {type: NodePort, selector: {app: second}, ports: [{port: 80, targetPort: 8080}]}
"""
# whatever a pod or a Service leaves on a node would be in one of these
TRACES = """\
podman ps --all --quiet --no-trunc | sort
find /run/fairlead /var/lib/fairlead/pods -mindepth 1 | sort
ip -o link | cut -d: -f2 | cut -d@ -f1 | sort
ip route | sort
grep -c . /proc/mounts
(iptables-save; iptables-legacy-save) 2>/dev/null | grep -E '^(-A|:KUBE|:FAIRLEAD)' | sed 's/ \\[.*//' | sort
"""


def test_deleted_objects_leave_nothing_on_the_nodes(lab: labs.Lab, api: asking.Api, tmp_path: Path) -> None:
    """After `delete` no container, sandbox, folder, mount, route or rule of what was deleted stays."""

    def traces() -> dict[str, list[str]]:
        return {node: lab.run(node, "sh", "-c", TRACES).splitlines() for node in lab.nodes}

    def left_over() -> str:
        now = traces()
        wrong = {node: sorted(set(now[node]) ^ set(before[node])) for node in lab.nodes}
        return "; ".join(f"{node}: {lines}" for node, lines in wrong.items() if lines)

    before = traces()
    manifest = tmp_path / "second.yaml"
    manifest.write_text(SECOND)
    lab.fairlead("apply", "-f", str(manifest))
    lab.fairlead("rollout", "status", "deployment/second")
    service = api.get(corev1.Service, "second", "default")
    url = f"http://{service.spec.clusterIP}/"
    labs.wait_until(
        lambda: "" if lab.call(lab.nodes[0], "curl", "-sm", "2", url).stdout else f"{url} is silent", 10.0
    )
    pod = api.living("second")[0]
    assert inside(lab, pod, "cat", "/settings/greeting") == "hello"
    assert left_over()

    lab.fairlead("delete", "-f", str(manifest))

    labs.wait_until(left_over, 20.0)
    assert list(api.pods("second")) == []


MANY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  replicas: 30
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: "registry.fairlead.lab:5000/web:1", env: [{name: DRAIN_SECONDS, value: "0"}]}]
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: DoNotSchedule
          labelSelector: {matchLabels: {app: many}}
"""


def test_thirty_pods_run_on_every_node_with_addresses_of_their_own(
    lab: labs.Lab, api: asking.Api, tmp_path: Path, figures: figuring.Figures
) -> None:
    """Thirty pods that are asked for at once run, spread evenly, each at an address that no other has."""

    def not_running() -> str:
        waiting = [pod.metadata.name for pod in api.pods("many") if pod.status.phase != "Running"]
        missing = 30 - len(api.pods("many"))
        return f"{len(waiting)} of 30 pods do not run, {missing} are missing" if waiting or missing else ""

    manifest = tmp_path / "many.yaml"
    manifest.write_text(MANY)
    lab.fairlead("apply", "-f", str(manifest))
    took = labs.wait_until(not_running, 60.0)

    figures.note("30 pods of one container on 3 nodes, asked for at once: all run (first target 8 s)", took)
    pods = api.pods("many")
    assert len({pod.status.podIP for pod in pods}) == 30
    assert collections.Counter(pod.spec.nodeName for pod in pods) == dict.fromkeys(lab.nodes[:3], 10)
    lab.fairlead("delete", "-f", str(manifest))
    labs.wait_until(lambda: f"{len(api.pods('many'))} pods are left" if api.pods("many") else "", 60.0)
