"""Rules on CronJobs: schedule, time zone, the Job that is made. Pure."""

from __future__ import annotations

import re

from control.apiserver import field, notation
from control.apiserver.validation import jobs, numbers
from fairlead.api import cron
from fairlead.api.pb import batch_v1_pb2 as batchv1

NAME_LENGTH = 52  # 63 without the `-` and the ten digits of a Job's time
POLICIES = ("Allow", "Forbid", "Replace")
EXPLICIT = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")


def validate(spec: batchv1.CronJobSpec, old: batchv1.CronJobSpec | None, path: str) -> field.Faults:
    """Judge a CronJob's spec; what it had before may keep a time zone in the schedule."""
    faults: field.Faults = []
    if not spec.schedule:
        faults.append(field.required(f"{path}.schedule"))
    else:
        faults += _schedule(spec, old is not None and "TZ" in old.schedule, f"{path}.schedule")
    faults += numbers.not_negative(f"{path}.startingDeadlineSeconds", spec.startingDeadlineSeconds)
    if spec.HasField("timeZone") and (old is None or not old.HasField("timeZone") or old.timeZone != spec.timeZone):
        faults += _zone(spec.timeZone, f"{path}.timeZone")
    if not spec.concurrencyPolicy:
        faults.append(field.required(f"{path}.concurrencyPolicy"))
    elif spec.concurrencyPolicy not in POLICIES:
        faults.append(field.unsupported(f"{path}.concurrencyPolicy", spec.concurrencyPolicy, POLICIES))
    faults += _job(spec.jobTemplate.spec, f"{path}.jobTemplate.spec")
    faults += numbers.not_negative(f"{path}.successfulJobsHistoryLimit", spec.successfulJobsHistoryLimit)
    return faults + numbers.not_negative(f"{path}.failedJobsHistoryLimit", spec.failedJobsHistoryLimit)


def _schedule(spec: batchv1.CronJobSpec, had_zone: bool, path: str) -> field.Faults:
    faults: field.Faults = []
    try:
        cron.parse(spec.schedule)
    except cron.ScheduleError as error:
        faults.append(field.invalid(path, spec.schedule, str(error)))
    if "TZ" not in spec.schedule:
        return faults
    if not had_zone:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        faults.append(field.invalid(path, spec.schedule, text))
    elif spec.HasField("timeZone"):
        text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        faults.append(field.invalid(path, spec.schedule, text))
    return faults


def _zone(name: str, path: str) -> field.Faults:
    if not name:
        return [field.invalid(path, name, "timeZone must be nil or non-empty string")]
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            return [field.invalid(path, name, f"unknown time zone {name}")]
    faults = [field.invalid(path, name, EXPLICIT)] if name.lower() == "local" else []
    if name != "Local" and not cron.is_zone(name):
        faults.append(field.invalid(path, name, f"unknown time zone {name}"))
    return faults


def _job(spec: batchv1.JobSpec, path: str) -> field.Faults:
    faults = jobs.unselected(spec, path)
    if spec.HasField("selector"):
        text = "`selector` will be auto-generated"
        faults.append(field.invalid(f"{path}.selector", notation.selector(spec.selector), text))
    if spec.manualSelector:
        faults.append(field.unsupported(f"{path}.manualSelector", True, ("nil", "false")))
    return faults
