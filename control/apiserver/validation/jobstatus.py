"""Rules on a Job's status: counts that only grow, conditions that fit together and stay. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from control.apiserver import field, notation
from control.apiserver.validation import jobs, workloads
from fairlead.api import conditions, indexes, times
from fairlead.api.pb import batch_v1_pb2 as batchv1

TERMINAL = ("Failed", "Complete", "FailureTarget")
# Two conditions that cannot both be True.
EXCLUSIVE = (
    ("Complete", "Failed", "cannot set Complete=True and Failed=true conditions"),
    ("Complete", "FailureTarget", "cannot set Complete=True and FailureTarget=true conditions"),
    ("SuccessCriteriaMet", "Failed", "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
    ("SuccessCriteriaMet", "FailureTarget", "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
)
# A condition and the one that must be True before it.
FIRST = (
    ("Failed", "FailureTarget", "cannot set Failed=True condition without the FailureTarget=true condition"),
    (
        "Complete",
        "SuccessCriteriaMet",
        "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
    ),
)


def _has(job: batchv1.Job, kind: str) -> bool:
    return conditions.is_true(job.status.conditions, kind)


def validate(job: batchv1.Job) -> field.Faults:
    """Judge a status by itself and against the spec."""
    status = job.status
    faults = workloads.counts(status, ("active", "succeeded", "failed", "ready", "terminating"))
    faults += _uncounted(status)
    at = "status.conditions"
    faults += [field.invalid(at, field.OMITTED, text) for a, b, text in EXCLUSIVE if _has(job, a) and _has(job, b)]
    faults += [field.invalid(at, field.OMITTED, text) for a, b, text in FIRST if _has(job, a) and not _has(job, b)]
    faults += _times(job)
    if _has(job, "Complete") or _has(job, "Failed"):
        faults += _finished(status)
    if status.HasField("ready") and status.ready > status.active:
        faults.append(field.invalid("status.ready", status.ready, "cannot set more ready pods than active"))
    return faults + list(_indexes(job))


def _uncounted(status: batchv1.JobStatus) -> field.Faults:
    faults: field.Faults = []
    seen: set[str] = set()
    for part in ("succeeded", "failed"):
        for index, uid in enumerate(getattr(status.uncountedTerminatedPods, part)):
            at = f"status.uncountedTerminatedPods.{part}[{index}]"
            if not uid:
                faults.append(field.invalid(at, uid, "must not be empty"))
            elif uid in seen:
                faults.append(field.duplicate(at, uid))
            seen.add(uid)
    return faults


def _times(job: batchv1.Job) -> field.Faults:
    status, complete = job.status, _has(job, "Complete")
    at = "status.completionTime"
    if not status.HasField("completionTime"):
        return [field.required(at, "completionTime is required for Complete jobs")] if complete else []
    shown = times.format_seconds(status.completionTime.seconds)
    faults: field.Faults = []
    if not complete:
        text = "cannot set completionTime when there is no Complete=True condition"
        faults.append(field.invalid(at, field.Raw(shown), text))
    if status.HasField("startTime") and status.completionTime.seconds < status.startTime.seconds:
        faults.append(field.invalid(at, field.Raw(shown), "must be equal to or after `startTime`"))
    return faults


def _finished(status: batchv1.JobStatus) -> field.Faults:
    faults: field.Faults = []
    for name in ("active", "terminating"):
        value = getattr(status, name)
        if value > 0:
            faults.append(field.invalid(f"status.{name}", value, f"{name}>0 is invalid for finished job"))
    if not status.HasField("startTime"):
        faults.append(field.required("status.startTime", "startTime is required for finished job"))
    uncounted = status.uncountedTerminatedPods
    if uncounted.failed or uncounted.succeeded:
        shown = notation.struct(uncounted)
        faults.append(field.invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job"))
    return faults


def _indexes(job: batchv1.Job) -> Iterator[field.Cause]:
    """Judge the lists of completed and failed indexes."""
    spec, status = job.spec, job.status
    parsed: dict[str, indexes.Intervals] = {}
    for name in ("completedIndexes", "failedIndexes"):
        text = getattr(status, name)
        if spec.HasField("completions"):
            try:
                parsed[name] = indexes.parse(text, spec.completions)
            except ValueError as error:
                yield field.invalid(f"status.{name}", text, f"error parsing {name}: {error}")
    if status.completedIndexes and spec.completionMode != jobs.INDEXED:
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield field.invalid("status.completedIndexes", status.completedIndexes, text)
    if status.HasField("failedIndexes") and not spec.HasField("backoffLimitPerIndex"):
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield field.invalid("status.failedIndexes", status.failedIndexes, text)
    common = indexes.overlap(parsed.get("completedIndexes", ()), parsed.get("failedIndexes", ()))
    if common is not None:
        text = f"failedIndexes and completedIndexes overlap at index: {common}"
        yield field.invalid("status.failedIndexes", status.failedIndexes, text)


def validate_update(job: batchv1.Job, old: batchv1.Job) -> field.Faults:
    """Judge what a new status takes back."""
    status, before = job.status, old.status
    faults: field.Faults = []
    at = "status.conditions"
    for kind in TERMINAL:
        if _has(old, kind) and not _has(job, kind):
            faults.append(field.invalid(at, field.OMITTED, f"cannot disable the terminal {kind}=True condition"))
    for name in ("failed", "succeeded"):
        value = getattr(status, name)
        if value < getattr(before, name):
            faults.append(field.invalid(f"status.{name}", value, f"cannot decrease the {name} counter"))
    both = before.HasField("completionTime") and status.HasField("completionTime")
    if both and status.completionTime.seconds != before.completionTime.seconds:
        shown = times.format_seconds(status.completionTime.seconds)
        faults.append(field.invalid("status.completionTime", field.Raw(shown), "field is immutable"))
    changed = before.HasField("startTime") and status.startTime != before.startTime
    if changed and not job.spec.suspend:
        shown = times.format_seconds(status.startTime.seconds) if status.HasField("startTime") else "null"
        text = "field is immutable for unsuspended job once set"
        faults.append(field.invalid("status.startTime", field.Raw(shown), text))
    met = "SuccessCriteriaMet"
    if _has(old, met) and not _has(job, met):
        faults.append(field.invalid(at, field.OMITTED, "cannot disable the SuccessCriteriaMet=True condition"))
    if _has(old, "Complete") and not _has(old, met) and _has(job, met):
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        faults.append(field.invalid(at, field.OMITTED, text))
    return faults
