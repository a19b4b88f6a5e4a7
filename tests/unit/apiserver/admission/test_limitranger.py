"""LimitRanges: what they give to containers, and the words for what is out of bounds."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.admission import limitranger
from control.apiserver.server import ApiServer
from fairlead.api import errors, quantity, requests
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.apiserver import yamls


def limits(text: str) -> corev1.LimitRange:
    """Return a LimitRange of some limits."""
    return corev1.LimitRange(spec=yamls.read(f"limits: [{text}]", corev1.LimitRangeSpec))


def pod(spec: str) -> corev1.Pod:
    """Return a pod of a spec."""
    return corev1.Pod(spec=yamls.read(spec, corev1.PodSpec))


def test_defaults_fill_what_containers_leave_out() -> None:
    """Requests and limits, also of init containers; the annotation says which."""
    web = pod(
        "{containers: [{name: a, resources: {requests: {cpu: 1}}}, {name: b}], initContainers: [{name: i,"
        " resources: {requests: {cpu: 1, memory: 1}, limits: {cpu: 2}}}]}"
    )

    limitranger.complete(
        web, limits("{type: Container, defaultRequest: {cpu: 100m, memory: 64Mi}, default: {cpu: 500m}}")
    )

    assert yamls.parsed(web.spec.containers[0].resources) == {
        "requests": {"cpu": "1", "memory": "64Mi"},
        "limits": {"cpu": "500m"},
    }
    assert yamls.parsed(web.spec.initContainers[0].resources)["limits"] == {"cpu": "2"}  # type: ignore[index]
    assert web.metadata.annotations[limitranger.ANNOTATION] == (
        "LimitRanger plugin set: memory request for container a; cpu limit for container a;"
        " cpu, memory request for container b; cpu limit for container b"
    )


SOME = "{containers: [{name: a, resources: {requests: {cpu: 100m}, limits: {cpu: 300m}}}, {name: b}]}"
FULL = "{containers: [{name: a, resources: {requests: {cpu: 100m}, limits: {cpu: 300m}}}]}"


@pytest.mark.parametrize(
    ("spec", "limit", "want"),
    [
        (FULL, "{type: Container, min: {cpu: 100m}, max: {cpu: 300m}, maxLimitRequestRatio: {cpu: 3}}", []),
        (
            SOME,
            "{type: Container, min: {cpu: 200m}}",
            [
                "minimum cpu usage per Container is 200m, but request is 100m",
                "minimum cpu usage per Container is 200m.  No request is specified",
            ],
        ),
        (
            SOME,
            "{type: Container, max: {cpu: 200m}}",
            [
                "maximum cpu usage per Container is 200m, but limit is 300m",
                "maximum cpu usage per Container is 200m.  No limit is specified",
            ],
        ),
        (
            SOME,
            "{type: Container, maxLimitRequestRatio: {cpu: 2}}",
            [
                "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
                "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
            ],
        ),
        (
            FULL,
            "{type: Container, maxLimitRequestRatio: {memory: 2}}",
            ["memory max limit to request ratio per Container is 2, but no request is specified or request is 0"],
        ),
        (
            "{containers: [{name: a, resources: {requests: {cpu: 1}, limits: {cpu: 1}}},"
            " {name: b, resources: {requests: {cpu: 1}, limits: {cpu: 2}}}]}",
            "{type: Pod, max: {cpu: 2}, min: {cpu: 3}}",
            [
                "minimum cpu usage per Pod is 3, but request is 2",
                "maximum cpu usage per Pod is 2, but limit is 3",
            ],
        ),
        (FULL, "{type: PersistentVolumeClaim, min: {storage: 1Gi}}", []),
    ],
)
def test_bounds_of_pods(spec: str, limit: str, want: list[str]) -> None:
    """Each bound in Kubernetes' words, of containers and of the pod as a whole."""
    assert list(limitranger.pod_faults(pod(spec), limits(limit))) == want


@pytest.mark.parametrize(
    ("asked", "want"),
    [
        ("2Gi", []),
        ("512Mi", ["minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi"]),
        ("4Gi", ["maximum storage usage per PersistentVolumeClaim is 3Gi, but request is 4Gi"]),
    ],
)
def test_bounds_of_claims(asked: str, want: list[str]) -> None:
    """A claim has only requests."""
    claim = corev1.PersistentVolumeClaim()
    claim.spec.resources.requests["storage"].string = asked
    bounds = limits("{type: PersistentVolumeClaim, min: {storage: 1Gi}, max: {storage: 3Gi}}")

    assert list(limitranger.claim_faults(claim, bounds)) == want


def test_overhead_is_not_bounded() -> None:
    """A LimitRange bounds what containers ask for together."""
    asked = pod("{containers: [{resources: {requests: {cpu: 1}, limits: {cpu: 1}}}], overhead: {cpu: 250m}}")

    assert list(limitranger.pod_faults(asked, limits("{type: Pod, max: {cpu: 1}}"))) == []


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ("{containers: [{resources: {requests: {cpu: 1}}}, {resources: {requests: {cpu: 2}}}]}", "3"),
        (
            "{containers: [{resources: {requests: {cpu: 1}}}], initContainers: [{resources: {requests: {cpu: 4}}}]}",
            "4",
        ),
        (
            "{containers: [{resources: {requests: {cpu: 1}}}], initContainers:"
            " [{restartPolicy: Always, resources: {requests: {cpu: 2}}}, {resources: {requests: {cpu: 500m}}}]}",
            "3",
        ),
        ("{containers: [{resources: {requests: {cpu: 1}}}], overhead: {cpu: 250m}}", "1250m"),
    ],
)
def test_a_pod_asks_for_what_runs_at_once(spec: str, want: str) -> None:
    """Init containers run before, sidecars along, and overhead comes on top."""
    assert requests.requests(pod(spec).spec)["cpu"] == quantity.parse(want)


async def test_what_two_containers_lack_is_said_once(admin: Any, api: ApiServer) -> None:
    """Without brackets, as it is all that is said."""
    bounds = limits("{type: Container, max: {cpu: 1}}")
    bounds.metadata.name, bounds.metadata.namespace = "bounds", "default"
    text = "{containers: [{name: a, image: a, resources: {limits: {cpu: 3}}}, {name: b, image: b, resources: {limits: {cpu: 3}}}]}"  # noqa: E501
    asked = pod(text)
    asked.metadata.name, asked.metadata.namespace = "a", "default"
    await admin.create(bounds)
    await api.cache.fresh()

    with pytest.raises(errors.Forbidden) as refusal:
        await admin.create(asked)

    want = 'pods "a" is forbidden: maximum cpu usage per Container is 1, but limit is 3'
    assert str(refusal.value) == want
