"""Rules on a Job's status: counts that only grow, conditions that fit together and stay. Pure.

As in Kubernetes most are asked only about what a write changes: a status that a change of the spec has made wrong may
be written for other reasons until the Job's controller puts it right.
"""

from __future__ import annotations

from collections.abc import Iterator

from control.apiserver import field, notation
from control.apiserver.validation import jobs, workloads
from fairlead.api import conditions, indexes
from fairlead.api.pb import batch_v1_pb2 as batchv1

TERMINAL = ("Failed", "Complete", "FailureTarget")
MET = "SuccessCriteriaMet"


def _has(job: batchv1.Job, kind: str) -> bool:
    return conditions.is_true(job.status.conditions, kind)


def _is_finished(job: batchv1.Job) -> bool:
    return _has(job, "Complete") or _has(job, "Failed")


class _Changes:
    """What differs between two statuses of a Job."""

    def __init__(self, job: batchv1.Job, old: batchv1.Job) -> None:
        self._job, self._old = job, old
        self.finished = _is_finished(job) != _is_finished(old)

    def conditions(self, *kinds: str) -> bool:
        """Say whether one of some conditions has come or gone."""
        return any(_has(self._job, kind) != _has(self._old, kind) for kind in kinds)

    def fields(self, *names: str) -> bool:
        """Say whether one of some fields has changed, or has come or gone."""
        return any(self._differs(name) for name in names)

    def _differs(self, name: str) -> bool:
        status, before = self._job.status, self._old.status
        if getattr(status, name) != getattr(before, name):
            return True
        tells = type(status).DESCRIPTOR.fields_by_name[name].has_presence
        return tells and status.HasField(name) != before.HasField(name)


def validate(job: batchv1.Job, old: batchv1.Job) -> field.Faults:
    """Judge a status by itself and against the spec, where it has changed."""
    status, changes = job.status, _Changes(job, old)
    faults = workloads.counts(status, ("active", "succeeded", "failed", "ready", "terminating"))
    faults += _uncounted(status)
    faults += _both(job, changes, "Complete", "Failed") + _both(job, changes, "Complete", "FailureTarget")
    faults += _times(job, changes)
    faults += _after(job, changes, "Failed", "FailureTarget") + _after(job, changes, "Complete", MET)
    if _is_finished(job):
        faults += _finished(status, changes)
    faults += _indexes(job, changes)
    if _is_finished(job) and status.terminating > 0 and (changes.finished or changes.fields("terminating")):
        text = "terminating>0 is invalid for finished job"
        faults.append(field.invalid("status.terminating", status.terminating, text))
    if status.HasField("ready") and status.ready > status.active and changes.fields("ready", "active"):
        faults.append(field.invalid("status.ready", status.ready, "cannot set more ready pods than active"))
    faults += _both(job, None, MET, "Failed") + _both(job, None, MET, "FailureTarget")
    if job.spec.HasField("successPolicy") and _has(job, "Complete") and not _has(job, MET):
        text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        faults.append(field.invalid("status.conditions", field.OMITTED, text))
    return faults


def _both(job: batchv1.Job, changes: _Changes | None, one: str, other: str) -> field.Faults:
    """Judge that two conditions are not True together; without `changes` also where neither has changed."""
    if not (_has(job, one) and _has(job, other)) or (changes is not None and not changes.conditions(one, other)):
        return []
    text = f"cannot set {one}=True and {other}=true conditions"
    return [field.invalid("status.conditions", field.OMITTED, text)]


def _after(job: batchv1.Job, changes: _Changes, kind: str, first: str) -> field.Faults:
    """Judge that a condition is True only where the one before it is."""
    if not _has(job, kind) or _has(job, first) or not changes.conditions(kind, first):
        return []
    text = f"cannot set {kind}=True condition without the {first}=true condition"
    return [field.invalid("status.conditions", field.OMITTED, text)]


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


