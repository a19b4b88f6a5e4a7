"""Values in Go's notation, as Kubernetes' errors show what is neither text nor number.

Validators pass these to `field.invalid`. Kubernetes prints such values with Go's %#v; users meet them in what kubectl
says of selectors, labels and percentages. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from google.protobuf.message import Message

from control.apiserver import field
from control.apiserver.field import Raw
from fairlead.api import codec, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import intstr_pb2
from fairlead.api.pb import meta_v1_pb2 as metav1


def labels(values: Mapping[str, str]) -> Raw:
    """Return `map[string]string{"a":"b"}`, with sorted keys."""
    if not values:
        return Raw("map[string]string(nil)")
    pairs = ", ".join(f"{field.quoted(key)}:{field.quoted(value)}" for key, value in sorted(values.items()))
    return Raw(f"map[string]string{{{pairs}}}")


def selector(value: metav1.LabelSelector) -> Raw:
    """Return a label selector as `v1.LabelSelector{...}`."""
    rules = [
        f"v1.LabelSelectorRequirement{{Key:{field.quoted(one.key)}, Operator:{field.quoted(one.operator)},"
        f" Values:{strings(one.values)}}}"
        for one in value.matchExpressions
    ]
    listed = f"{{{', '.join(rules)}}}" if rules else "(nil)"
    return Raw(
        f"v1.LabelSelector{{MatchLabels:{labels(value.matchLabels)},"
        f" MatchExpressions:[]v1.LabelSelectorRequirement{listed}}}"
    )


def strings(values: Iterable[str]) -> Raw:
    """Return `[]string{"a", "b"}`."""
    return typed_strings("string", values)


def typed_strings(kind: str, values: Iterable[str]) -> Raw:
    """Return texts of a type of their own: `[]core.ResourceQuotaScope{"a"}`."""
    listed = [field.quoted(value) for value in values]
    return Raw(f"[]{kind}{{{', '.join(listed)}}}" if listed else f"[]{kind}(nil)")


def int32s(values: Iterable[int]) -> Raw:
    """Return `[]int32{1, 2}`."""
    listed = [str(value) for value in values]
    return Raw(f"[]int32{{{', '.join(listed)}}}" if listed else "[]int32(nil)")


def int_or_string(value: intstr_pb2.IntOrString) -> Raw:
    """Return `intstr.IntOrString{Type:0, IntVal:1, StrVal:""}`."""
    return Raw(f"intstr.IntOrString{{Type:{value.type}, IntVal:{value.intVal}, StrVal:{field.quoted(value.strVal)}}}")


def time(value: metav1.Time) -> Raw:
    """Return `2026-01-01 00:01:00 +0000 UTC`."""
    return Raw(times.format_seconds(value.seconds).replace("T", " ").replace("Z", " +0000 UTC"))


def struct(value: Message | Mapping[str, str]) -> Raw:
    """Return any other value as compact JSON, where Kubernetes prints Go's struct, with addresses in it."""
    shown = codec.to_json(value) if isinstance(value, Message) else dict(value)
    return Raw(json.dumps(shown, ensure_ascii=False, separators=(",", ":"), sort_keys=True))


def structs(values: Iterable[Message]) -> Raw:
    """Return a list of such values as compact JSON."""
    return Raw(f"[{','.join(str(struct(value)) for value in values)}]")


def node_terms(terms: Iterable[corev1.NodeSelectorTerm]) -> Raw:
    """Return terms of a node selector as `[]core.NodeSelectorTerm{...}`."""
    listed = [node_term(term) for term in terms]
    return Raw(f"[]core.NodeSelectorTerm{{{', '.join(listed)}}}" if listed else "[]core.NodeSelectorTerm(nil)")


def node_term(term: corev1.NodeSelectorTerm) -> Raw:
    """Return a term of a node selector as `core.NodeSelectorTerm{...}`."""
    fields = ", ".join(
        f"{name}:{_requirements(rules)}"
        for name, rules in (("MatchExpressions", term.matchExpressions), ("MatchFields", term.matchFields))
    )
    return Raw(f"core.NodeSelectorTerm{{{fields}}}")


def _requirements(rules: Iterable[corev1.NodeSelectorRequirement]) -> str:
    listed = [
        f"core.NodeSelectorRequirement{{Key:{field.quoted(one.key)}, Operator:{field.quoted(one.operator)},"
        f" Values:{strings(one.values)}}}"
        for one in rules
    ]
    shown = f"{{{', '.join(listed)}}}" if listed else "(nil)"
    return f"[]core.NodeSelectorRequirement{shown}"


def addresses(kind: str, values: Iterable[str]) -> Raw:
    """Return addresses of a kind as `[]core.PodIP{core.PodIP{IP:"10.0.0.1"}}`."""
    return Raw(f"[]core.{kind}{{{', '.join(address(kind, value) for value in values)}}}")


def address(kind: str, value: str) -> Raw:
    """Return an address of a kind as `core.PodIP{IP:"10.0.0.1"}`."""
    return Raw(f"core.{kind}{{IP:{field.quoted(value)}}}")
