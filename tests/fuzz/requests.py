"""Requests that make little sense: strategies of hypothesis over paths, queries, headers and bodies."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
import yaml
from hypothesis import strategies as st

from fairlead.api import codec, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import every_kind

KINDS = sorted(
    {(kind.group, kind.version, kind.resource, kind.kind, kind.namespaced) for kind in scheme.DEFAULT.versions()}
)
SUBRESOURCES = (
    "status",
    "scale",
    "binding",
    "eviction",
    "token",
    "finalize",
    "log",
    "exec",
    "proxy",
    "ephemeralcontainers",
    "nonsense",
)
METHODS = (
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "BREW",
)
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
TYPES = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
    "application/json;q=x;;=",
)
ACCEPTS = (
    "*/*",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    ";;;",
    ",",
    "application/json;as=",
    "text/html",
    "application/json;q=nan, */*;q=inf",
)
OPTIONS = (
    "watch",
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "sendInitialEvents",
    "allowWatchBookmarks",
    "dryRun",
    "fieldManager",
    "fieldValidation",
    "force",
    "pretty",
    "includeObject",
    "gracePeriodSeconds",
    "propagationPolicy",
    "orphanDependents",
    "exclude",
    "verbose",
    "timeout",
    "container",
    "command",
    "tailLines",
)
VALUES = (
    "",
    "0",
    "1",
    "-1",
    "true",
    "false",
    "All",
    "Exact",
    "NotOlderThan",
    "Strict",
    "Warn",
    "Ignore",
    "a=b",
    "a in (b,c)",
    "!a",
    "a,,b",
    "metadata.name=web",
    "spec.nodeName!=",
    "99999999999999999999",
    "1e9",
    "9223372036854775807",
    "-9223372036854775808",
    "NaN",
    "Orphan",
    "Foreground",
    "Background",
    "%00",
    "%ff%fe",
    "%F0%9F%98%80",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
    "e30",
    "bnVsbA",
    "W10",
    "MQ",
)
SAMPLES = every_kind.documents()
BY_KIND = {(one["apiVersion"], one["kind"]): one for one in SAMPLES}
LONG = "9" * 5000  # more digits than int() reads
QUOTED = st.text(max_size=20).map(
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(1 << 40), 1 << 40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["web", "default", "100m", "1Gi", "2020-01-01T00:00:00Z", "IfNotPresent", "TCP", "", "0", "50%"]),
    st.sampled_from(
        [
            LONG,
            f"{LONG}%",
            f"{LONG}m",
            f"{LONG}s",
            f"{LONG}-{LONG}",
            f"1e{LONG}",
            f"*/{LONG} * * * *",
            f".{LONG}",
            "v" + LONG,
        ]
    ),
)
KEYS = (
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "containers",
    "image",
    "ports",
    "resources",
    "requests",
    "template",
    "selector",
    "matchLabels",
    "replicas",
    "data",
    "type",
    "rules",
    "subjects",
    "roleRef",
    "ownerReferences",
    "finalizers",
    "managedFields",
    "resourceVersion",
    "generateName",
    "volumes",
    "env",
    "conditions",
    "key",
    "value",
    "operator",
    "$patch",
    "$setElementOrder/containers",
    "$deleteFromPrimitiveList/finalizers",
    "$retainKeys",
    "creationTimestamp",
    "uid",
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=6)), inner, max_size=5),
    ),
    max_leaves=20,
)
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "nonsense"]),
        "path": st.one_of(
            st.lists(
                st.one_of(
                    st.sampled_from([*KEYS, "0", "1", "-", "~", "~0", "~1", "-1", "00", "99999999999"]),
                    st.text(max_size=3),
                ),
                max_size=4,
            ).map(lambda parts: "".join(f"/{part}" for part in parts)),
            scalars,
        ),
    },
    optional={"value": trees, "from": st.sampled_from(["/metadata", "/spec", "/data", "", "x", "/metadata/labels"])},
)


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or a lone surrogate
        return json.dumps(value).encode()


def _named(tree: object, kind: tuple[str, str, str, str, bool], name: str) -> object:
    """Make a tree look like an object of a kind."""
    found = dict(tree) if isinstance(tree, dict) else {"spec": tree}
    group, version, _, named, _ = kind
    found["apiVersion"] = f"{group}/{version}" if group else version
    found["kind"] = named
    metadata = found.get("metadata")
    found["metadata"] = {**(metadata if isinstance(metadata, dict) else {}), "name": name}
    return found


def _pod() -> bytes:
    pod = corev1.Pod()
    pod.metadata.name = "fuzz"
    pod.spec.containers.add(name="a", image="b")
    return codec.enveloped("v1", "Pod", pod.SerializeToString())


@st.composite
def spoilt(draw: st.DrawFn, sample: Any) -> Any:
    """A good object in which one to three fields are odd, gone or too many."""
    document = copy.deepcopy(sample)
    for _ in range(draw(st.integers(1, 3))):
        inside = document
        while True:
            parts = list(inside.items()) if isinstance(inside, dict) else list(enumerate(inside))
            if not parts:
                break
            key, value = draw(st.sampled_from(parts))
            if isinstance(value, dict | list) and value and draw(st.integers(0, 3)):
                inside = value
                continue
            match draw(st.integers(0, 5)):
                case 0:
                    del inside[key]
                case 1 if isinstance(inside, dict):
                    inside[draw(st.sampled_from(KEYS))] = draw(trees)
                case 1 | 2 if isinstance(inside, list):
                    inside.append(copy.deepcopy(value))
                case _:
                    inside[key] = draw(st.one_of(scalars, trees))
            break
    return document


@st.composite
def flipped(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes that were good until some changed."""
    wire = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, len(wire) - 1))
        match draw(st.integers(0, 2)):
            case 0:
                wire[where] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del wire[where : where + draw(st.integers(1, 5))]
            case _:
                wire[where:where] = draw(st.binary(max_size=6))
        if not wire:
            break
    return bytes(wire)


