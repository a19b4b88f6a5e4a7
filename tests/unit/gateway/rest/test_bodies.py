"""Bodies over REST: what is read strictly, what is of another kind, and what makes no sense."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.testing import rest as testing
from tests.unit.gateway.rest.conftest import CONFIGMAPS, Caller, configmap


async def test_an_update_has_to_name_the_object(call: Caller) -> None:
    """As its path does."""
    await call("POST", CONFIGMAPS, configmap("a"))
    nameless = await call("PUT", f"{CONFIGMAPS}/a", {"data": {"x": "1"}})
    other = await call("PUT", f"{CONFIGMAPS}/a", configmap("b"))
    assert [(answer.status, answer.json["message"]) for answer in (nameless, other)] == [
        (400, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        (400, "the name of the object (b) does not match the name on the URL (a)"),
    ]


async def test_unknown_fields_are_warned_of_refused_or_ignored(call: Caller) -> None:
    """As fieldValidation says; Warn where it says nothing."""
    odd = {**configmap("a"), "foo": 1}
    warned = await call("POST", f"{CONFIGMAPS}?dryRun=All", odd)
    strict = await call("POST", f"{CONFIGMAPS}?fieldValidation=Strict", odd)
    ignored = await call("POST", f"{CONFIGMAPS}?dryRun=All&fieldValidation=Ignore", odd)
    assert (warned.status, warned.headers["Warning"]) == (201, '299 - "unknown field \\"foo\\""')
    assert (strict.status, strict.json["message"]) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo"',
    )
    assert (ignored.status, ignored.headers.get("Warning")) == (201, None)


async def test_a_field_that_stands_twice_is_found_where_validation_is_strict(call: Caller) -> None:
    """The path of the double is named."""
    body = b'{"metadata":{"name":"a"},"data":{"x":"1","x":"2"}}'
    answer = await call("POST", f"{CONFIGMAPS}?fieldValidation=Strict", body, Content_Type="application/json")
    assert (answer.status, answer.json["message"]) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.x"',
    )


SCHEME = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'
UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap)"
NO_JSON = f"{UNRECOGNIZED}: couldn't get version/kind; json parse error"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"apiVersion": "v1", "kind": "Secret"},
            'Secret in version "v1" cannot be handled as a ConfigMap: '
            "converting (v1.Secret) to (core.ConfigMap): unknown conversion",
        ),
        (
            {"apiVersion": "v2", "kind": "ConfigMap"},
            'ConfigMap in version "v2" cannot be handled as a ConfigMap: '
            f'no kind "ConfigMap" is registered for version "v2" {SCHEME}',
        ),
        (
            {"apiVersion": "v1", "kind": "configmap"},
            'configmap in version "v1" cannot be handled as a ConfigMap: '
            f'no kind "configmap" is registered for version "v1" {SCHEME}',
        ),
        (
            {"apiVersion": "a/b/c", "kind": "ConfigMap"},
            f'{UNRECOGNIZED}: unexpected GroupVersion string: a/b/c ({{"apiVersion":"a/b/c","kind":" ...)',
        ),
        (
            {"apiVersion": "v1", "kind": 1},
            f"{NO_JSON}: json: cannot unmarshal number into Go struct field .kind of type string"
            ' ({"apiVersion":"v1","kind":1})',
        ),
        (b"{", f"{NO_JSON}: unexpected end of JSON input ({{)"),
        (b"", f"{NO_JSON}: unexpected end of JSON input (<empty>)"),
        (b"kind: Pod", f"{NO_JSON}: invalid character 'k' looking for beginning of value (6b696e643a20506f64)"),
    ],
)
async def test_a_body_of_another_kind_or_none_is_refused(call: Caller, body: Any, said: str) -> None:
    """In Kubernetes' words, with what it begins with where it cannot be read."""
    answer = await call("POST", CONFIGMAPS, body, Content_Type="application/json")
    assert (answer.status, answer.json["message"]) == (400, said)


async def test_a_body_in_protobuf_that_is_none_is_refused(call: Caller) -> None:
    """Its first bytes are shown in hexadecimal."""
    answer = await call("POST", CONFIGMAPS, b"abc", Content_Type="application/vnd.kubernetes.protobuf")
    said = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (616263)"
    assert (answer.status, answer.json["message"]) == (400, f"{UNRECOGNIZED}: {said}")


