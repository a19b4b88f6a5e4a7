"""What does not fit, told as Go's JSON decoder tells it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from fairlead.api import codec
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1


def template(**spec: Any) -> dict[str, Any]:
    """A Deployment whose pods have this spec."""
    return {"spec": {"template": {"spec": spec}}}


@pytest.mark.parametrize(
    ("message", "document", "told"),
    [
        (corev1.ConfigMap, {"data": {"k": 1}}, "number into Go struct field ConfigMap.data of type string"),
        (corev1.ConfigMap, {"data": ["k"]}, "array into Go struct field ConfigMap.data of type map[string]string"),
        (corev1.Secret, {"data": {"k": 1}}, "number into Go struct field Secret.data of type []uint8"),
        (
            appsv1.Deployment,
            template(containers=[{"env": [{"name": "PORT", "value": 80}]}]),
            "number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            appsv1.Deployment,
            template(containers={"name": "web"}),
            "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            appsv1.Deployment,
            template(containers=["web"]),
            "string into Go struct field PodSpec.spec.template.spec.containers of type v1.Container",
        ),
        (
            appsv1.Deployment,
            template(volumes=[{"hostPath": {"path": True}}]),
            "bool into Go struct field HostPathVolumeSource.spec.template.spec.volumes.hostPath.path of type string",
        ),
        (
            appsv1.Deployment,
            {"spec": {"replicas": "two"}},
            "string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            appsv1.Deployment,
            {"spec": {"replicas": 1.5}},
            "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (appsv1.Deployment, {"spec": 1}, "number into Go struct field Deployment.spec of type v1.DeploymentSpec"),
    ],
)
def test_a_value_of_another_type_is_told_with_struct_field_and_type(
    message: type[Message], document: dict[str, Any], told: str
) -> None:
    """The field's path has no indices; the type is that of the element where an element does not fit."""
    assert words(message, document) == f"json: cannot unmarshal {told}"


@pytest.mark.parametrize(
    ("text", "byte"),
    [("abc", 0), ("hello world", 5), ("YWJj\nx", 5), ("YQ=x", 2), ("YQ==x", 4), ("YQ=", 3), ("YWI=x", 4), ("=", 0)],
)
def test_base64_is_told_by_the_byte_that_it_ends_at(text: str, byte: int) -> None:
    """As Go counts them: an unfinished group is told by its first byte."""
    assert words(corev1.Secret, {"data": {"k": text}}) == f"illegal base64 data at input byte {byte}"


def test_what_has_a_reader_of_its_own_keeps_its_words() -> None:
    """Quantities, times and what may be of two types."""
    assert words(corev1.Pod, {"metadata": {"creationTimestamp": 5}}) == (
        "metadata.creationTimestamp: expected a time, got 5"
    )


def words(message: type[Message], document: dict[str, Any]) -> str:
    """Return what a document is refused with."""
    with pytest.raises(codec.DecodeError) as caught:
        codec.from_json(document, message)
    return codec.in_go_words(caught.value, message.DESCRIPTOR.full_name)
