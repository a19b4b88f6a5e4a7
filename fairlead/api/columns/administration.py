"""The columns of what administrators see to: webhooks, policies, fairness, certificates, classes, leases. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from fairlead.api import conditions
from fairlead.api.columns import layout
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionv1
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import node_v1_pb2 as nodev1
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1


def _webhooks(obj: Any, now: datetime.datetime) -> layout.Row:
    return obj.metadata.name, len(obj.Webhooks), layout.created(obj, now)


def _policy(obj: admissionv1.ValidatingAdmissionPolicy, now: datetime.datetime) -> layout.Row:
    kind = obj.spec.paramKind
    parameter = f"{kind.apiVersion}/{kind.kind}" if obj.spec.HasField("paramKind") else layout.UNSET
    return obj.metadata.name, len(obj.spec.validations), parameter, layout.created(obj, now)


def _policy_binding(obj: admissionv1.ValidatingAdmissionPolicyBinding, now: datetime.datetime) -> layout.Row:
    parameter = layout.UNSET
    if obj.spec.HasField("paramRef"):
        found = obj.spec.paramRef
        if found.name:
            parameter = f"{found.namespace}/{found.name}" if found.namespace else f"*/{found.name}"
        elif found.HasField("selector"):
            parameter = _selector(found.selector)
    return obj.metadata.name, obj.spec.policyName, parameter, layout.created(obj, now)


def _selector(selector: metav1.LabelSelector) -> str:
    """Return a selector as its message's String() in Go writes it, which is what this column shows."""
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.matchLabels.items()))
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{one.key},Operator:{one.operator},Values:[{' '.join(one.values)}],}},"
        for one in selector.matchExpressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )


def _schema(obj: flowcontrolv1.FlowSchema, now: datetime.datetime) -> layout.Row:
    spec = obj.spec
    dangling = conditions.get(obj.status.conditions, "Dangling")
    return (
        obj.metadata.name,
        spec.priorityLevelConfiguration.name,
        spec.matchingPrecedence,
        spec.distinguisherMethod.type if spec.HasField("distinguisherMethod") else layout.NONE,
        layout.created(obj, now),
        str(dangling.status) if dangling is not None else "?",
    )


def _level(obj: flowcontrolv1.PriorityLevelConfiguration, now: datetime.datetime) -> layout.Row:
    spec, queuing = obj.spec, obj.spec.limited.limitResponse.queuing
    shares = spec.limited.nominalConcurrencyShares if spec.HasField("limited") else layout.NONE
    queued = spec.limited.limitResponse.HasField("queuing")
    numbers = (queuing.queues, queuing.handSize, queuing.queueLengthLimit)
    queues, hand, length = (number if queued else layout.NONE for number in numbers)
    return obj.metadata.name, spec.type, shares, queues, hand, length, layout.created(obj, now)


def _precedence(obj: flowcontrolv1.FlowSchema) -> tuple[int, str]:
    """Return the key of the order in which flow schemas are tried."""
    return obj.spec.matchingPrecedence, obj.metadata.name


def _api_service(obj: apiregistrationv1.APIService, now: datetime.datetime) -> layout.Row:
    found = conditions.get(obj.status.conditions, "Available")
    available = "Unknown" if found is None else str(found.status)
    if found is not None and found.status != conditions.TRUE and found.reason:
        available = f"{found.status} ({found.reason})"
    service = obj.spec.service
    place = f"{service.namespace}/{service.name}" if obj.spec.HasField("service") else "Local"
    return obj.metadata.name, place, available, layout.created(obj, now)


def _request(obj: certificatesv1.CertificateSigningRequest, now: datetime.datetime) -> layout.Row:
    kinds = {one.type for one in obj.status.conditions}
    state = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    state += ",Failed" if "Failed" in kinds else ""
    state += ",Issued" if obj.status.certificate else ""
    wanted = layout.NONE
    if obj.spec.HasField("expirationSeconds"):
        wanted = layout.human_duration(obj.spec.expirationSeconds)
    spec = obj.spec
    signer = spec.signerName or layout.NONE
    return obj.metadata.name, layout.created(obj, now), signer, spec.username, wanted, state


def _priority_class(obj: schedulingv1.PriorityClass, now: datetime.datetime) -> layout.Row:
    return (
        obj.metadata.name,
        obj.value,
        obj.globalDefault,
        layout.created(obj, now),
        obj.preemptionPolicy,
    )


def _runtime_class(obj: nodev1.RuntimeClass, now: datetime.datetime) -> layout.Row:
    return obj.metadata.name, obj.handler, layout.created(obj, now)


def _lease(lease: coordinationv1.Lease, now: datetime.datetime) -> layout.Row:
    return lease.metadata.name, lease.spec.holderIdentity, layout.created(lease, now)


_WEBHOOKS = "Name|Webhooks:integer|Age"
_PRIORITIES = "Name|Value:integer|Global-Default:boolean|Age|PreemptionPolicy"
LAYOUTS: Mapping[type[Message], layout.Layout] = {
    admissionv1.MutatingWebhookConfiguration: layout.layout(_WEBHOOKS, _webhooks),
    admissionv1.ValidatingWebhookConfiguration: layout.layout(_WEBHOOKS, _webhooks),
    admissionv1.ValidatingAdmissionPolicy: layout.layout("Name|Validations:integer|ParamKind|Age", _policy),
    admissionv1.ValidatingAdmissionPolicyBinding: layout.layout("Name|PolicyName|ParamRef|Age", _policy_binding),
    flowcontrolv1.FlowSchema: layout.layout(
        "Name|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL", _schema, _precedence
    ),
    flowcontrolv1.PriorityLevelConfiguration: layout.layout(
        "Name|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age", _level
    ),
    apiregistrationv1.APIService: layout.layout("Name|Service|Available|Age", _api_service),
    certificatesv1.CertificateSigningRequest: layout.layout(
        "Name|Age|SignerName|Requestor|RequestedDuration|Condition", _request
    ),
    schedulingv1.PriorityClass: layout.layout(_PRIORITIES, _priority_class),
    nodev1.RuntimeClass: layout.layout("Name|Handler|Age", _runtime_class),
    coordinationv1.Lease: layout.layout("Name|Holder|Age", _lease),
}
