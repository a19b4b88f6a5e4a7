"""The codec: what it says of wrong input, what JSON it writes, and how objects are carried."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api import codec, objects, scheme, table
from fairlead.api.pb import apiextensions_v1_pb2 as extensionsv1
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import metrics_v1beta1_pb2 as metricsv1
from fairlead.api.pb import runtime_pb2

Json = Any


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"spec": {"containers": [{"ports": [{"containerPort": "a"}]}]}},
            'spec.containers[0].ports[0].containerPort: expected an integer, got "a"',
        ),
        ({"spec": {"containers": {}}}, "spec.containers: expected a list, got an object"),
        ({"spec": []}, "spec: expected an object, got a list"),
        ({"metadata": {"name": 1}}, "metadata.name: expected a string, got 1"),
        ({"metadata": {"labels": {"a": True}}}, "metadata.labels[a]: expected a string, got true"),
        ({"metadata": {"labels": "x"}}, 'metadata.labels: expected an object, got "x"'),
        ({"metadata": {"finalizers": ["a", 2]}}, "metadata.finalizers[1]: expected a string, got 2"),
        (
            {"metadata": {"creationTimestamp": "yesterday"}},
            'metadata.creationTimestamp: parsing time "yesterday": not an RFC 3339 time',
        ),
        ({"spec": {"hostNetwork": "yes"}}, 'spec.hostNetwork: expected true or false, got "yes"'),
        ({"spec": {"priority": 2**31}}, "spec.priority: expected an integer of 32 bits, got 2147483648"),
        ({"spec": {"priority": True}}, "spec.priority: expected an integer, got true"),
        ({"spec": {"priority": 1.5}}, "spec.priority: expected an integer, got 1.5"),
        (
            {"spec": {"containers": [{"resources": {"limits": {"cpu": "1x"}}}]}},
            "spec.containers[0].resources.limits[cpu]: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            {"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": []}}}]}},
            "spec.containers[0].livenessProbe.httpGet.port: expected an integer or a string, got a list",
        ),
        ([], "expected an object, got a list"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(data: Json, message: str) -> None:
    """One line, which says what was expected and what stands there."""
    with pytest.raises(codec.DecodeError) as caught:
        codec.from_json(data, corev1.Pod)
    assert str(caught.value) == message


def test_unknown_fields_are_all_reported() -> None:
    """In Kubernetes' words, each with its path, inlined fields in their parent's place."""
    data = {
        "spec": {
            "replica": 1,
            "containers": [{"name": "a", "imagePull": 1}],
            "volumes": [{"name": "v", "emptyDirs": {}}],
        },
        "metadata": {"label": {}},
        "extra": 1,
    }
    with pytest.raises(codec.StrictDecodeError) as caught:
        codec.from_json(data, corev1.Pod)
    assert str(caught.value) == (
        'strict decoding error: unknown field "spec.replica", unknown field "spec.containers[0].imagePull", '
        'unknown field "spec.volumes[0].emptyDirs", unknown field "metadata.label", unknown field "extra"'
    )
    assert codec.unknown_fields(data, corev1.Pod)[-1] == "extra"
    assert codec.from_json(data, corev1.Pod, strict=False).spec.containers[0].name == "a"


def test_null_sets_nothing() -> None:
    """As in Go: null is the zero value, also in lists and maps."""
    got = codec.from_json(
        {"metadata": None, "spec": {"priority": None, "containers": [None], "nodeSelector": {"a": None}}}, corev1.Pod
    )
    assert not got.spec.HasField("priority")
    assert len(got.spec.containers) == 1
    assert dict(got.spec.nodeSelector) == {"a": ""}


def test_a_pointer_tells_zero_from_unset() -> None:
    """Zero replicas are not the default of one."""
    none, zero = (
        codec.from_json({"spec": {}}, appsv1.Deployment),
        codec.from_json({"spec": {"replicas": 0}}, appsv1.Deployment),
    )
    assert not none.spec.HasField("replicas")
    assert zero.spec.HasField("replicas")
    assert "replicas" not in codec.to_json(none)["spec"]
    assert codec.to_json(zero)["spec"]["replicas"] == 0


def test_what_go_never_omits_is_written() -> None:
    """Structs that are no pointers, and fields without omitempty."""
    assert codec.to_json(appsv1.Deployment()) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"creationTimestamp": None},
        "spec": {
            "selector": None,
            "strategy": {},
            "template": {"metadata": {"creationTimestamp": None}, "spec": {"containers": None}},
        },
        "status": {},
    }


def test_an_objects_kind_comes_first() -> None:
    """Lists, Status and options have a kind too; what is only a part has none."""
    assert list(codec.to_json(corev1.Pod()))[:3] == ["apiVersion", "kind", "metadata"]
    assert codec.to_json(corev1.PodList()) == {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []}
    assert codec.to_json(metav1.Status(code=404))["apiVersion"] == "v1"
    assert codec.to_json(metav1.PartialObjectMetadata())["apiVersion"] == "meta.k8s.io/v1"
    assert "kind" not in codec.to_json(corev1.PodSpec())


def test_what_is_written_is_its_own() -> None:
    """Two results share no part, so that a caller may change one."""
    one, two = codec.to_json(appsv1.Deployment()), codec.to_json(appsv1.Deployment())
    one["spec"]["template"]["metadata"]["name"] = "x"
    assert two == codec.to_json(appsv1.Deployment())


@pytest.mark.parametrize(
    ("message", "want"),
    [
        (
            coordinationv1.Lease(spec={"renewTime": {"seconds": 1767323045, "nanos": 123456789}}),
            {"renewTime": "2026-01-02T03:04:05.123456Z"},
        ),
        (corev1.ServicePort(port=1, targetPort={"type": 1, "strVal": "http"}), {"port": 1, "targetPort": "http"}),
        (corev1.ServicePort(port=1), {"port": 1, "targetPort": 0}),
        (
            corev1.ResourceRequirements(limits={"cpu": {"string": "1000m"}, "a": {"string": "0.5"}}),
            {"limits": {"a": "500m", "cpu": "1"}},
        ),
        (metricsv1.NodeMetrics(window={"duration": 90 * 10**9}), {"window": "1m30s"}),
        (corev1.ConfigMap(binaryData={"k": b"\xff\x00", "e": b""}), {"binaryData": {"e": "", "k": "/wA="}}),
        (authenticationv1.UserInfo(extra={"k": {"items": ["a", "b"]}}), {"extra": {"k": ["a", "b"]}}),
        (metav1.WatchEvent(type="ADDED", object={"raw": b'{"a": [1]}'}), {"type": "ADDED", "object": {"a": [1]}}),
        (metav1.WatchEvent(type="ADDED"), {"type": "ADDED", "object": None}),
        (extensionsv1.JSONSchemaProps(additionalProperties={"allows": False}), {"additionalProperties": False}),
        (
            extensionsv1.JSONSchemaProps(additionalProperties={"allows": True, "schema": {"type": "string"}}),
            {"additionalProperties": {"type": "string"}},
        ),
        (
            extensionsv1.JSONSchemaProps(items={"jSONSchemas": [{"type": "string"}]}, maximum=3),
            {"items": [{"type": "string"}], "maximum": 3},
        ),
        (extensionsv1.JSONSchemaProps(dependencies={"a": {"property": ["b"]}}), {"dependencies": {"a": ["b"]}}),
        (
            extensionsv1.JSONSchemaProps(ref="#/x", xKubernetesListType="map"),
            {"$ref": "#/x", "x-kubernetes-list-type": "map"},
        ),
    ],
)
def test_types_with_json_of_their_own(message: Any, want: Json) -> None:
    """Times, quantities, durations, numbers or names, bytes, raw JSON and schemas."""
    written = codec.to_json(message)
    got = written.get("spec", written) if "renewTime" in want else {key: written[key] for key in want}
    assert got == want
    assert codec.to_json(codec.from_json(written, type(message))) == written


def test_a_quantity_may_be_a_number() -> None:
    """YAML's 1 and 0.5 are not quoted."""
    got = codec.from_json({"limits": {"cpu": 0.5, "memory": 1024.0, "pods": 3}}, corev1.ResourceRequirements)
    assert {name: amount.string for name, amount in got.limits.items()} == {
        "cpu": "500m",
        "memory": "1024",
        "pods": "3",
    }


