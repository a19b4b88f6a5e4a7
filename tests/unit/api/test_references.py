"""What a pod names."""

from __future__ import annotations

import pytest

from fairlead.api import codec, references
from fairlead.api.pb import core_v1_pb2 as corev1

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  imagePullSecrets: [{name: pull}, {}]
  initContainers:
    - {name: init, image: "web:1", env: [{name: A, valueFrom: {secretKeyRef: {name: init-env, key: a}}}]}
  containers:
    - name: main
      image: "web:1"
      env:
        - {name: A, valueFrom: {configMapKeyRef: {name: env-map, key: a}}}
        - {name: B, value: plain}
      envFrom: [{secretRef: {name: from-secret}}, {configMapRef: {name: from-map}}]
  ephemeralContainers:
    - {name: debugger, image: "web:1", envFrom: [{secretRef: {name: debug}}]}
  volumes:
    - {name: a, secret: {secretName: volume}}
    - {name: b, configMap: {name: volume-map}}
    - {name: c, projected: {sources: [{secret: {name: projected}}, {configMap: {name: projected-map}}]}}
    - {name: d, persistentVolumeClaim: {claimName: data}}
    - {name: e, emptyDir: {}}
"""


def test_every_place_of_a_name_counts() -> None:
    """Pulls, variables and volumes, of all kinds of containers; empty names do not."""
    pod = codec.decode_object(codec.load_yaml_documents(POD)[0])

    assert references.secrets(pod.spec) == {"pull", "init-env", "from-secret", "debug", "volume", "projected"}
    assert references.config_maps(pod.spec) == {"env-map", "from-map", "volume-map", "projected-map"}
    assert references.claims(pod.spec) == {"data"}


# Fields that name a Secret in each source of a volume, by the table of fields itself.
SOURCES = [
    (source.name, field.name)
    for source in corev1.VolumeSource.DESCRIPTOR.fields
    for field in source.message_type.fields
    if field.name == "secretName" or (field.name.lower().endswith("secretref") and field.message_type)
]


@pytest.mark.parametrize(("source", "field"), SOURCES)
def test_every_source_of_a_volume_that_names_a_secret_counts(source: str, field: str) -> None:
    """None is left out, whichever driver it is for."""
    value = "hidden" if field == "secretName" else {"name": "hidden"}
    spec = corev1.PodSpec(volumes=[{"name": "a", "volumeSource": {source: {field: value}}}])

    assert references.secrets(spec) == {"hidden"}
