"""The columns of Jobs, CronJobs, autoscalers and disruption budgets. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from google.protobuf.message import Message

from fairlead.api import intstr
from fairlead.api.columns import layout
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2
from fairlead.api.pb import batch_v1_pb2 as batchv1
from fairlead.api.pb import intstr_pb2
from fairlead.api.pb import policy_v1_pb2 as policyv1

METRICS_MAX = 2  # metrics listed before "+ n more..."
NOT_GIVEN = "N/A"
# The conditions that a Job's status is told by, the first that is True; None stands for a deletion that has begun.
STATES = ("Complete", "Failed", None, "Suspended", "FailureTarget")


def job_state(job: batchv1.Job) -> str:
    """Return what kubectl's STATUS column says of a Job."""
    for state in STATES:
        if state is None:
            if job.metadata.HasField("deletionTimestamp"):
                return "Terminating"
        elif layout.condition(job.status.conditions, state) == "True":
            return state
    return "Running"


def _job(job: batchv1.Job, now: datetime.datetime) -> layout.Row:
    spec, status = job.spec, job.status
    wanted = str(spec.completions) if spec.HasField("completions") else "1"
    if not spec.HasField("completions") and spec.parallelism > 1:
        wanted = f"1 of {spec.parallelism}"
    duration = ""
    if status.HasField("startTime"):
        end = status.completionTime.seconds if status.HasField("completionTime") else now.timestamp()
        duration = layout.human_duration(end - status.startTime.seconds)
    return (
        job.metadata.name,
        job_state(job),
        f"{status.succeeded}/{wanted}",
        duration,
        layout.created(job, now),
        *layout.containers(spec.template),
        layout.selector_text(spec.selector),
    )


def _cronjob(cronjob: batchv1.CronJob, now: datetime.datetime) -> layout.Row:
    spec, status = cronjob.spec, cronjob.status
    last = layout.age(status.lastScheduleTime, now) if status.HasField("lastScheduleTime") else layout.NONE
    return (
        cronjob.metadata.name,
        spec.schedule,
        spec.timeZone or layout.NONE,
        str(spec.suspend) if spec.HasField("suspend") else layout.UNSET,
        len(status.active),
        last,
        layout.created(cronjob, now),
        *layout.containers(spec.jobTemplate.spec.template),
        layout.selector_text(spec.jobTemplate.spec.selector),
    )


def _autoscaler(scaler: autoscalingv2.HorizontalPodAutoscaler, now: datetime.datetime) -> layout.Row:
    spec = scaler.spec
    return (
        scaler.metadata.name,
        f"{spec.scaleTargetRef.kind}/{spec.scaleTargetRef.name}",
        metrics_text(scaler),
        str(spec.minReplicas) if spec.HasField("minReplicas") else layout.UNSET,
        spec.maxReplicas,
        scaler.status.currentReplicas,
        layout.created(scaler, now),
    )


def metrics_text(scaler: autoscalingv2.HorizontalPodAutoscaler) -> str:
    """Return what is measured and what is aimed at: `cpu: 10%/80%`."""
    found = scaler.status.currentMetrics
    texts = [
        _metric(metric, found[index] if index < len(found) else autoscalingv2.MetricStatus())
        for index, metric in enumerate(scaler.spec.metrics)
    ]
    if not texts:
        return layout.NONE
    listed = ", ".join(texts[:METRICS_MAX])
    return f"{listed} + {len(texts) - METRICS_MAX} more..." if len(texts) > METRICS_MAX else listed


PARTS = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}


def _metric(metric: autoscalingv2.MetricSpec, status: autoscalingv2.MetricStatus) -> str:
    part = PARTS.get(metric.type)
    if part is None:
        return "<unknown type>"
    target, current = getattr(metric, part).target, getattr(status, part).current
    if metric.type in ("Resource", "ContainerResource"):
        name = getattr(metric, part).name
        if target.HasField("averageValue"):
            seen = current.averageValue.string if status.HasField(part) else layout.UNKNOWN
            return f"{name}: {seen}/{target.averageValue.string}"
        known = status.HasField(part) and current.HasField("averageUtilization")
        seen = f"{current.averageUtilization}%" if known else layout.UNKNOWN
        aim = f"{target.averageUtilization}%" if target.HasField("averageUtilization") else "<auto>"
        return f"{name}: {seen}/{aim}"
    average = metric.type == "Pods" or target.HasField("averageValue")
    field = "averageValue" if average else "value"
    known = status.HasField(part) and current.HasField(field)
    seen = getattr(current, field).string if known else layout.UNKNOWN
    suffix = " (avg)" if average and metric.type != "Pods" else ""
    return f"{seen}/{getattr(target, field).string}{suffix}"


def _budget(budget: policyv1.PodDisruptionBudget, now: datetime.datetime) -> layout.Row:
    spec = budget.spec
    return (
        budget.metadata.name,
        _bound(spec.minAvailable) if spec.HasField("minAvailable") else NOT_GIVEN,
        _bound(spec.maxUnavailable) if spec.HasField("maxUnavailable") else NOT_GIVEN,
        budget.status.disruptionsAllowed,
        layout.created(budget, now),
    )


def _bound(value: intstr_pb2.IntOrString) -> str:
    return value.strVal if value.type == intstr.STRING else str(value.intVal)


def _scale(scale: autoscalingv1.Scale, now: datetime.datetime) -> layout.Row:
    return scale.metadata.name, scale.spec.replicas, scale.status.replicas, layout.created(scale, now)


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    batchv1.Job: layout.layout(f"Name|Status|Completions|Duration|Age|{layout.WORKLOAD}", _job),
    batchv1.CronJob: layout.layout(
        f"Name|Schedule|Timezone|Suspend:boolean|Active:integer|Last Schedule|Age|{layout.WORKLOAD}", _cronjob
    ),
    autoscalingv2.HorizontalPodAutoscaler: layout.layout(
        "Name|Reference|Targets|MinPods|MaxPods|Replicas|Age", _autoscaler
    ),
    autoscalingv1.Scale: layout.layout("Name:string/|Desired:integer|Available:integer|Age", _scale),
    policyv1.PodDisruptionBudget: layout.layout(
        "Name|Min Available|Max Unavailable|Allowed Disruptions:integer|Age", _budget
    ),
}