def test_a_claim_template_says_its_kind() -> None:
    """Kubernetes writes the kind of an object inside a StatefulSet, and nowhere else."""
    sts = appsv1.StatefulSet()
    sts.spec.volumeClaimTemplates.add().metadata.name = "data"
    (got,) = codec.to_json(sts)["spec"]["volumeClaimTemplates"]
    assert (got["apiVersion"], got["kind"]) == ("v1", "PersistentVolumeClaim")
    assert codec.from_json(codec.to_json(sts), appsv1.StatefulSet) == sts


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"kind": "Pod"}, codec.DecodeError, "Object 'apiVersion' is missing"),
        ({"apiVersion": "v1"}, codec.DecodeError, "Object 'Kind' is missing"),
        ({"apiVersion": 1, "kind": "Pod"}, codec.DecodeError, "apiVersion: expected a string, got 1"),
        ({"apiVersion": "v1", "kind": "Pond"}, scheme.UnknownKind, 'no matches for kind "Pond" in version "v1"'),
    ],
)
def test_an_object_must_say_what_it_is(data: Json, error: type[Exception], message: str) -> None:
    """And the API must have it."""
    with pytest.raises(error) as caught:
        codec.decode_object(data)
    assert str(caught.value) == message


def test_json_texts_are_read_and_keys_that_stand_twice_reported() -> None:
    """The last one counts where nobody asks."""
    text = b'{"spec": {"a": 1, "a": 2}, "list": [{"b": 1, "b": 1, "b": 1}]}'
    assert codec.loads(text)["spec"] == {"a": 2}
    with pytest.raises(codec.StrictDecodeError) as caught:
        codec.loads(text, strict=True)
    assert caught.value.faults == ('json: duplicate field "spec.a"', 'json: duplicate field "list[0].b"')
    with pytest.raises(codec.DecodeError, match="invalid JSON: "):
        codec.loads(b"{")
    with pytest.raises(codec.DecodeError, match="expected an object, got a list"):
        codec.loads(b"[]")