@st.composite
def paths(draw: st.DrawFn, method: str, kind: tuple[str, str, str, str, bool], name: str) -> bytes:
    """A resource's path, sometimes with a part too many, too few or of nonsense."""
    group, version, resource, _, namespaced = kind
    parts = ["apis", group, version] if group else ["api", version]
    if draw(st.integers(0, 9)) == 0:
        parts.append("watch")
    if namespaced and draw(st.integers(0, 9)):
        parts += ["namespaces", draw(st.sampled_from(["samples", "samples", "default", "kube-system", "gone"]))]
    parts.append(resource)
    if method in ("PUT", "PATCH") or (method != "POST" and draw(st.booleans())) or draw(st.integers(0, 5)) == 0:
        parts.append(name)
        if draw(st.integers(0, 2)) == 0:
            parts.append(draw(st.sampled_from(SUBRESOURCES)))
    if draw(st.integers(0, 15)) == 0:
        parts.insert(draw(st.integers(0, len(parts))), draw(QUOTED))
    if draw(st.integers(0, 20)) == 0:
        del parts[draw(st.integers(0, len(parts) - 1))]
    return ("/" + "/".join(parts)).encode()


query = st.dictionaries(
    st.one_of(st.sampled_from(OPTIONS), QUOTED),
    st.one_of(st.sampled_from((*VALUES, LONG, f"a>{LONG}")), QUOTED),
    max_size=3,
).map(lambda options: "&".join(f"{name}={value.replace(' ', '+')}" for name, value in options.items()).encode())

