"""The columns of what administers the API itself: webhooks, policies, fairness, aggregation, certificates. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from fairlead.api import conditions
from fairlead.api.columns import layout
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionv1
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1


def _webhooks(obj: Any, now: datetime.datetime) -> Sequence[str]:
    return obj.metadata.name, str(len(obj.Webhooks)), layout.created(obj, now)


def _policy(obj: admissionv1.ValidatingAdmissionPolicy, now: datetime.datetime) -> Sequence[str]:
    kind = obj.spec.paramKind
    parameter = f"{kind.apiVersion}/{kind.kind}" if obj.spec.HasField("paramKind") else "<unset>"
    return obj.metadata.name, str(len(obj.spec.validations)), parameter, layout.created(obj, now)


def _policy_binding(obj: admissionv1.ValidatingAdmissionPolicyBinding, now: datetime.datetime) -> Sequence[str]:
    parameter = "<unset>"
    if obj.spec.HasField("paramRef"):
        found = obj.spec.paramRef
        if found.name:
            parameter = f"{found.namespace}/{found.name}" if found.namespace else f"*/{found.name}"
        elif found.HasField("selector"):
            parameter = layout.selector_text(found.selector)
    return obj.metadata.name, obj.spec.policyName, parameter, layout.created(obj, now)


def _schema(obj: flowcontrolv1.FlowSchema, now: datetime.datetime) -> Sequence[str]:
    spec = obj.spec
    dangling = conditions.get(obj.status.conditions, "Dangling")
    return (
        obj.metadata.name,
        spec.priorityLevelConfiguration.name or layout.NONE,
        str(spec.matchingPrecedence),
        spec.distinguisherMethod.type if spec.HasField("distinguisherMethod") else layout.NONE,
        layout.created(obj, now),
        str(dangling.status) if dangling is not None else "?",
    )


def _level(obj: flowcontrolv1.PriorityLevelConfiguration, now: datetime.datetime) -> Sequence[str]:
    spec, queuing = obj.spec, obj.spec.limited.limitResponse.queuing
    shares = layout.NONE
    for part in ("limited", "exempt"):
        if spec.HasField(part):
            shares = str(getattr(spec, part).nominalConcurrencyShares)
    queued = spec.limited.limitResponse.HasField("queuing")
    numbers = (queuing.queues, queuing.handSize, queuing.queueLengthLimit)
    queues, hand, length = (str(number) if queued else layout.NONE for number in numbers)
    return obj.metadata.name, spec.type, shares, queues, hand, length, layout.created(obj, now)


def _api_service(obj: apiregistrationv1.APIService, now: datetime.datetime) -> Sequence[str]:
    found = conditions.get(obj.status.conditions, "Available")
    available = "Unknown" if found is None else str(found.status)
    if found is not None and found.status != conditions.TRUE:
        available = f"{found.status} ({found.reason})"
    service = obj.spec.service
    place = f"{service.namespace}/{service.name}" if obj.spec.HasField("service") else "Local"
    return obj.metadata.name, place, available, layout.created(obj, now)


def _request(obj: certificatesv1.CertificateSigningRequest, now: datetime.datetime) -> Sequence[str]:
    kinds = {one.type for one in obj.status.conditions}
    state = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    state += ",Failed" if "Failed" in kinds else ""
    state += ",Issued" if obj.status.certificate else ""
    wanted = layout.NONE
    if obj.spec.HasField("expirationSeconds"):
        wanted = layout.human_duration(obj.spec.expirationSeconds)
    spec = obj.spec
    return obj.metadata.name, layout.created(obj, now), spec.signerName, spec.username, wanted, state


_WEBHOOKS = "Name|Webhooks|Age"
LAYOUTS: Mapping[type[Message], layout.Layout] = {
    admissionv1.MutatingWebhookConfiguration: layout.layout(_WEBHOOKS, _webhooks),
    admissionv1.ValidatingWebhookConfiguration: layout.layout(_WEBHOOKS, _webhooks),
    admissionv1.ValidatingAdmissionPolicy: layout.layout("Name|Validations|ParamKind|Age", _policy),
    admissionv1.ValidatingAdmissionPolicyBinding: layout.layout("Name|PolicyName|ParamRef|Age", _policy_binding),
    flowcontrolv1.FlowSchema: layout.layout(
        "Name|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL", _schema
    ),
    flowcontrolv1.PriorityLevelConfiguration: layout.layout(
        "Name|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age", _level
    ),
    apiregistrationv1.APIService: layout.layout("Name|Service|Available|Age", _api_service),
    certificatesv1.CertificateSigningRequest: layout.layout(
        "Name|Age|SignerName|Requestor|RequestedDuration|Condition", _request
    ),
}