def test_yaml_scalars_are_read_as_kubernetes_reads_them() -> None:
    """No dates, no base-60 numbers; yes and no are truth values, 0755 is octal, keys are strings."""
    text = "a: 2026-01-02\nb: 22:22\nc: yes\nd: 0755\ne: 1e3\nf: '1'\ng: ~\nh: 0x10\ni: 1_000\n8080: x\ntrue: y\n"
    text += "k: 0x_\nl: !!bool no\nm: !!float '2'\n"
    (got,) = codec.load_yaml_documents(text)
    assert got == {
        "a": "2026-01-02", "b": "22:22", "c": True, "d": 493, "e": 1000, "f": "1", "g": None, "h": 16, "i": 1000,
        "8080": "x", "true": "y", "k": "0x_", "l": False, "m": 2,
    }  # fmt: skip


def test_yaml_texts_hold_several_documents() -> None:
    """Empty ones do not count; each knows its line. JSON is YAML, also with tabs."""
    got = codec.documents("# a comment\n---\na: 1\n---\n---\nb: &x {c: 1}\nd: *x\ne: {<<: *x, f: 2}\n")
    assert [(document.line, document.data) for document in got] == [
        (3, {"a": 1}),
        (6, {"b": {"c": 1}, "d": {"c": 1}, "e": {"c": 1, "f": 2}}),
    ]
    assert codec.documents('{"a":\t1}\n{"b": 2}') == [codec.Document(1, {"a": 1}), codec.Document(2, {"b": 2})]


def test_yaml_that_stands_for_far_more_than_it_says_is_refused() -> None:
    """Parts by aliases and fields by merging: a short text is read in a short time."""
    lists = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    fields = "a: &a {" + ", ".join(f"k{n}: 1" for n in range(5_000)) + "}"
    doubled = ["a0: &a0 {b: c}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 20)]
    for text in ("\n".join(lists), fields + "\nb: {<<: [" + ", ".join(["*a"] * 5_000) + "]}"):
        with pytest.raises(codec.ExcessiveAliasing):
            codec.load_yaml_documents(text)

    (found,) = codec.load_yaml_documents("\n".join(doubled))

    assert found["a19"] == {"b": "c"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: c: 1", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: 1\nb:\n  c: 1\n  c: 2", 'strict decoding error: yaml: line 4: key "c" already set in map'),
        ("a: 1\n---\n- b", "yaml: line 3: expected an object, got a list"),
        ("a: .inf", "yaml: line 1: .inf has no form in JSON"),
        ("? [a]\n: b", "yaml: line 1: a key must be a scalar, got a list"),
        ('{"a": 1, "a": 2}', 'strict decoding error: json: duplicate field "a"'),
        ("a: !!python/name:os.system x", "yaml: line 1: could not determine a constructor"),
        ("a: é\nb: é\x00\nc: d", "yaml: line 2: control character #x00 is not allowed"),
        ("a: !!int x", "yaml: line 1: cannot decode !!str `x` as a !!int"),
        ("a: !!int ''", "yaml: line 1: cannot decode !!str `` as a !!int"),
        ("a: !!float 0x1p", "yaml: line 1: cannot decode !!str `0x1p` as a !!float"),
        ("a: !!bool x", "yaml: line 1: cannot decode !!str `x` as a !!bool"),
        ("a: !!int {b: c}", "yaml: line 1: cannot decode a collection as a !!int"),
        ("a: &a [*a]", "yaml: document contains excessive aliasing"),
        ("a: !!timestamp 2001-01-01", "yaml: line 1: !!timestamp has no form in JSON"),
        ("a:\n  b: !!set {x}", "yaml: line 2: !!set has no form in JSON"),
    ],
)
def test_errors_in_yaml_name_the_line(text: str, message: str) -> None:
    """Counted from the start of the text."""
    with pytest.raises(codec.DecodeError) as caught:
        codec.load_yaml_documents(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "1e3",
        "0755",
        "2026-01-02",
        "null",
        "~",
        "1.5",
        "a: b",
        "- a",
        "#x",
        " x ",
        "",
        "a\nb\n",
        "\ttab\nx",
        "é",
        "22:22",
        "=",
        "<<",
    ],
)
def test_every_string_survives_yaml(text: str) -> None:
    """Whatever it would read as without quotes."""
    config = corev1.ConfigMap(data={"k": text})
    (data,) = codec.load_yaml_documents(codec.to_yaml(config))
    assert data["data"] == {"k": text}