def _times(job: batchv1.Job, changes: _Changes) -> field.Faults:
    status, complete = job.status, _has(job, "Complete")
    at, ended = "status.completionTime", changes.conditions("Complete") or changes.fields("completionTime")
    if not status.HasField("completionTime"):
        missing = complete and ended
        return [field.required(at, "completionTime is required for Complete jobs")] if missing else []
    shown = notation.time(status.completionTime)
    faults: field.Faults = []
    if not complete and ended:
        text = "cannot set completionTime when there is no Complete=True condition"
        faults.append(field.invalid(at, shown, text))
    early = status.HasField("startTime") and status.completionTime.seconds < status.startTime.seconds
    if early and changes.fields("startTime", "completionTime"):
        faults.append(field.invalid(at, shown, "must be equal to or after `startTime`"))
    return faults


def _finished(status: batchv1.JobStatus, changes: _Changes) -> field.Faults:
    faults: field.Faults = []
    if status.active > 0 and (changes.finished or changes.fields("active")):
        faults.append(field.invalid("status.active", status.active, "active>0 is invalid for finished job"))
    if not status.HasField("startTime") and (changes.finished or changes.fields("startTime")):
        faults.append(field.required("status.startTime", "startTime is required for finished job"))
    uncounted = status.uncountedTerminatedPods
    some = bool(uncounted.failed or uncounted.succeeded)
    if some and (changes.finished or changes.fields("uncountedTerminatedPods")):
        shown = notation.struct(uncounted)
        faults.append(field.invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job"))
    return faults


def _indexes(job: batchv1.Job, changes: _Changes) -> Iterator[field.Cause]:
    """Judge the lists of completed and failed indexes."""
    spec, status = job.spec, job.status
    done, failed = changes.fields("completedIndexes"), changes.fields("failedIndexes")
    limited = spec.HasField("backoffLimitPerIndex")
    parsed: dict[str, indexes.Intervals] = {}
    for name, judged in (("completedIndexes", done), ("failedIndexes", failed and limited)):
        if spec.HasField("completions"):
            try:
                parsed[name] = indexes.parse(getattr(status, name), spec.completions)
            except ValueError as error:
                if judged:
                    yield field.invalid(f"status.{name}", getattr(status, name), f"error parsing {name}: {error}")
    if done and status.completedIndexes and spec.completionMode != jobs.INDEXED:
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield field.invalid("status.completedIndexes", status.completedIndexes, text)
    if failed and status.HasField("failedIndexes") and not limited:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield field.invalid("status.failedIndexes", status.failedIndexes, text)
    common = indexes.overlap(parsed.get("completedIndexes", ()), parsed.get("failedIndexes", ()))
    if common is not None and (done or failed):
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
    scalable = job.spec.completionMode == jobs.INDEXED and job.spec.completions == job.spec.parallelism
    for name in ("failed",) if scalable else ("failed", "succeeded"):  # who scales down takes successes back
        value = getattr(status, name)
        if value < getattr(before, name):
            faults.append(field.invalid(f"status.{name}", value, f"cannot decrease the {name} counter"))
    both = before.HasField("completionTime") and status.HasField("completionTime")
    if both and status.completionTime.seconds != before.completionTime.seconds:
        shown = notation.time(status.completionTime)
        faults.append(field.invalid("status.completionTime", shown, "field is immutable"))
    changed = before.HasField("startTime") and status.startTime != before.startTime
    if changed and not job.spec.suspend:
        faults.append(field.required("status.startTime", "startTime cannot be removed for unsuspended job"))
    if _has(old, MET) and not _has(job, MET):
        faults.append(field.invalid(at, field.OMITTED, "cannot disable the SuccessCriteriaMet=True condition"))
    if _has(old, "Complete") and not _has(old, MET) and _has(job, MET):
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        faults.append(field.invalid(at, field.OMITTED, text))
    return faults