@pytest.mark.parametrize(
    ("patch", "code", "said"),
    [
        ({"metadata": {"name": "b"}}, 400, "the name of the object (b) does not match the name on the URL (a)"),
        (
            {"metadata": {"namespace": "b"}},
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        ({"kind": "Secret"}, 422, "converting (v1.Secret) to (core.ConfigMap): unknown conversion"),
        ({"kind": "Foo"}, 422, f'no kind "Foo" is registered for version "v1" {SCHEME}'),
        ({"kind": []}, 422, "json: cannot unmarshal array into Go struct field .kind of type string"),
    ],
)
async def test_a_patch_makes_no_other_object(call: Caller, patch: Any, code: int, said: str) -> None:
    """Neither of another name or namespace nor of another kind; a strategic patch leaves the kind alone."""
    await call("POST", CONFIGMAPS, configmap("a"))
    answer = await call("PATCH", f"{CONFIGMAPS}/a", patch, Content_Type="application/merge-patch+json")
    strategic = await call("PATCH", f"{CONFIGMAPS}/a", patch, Content_Type="application/strategic-merge-patch+json")
    assert (answer.status, said in answer.json["message"]) == (code, True)
    assert strategic.status == (200 if "kind" in patch else code)


async def test_what_lies_in_no_namespace_may_name_one(call: Caller) -> None:
    """It is forgotten, as in Kubernetes."""
    node = {"metadata": {"name": "n", "namespace": "default"}}
    made = await call("POST", "/api/v1/nodes", node)
    put = await call("PUT", "/api/v1/nodes/n", {**node, "spec": {"podCIDR": ""}})
    patched = await call("PATCH", "/api/v1/nodes/n", node, Content_Type="application/merge-patch+json")
    assert [one.status for one in (made, put, patched)] == [201, 200, 200]
    assert ["namespace" in one.json["metadata"] for one in (made, put, patched)] == [False, False, False]


async def test_a_deletion_takes_no_other_object(call: Caller) -> None:
    """Only options, of whatever version."""
    await call("POST", CONFIGMAPS, configmap("a"))
    wrong = await call("DELETE", f"{CONFIGMAPS}/a", configmap("a"))
    right = await call("DELETE", f"{CONFIGMAPS}/a", {"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions"})
    assert (wrong.status, right.status) == (400, 200)
    assert 'ConfigMap in version "v1" cannot be handled as a DeleteOptions' in wrong.json["message"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"[]"),
        ("application/json", b"\xff"),
        ("application/json", b'{"metadata":[]}'),
        ("application/json", b'{"metadata":{"name":"\\ud800"}}'),
        ("application/json", b'{"apiVersion":1}'),
        (
            "application/json",
            b'{"x":' + b"[" * 900 + b"]" * 900 + b', "metadata":{"labels":' + b"[" * 900 + b"]" * 900 + b"}}",
        ),
        ("application/yaml", b"a: [\n"),
        ("application/yaml", b"\xff\xfe\x00"),
        ("application/yaml", b"- a\n"),
        ("application/yaml", b"a: &a [*a]\n"),
        ("application/yaml", b"x: " + b"[" * 400 + b"]" * 400),
        ("application/yaml", b"x: " + b"[" * 5000 + b"]" * 5000),
    ],
)
async def test_a_body_that_makes_no_sense_is_a_bad_request(call: Caller, content_type: str, body: bytes) -> None:
    """400, never a fault of ours."""
    answer = await call("POST", CONFIGMAPS, body, Content_Type=content_type)
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")


async def test_yaml_whose_aliases_multiply_is_refused(call: Caller) -> None:
    """A few hundred bytes that stand for billions of parts."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    answer = await call("POST", CONFIGMAPS, "\n".join(lines).encode(), Content_Type="application/yaml")
    assert (answer.status, answer.json["message"]) == (
        400,
        "error converting YAML to JSON: yaml: document contains excessive aliasing",
    )


@pytest.mark.parametrize("sent", [b"GET / HTTP/9.9", b"GET / HTTP/1.1\r\nno header", b"\x16\x03\x01"])
async def test_what_is_no_http_fills_no_log(
    server: testing.Server, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    """It is answered 400, to somebody whom nobody knows."""
    reader, writer = await asyncio.open_connection(testing.HOST, server.port, ssl=server.tls())
    writer.write(sent + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.0 400 ")
    assert not caplog.records