WIDGET = scheme.Kind(
    group="example.com",
    version="v1",
    kind="Widget",
    resource="widgets",
    namespaced=True,
    message=None,
    prefix="example.com/widgets",
    singular="widget",
)


def with_widgets() -> scheme.Scheme:
    return scheme.Scheme((*scheme.KINDS, WIDGET))


def test_a_custom_resource_keeps_what_it_holds() -> None:
    """It is stored as JSON and travels as runtime.Unknown; its metadata is a message."""
    data = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "creationTimestamp": None},
        "spec": {"any": [1]},
    }
    widget = codec.decode_object(data, scheme=with_widgets())

    assert isinstance(widget, objects.Unstructured)
    assert widget.metadata.name == "w"
    assert codec.to_json(widget) == data
    assert codec.encode_stored(widget).startswith(b'{"apiVersion":"example.com/v1","kind":"Widget"')
    for copy in (
        codec.decode_stored(codec.encode_stored(widget), scheme=with_widgets()),
        codec.from_any(codec.to_any(widget), scheme=with_widgets()),
    ):
        assert codec.to_json(copy) == data


def test_objects_and_options_travel_as_any() -> None:
    """By the message's full name; what is no object is refused where one is expected."""
    pod = corev1.Pod(metadata={"name": "a"})
    carrier = codec.to_any(pod)
    assert carrier.type_url == "type.googleapis.com/k8s.io.api.core.v1.Pod"
    assert codec.from_any(carrier) == pod
    options = metav1.DeleteOptions(gracePeriodSeconds=0)
    assert codec.message_from_any(codec.to_any(options)) == options
    with pytest.raises(codec.DecodeError, match="is not an API object"):
        codec.from_any(codec.to_any(options))
    carrier.type_url = "type.googleapis.com/k8s.io.api.core.v1.Pond"
    with pytest.raises(codec.DecodeError, match="no message is called"):
        codec.from_any(carrier)


def test_damaged_bytes_are_an_error_of_the_codec() -> None:
    """etcd may hold what another program wrote."""
    stored = codec.encode_stored(corev1.Pod(metadata={"name": "a"}))
    for data in (stored[:-9], b"k8s\0\xff", b"\x00"):
        with pytest.raises((codec.DecodeError, scheme.UnknownKind)):
            codec.decode_stored(data)


def test_equal_objects_are_stored_as_equal_bytes() -> None:
    """A write that changes nothing can be seen by its bytes."""
    keys = [f"k{number}" for number in range(20)]
    one, two = (corev1.ConfigMap(data=dict.fromkeys(order, "v")) for order in (keys, keys[::-1]))
    assert codec.encode_stored(one) == codec.encode_stored(two)


def test_what_the_table_lacks_has_no_json() -> None:
    """Fairlead's own messages travel as protobuf only."""
    with pytest.raises(LookupError):
        table.schema("fairlead.v1.Hello")
    assert runtime_pb2.Unknown.DESCRIPTOR.full_name in table.names()


def test_input_that_protobuf_cannot_hold_is_a_decode_error() -> None:
    """Half a surrogate pair, a number beyond 64 bits, schemas nested beyond the stack."""
    with pytest.raises(codec.DecodeError, match="not valid Unicode"):
        codec.from_json({"metadata": {"name": "\ud800"}}, corev1.Pod)
    (data,) = codec.load_yaml_documents("type: ADDED\nobject: {a: 123456789012345678901234567890}")
    assert codec.to_json(codec.from_json(data, metav1.WatchEvent))["object"] == {"a": 1.2345678901234568e29}
    deep: Json = {}
    for _ in range(2000):
        deep = {"not": deep}
    with pytest.raises(codec.DecodeError, match="nested too deeply"):
        codec.from_json(deep, extensionsv1.JSONSchemaProps)
