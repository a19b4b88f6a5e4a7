"""What a pod takes of a node."""

from __future__ import annotations

from control.scheduler import pods
from fairlead.api.pb import core_v1_pb2 as corev1


def _container(target: corev1.PodSpec, name: str, cpu: str, *, initial: bool = False, sidecar: bool = False) -> None:
    container = (target.initContainers if initial or sidecar else target.containers).add(name=name)
    container.resources.requests["cpu"].string = cpu
    if sidecar:
        container.restartPolicy = "Always"


def test_containers_add_up() -> None:
    """Requests of containers are summed; the pod itself counts as one."""
    spec = corev1.PodSpec()
    _container(spec, "a", "100m")
    _container(spec, "b", "1")
    assert pods.requests_of(spec) == {"cpu": 1100, "pods": 1}


def test_largest_init_container_counts_if_it_is_more() -> None:
    """Init containers run one after the other: only the largest matters, and only if it exceeds the sum."""
    spec = corev1.PodSpec()
    _container(spec, "a", "1")
    _container(spec, "first", "500m", initial=True)
    _container(spec, "second", "3", initial=True)
    assert pods.requests_of(spec)["cpu"] == 3000


def test_sidecars_count_beside_both() -> None:
    """A sidecar runs beside the containers and beside the init containers after it."""
    spec = corev1.PodSpec()
    _container(spec, "a", "1")
    _container(spec, "proxy", "500m", sidecar=True)
    _container(spec, "after", "2", initial=True)
    assert pods.requests_of(spec)["cpu"] == 2500


def test_overhead_is_added() -> None:
    """The overhead of a runtime class comes on top."""
    spec = corev1.PodSpec()
    _container(spec, "a", "1")
    spec.overhead["cpu"].string = "250m"
    assert pods.requests_of(spec)["cpu"] == 1250


def test_pods_of_one_template_share_their_shape() -> None:
    """Equal specs have one shape, by identity; another request makes another."""
    one, two, other = corev1.PodSpec(), corev1.PodSpec(), corev1.PodSpec()
    for spec, cpu in ((one, "1"), (two, "1"), (other, "2")):
        _container(spec, "a", cpu)
        spec.nodeSelector.update({"a": "1", "b": "2"})
    shape = pods.shape_of(one)
    assert pods.shape_of(two) is shape
    assert pods.shape_of(other) is not shape


def test_pod_that_asks_for_nothing_counts_as_something() -> None:
    """Nodes are compared by 100m and 200Mi for a container without requests, as in Kubernetes."""
    spec = corev1.PodSpec()
    spec.containers.add(name="a")
    assert pods.counted(spec) == (100, 200 * 1024 * 1024)