Request = tuple[str, bytes, list[tuple[bytes, bytes]], bytes]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request: its method, path with query, headers and body."""
    kind = draw(st.sampled_from(KINDS))
    name = draw(
        st.sampled_from(
            ["sample", "sample", "sample", "default", "fuzz", "fuzz", "a.b.c", "UPPER", "x" * 300, "%2e%2e", "a%2fb"]
        )
    )
    method = draw(st.sampled_from(METHODS))
    asked = draw(query)
    if b"watch" in asked or b"/watch/" in asked:
        asked += b"&timeoutSeconds=1" if method == "GET" and b"timeoutSeconds" not in asked else b""
    path = draw(paths(method, kind, name))
    headers = [(b"Accept", draw(st.sampled_from(ACCEPTS)).encode())]
    content = draw(st.sampled_from(PATCHES if method == "PATCH" else TYPES))
    if draw(st.integers(0, 9)) == 0:
        content = draw(st.sampled_from(PATCHES + TYPES))
    headers.append((b"Content-Type", content.encode()))
    if draw(st.integers(0, 5)) == 0:
        headers.append(draw(odd_headers))
    return method, path + (b"?" + asked if asked else b""), headers, draw(bodies(kind, name, content))


HEADERS = (
    "Accept-Encoding", "Content-Encoding", "If-None-Match", "Audit-Id", "User-Agent", "Expect", "Upgrade",
    "Connection", "Sec-WebSocket-Protocol", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "X-Stream-Protocol-Version",
    "Range", "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-%00",
    "Impersonate-Extra-", "Authorization", "Cookie",
)  # fmt: skip
HEADER_VALUES = (
    "gzip", "deflate", "br", "zstd", "websocket", "SPDY/3.1", "v4.channel.k8s.io", "Upgrade", "", "*", "alice",
    "system:masters", "100-continue",
)  # fmt: skip
printable = st.binary(max_size=30).map(lambda data: bytes(byte for byte in data if byte >= 32 and byte != 127))
odd_headers = st.tuples(
    st.sampled_from(HEADERS).map(str.encode), st.one_of(st.sampled_from(HEADER_VALUES).map(str.encode), printable)
)


@st.composite
def bodies(draw: st.DrawFn, kind: tuple[str, str, str, str, bool], name: str, content: str) -> bytes:
    """What is sent: mostly of the form that its type says, an object of the kind or a patch, or its remains."""
    choice = draw(st.integers(0, 11))
    if choice == 0:
        return draw(st.binary(max_size=200))
    if choice == 1:
        return draw(flipped(_json(_named(draw(trees), kind, name))))
    if content == PATCHES[0]:
        return _json(draw(st.one_of(st.lists(operations, max_size=4), trees)))
    if content.endswith("protobuf"):
        return draw(flipped(_pod()))
    group, version, _, named, _ = kind
    sample = BY_KIND.get((f"{group}/{version}" if group else version, named))
    tree = draw(trees)
    document = _named(tree, kind, "fuzz") if choice < 8 else tree
    if sample is not None and choice < 7:
        document = draw(spoilt(sample))
    if content.endswith("yaml"):
        return yaml.safe_dump(document, allow_unicode=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return _json(document)


@st.composite
def writes(draw: st.DrawFn) -> Request:
    """A write that gets as far as the rules of its kind: a good object, or a patch of one, but for a few fields."""
    sample = draw(st.sampled_from(SAMPLES))
    kind = next(one for one in KINDS if one[3] == sample["kind"] and _version(one) == sample["apiVersion"])
    group, version, resource, _, namespaced = kind
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    name = sample["metadata"]["name"]
    if namespaced:
        path += f"/namespaces/{sample['metadata'].get('namespace', 'samples')}"
    path += f"/{resource}"
    options = draw(st.sampled_from(["dryRun=All", "", "fieldValidation=Strict", "dryRun=All&fieldValidation=Ignore"]))
    method = draw(st.sampled_from(["POST", "PUT", "PUT", "PATCH", "PATCH"]))
    document = draw(spoilt(sample))
    if method == "POST" and isinstance(document, dict) and isinstance(document.get("metadata"), dict):
        document["metadata"]["name"] = "fuzz"
        options += "&dryRun=All"
    if method != "POST":
        path += f"/{name}" + draw(st.sampled_from(["", "", "", "/status", "/scale"]))
    content, body = "application/json", document
    if method == "PATCH":
        content = draw(st.sampled_from(PATCHES))
        if content == PATCHES[0]:
            body = draw(st.lists(operations, min_size=1, max_size=3))
        elif content == PATCHES[3]:
            options += "&fieldManager=fuzz&force=" + draw(st.sampled_from(["true", "false"]))
    headers = [(b"Content-Type", content.encode()), (b"Accept", draw(st.sampled_from(ACCEPTS[:4])).encode())]
    return method, f"{path}?{options}".encode(), headers, _json(body)


def _version(kind: tuple[str, str, str, str, bool]) -> str:
    return f"{kind[0]}/{kind[1]}" if kind[0] else kind[1]
