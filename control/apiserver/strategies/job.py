"""Jobs: defaults, the selector that the server makes, and what stays once a Job is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from control.apiserver import field
from control.apiserver.advice import podspec as advice
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import strategy
from control.apiserver.validation import jobs, jobstatus
from fairlead.api.pb import batch_v1_pb2 as batchv1

BACKOFF = 6
UNLIMITED = 2**31 - 1  # the backoff limit of a Job that limits each index instead

MANY_INDEXES, MANY_AT_ONCE = 100_000, 10_000
TOO_MANY = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4,"
    " Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
)


class JobStrategy(strategy.SpecStrategy[batchv1.Job]):
    """The rules of Jobs."""

    message = batchv1.Job
    selectable: ClassVar = {"status.successful": lambda job: str(job.status.succeeded)}
    orphans_by_default = True

    def default(self, obj: batchv1.Job) -> None:
        """Fill in counts, limits, modes and the template's defaults."""
        spec = obj.spec
        if not spec.HasField("parallelism"):
            if not spec.HasField("completions"):
                spec.completions = 1
            spec.parallelism = 1
        if not spec.HasField("backoffLimit"):
            spec.backoffLimit = UNLIMITED if spec.HasField("backoffLimitPerIndex") else BACKOFF
        if not obj.metadata.labels:
            obj.metadata.labels.update(spec.template.metadata.labels)
        if not spec.HasField("completionMode"):
            spec.completionMode = "NonIndexed"
        if not spec.HasField("suspend"):
            spec.suspend = False
        if not spec.HasField("manualSelector"):
            spec.manualSelector = False
        if not spec.HasField("podReplacementPolicy"):
            failures = spec.HasField("podFailurePolicy")
            spec.podReplacementPolicy = "Failed" if failures else "TerminatingOrFailed"
        fill_template(spec)

    def prepare_for_create(self, obj: batchv1.Job) -> None:
        """Start at generation 1 without status, with a selector of its own unless the user makes it."""
        super().prepare_for_create(obj)
        if not obj.spec.manualSelector:
            jobs.select(obj)

    def advise(self, obj: batchv1.Job, old: batchv1.Job | None) -> Iterable[str]:
        """Warn of what is odd in a spec that is new or has changed, and of its name."""
        if old is None:
            yield from advice.name(obj.metadata.name, advice.IN_NAMES)
        if old is None or obj.metadata.generation != old.metadata.generation:
            yield from advised(obj.spec, "spec")

    def validate(self, obj: batchv1.Job) -> field.Faults:
        """Judge a new Job."""
        faults = jobs.generated(obj)
        faults += jobs.validate(obj.spec, "spec")
        return faults + jobs.hostnames(obj)

    def validate_update(self, obj: batchv1.Job, old: batchv1.Job) -> field.Faults:
        """Judge what changes: parallelism, limits and suspension may."""
        return self.validate(obj) + jobs.validate_update(obj, old)

    def validate_status_update(self, obj: batchv1.Job, old: batchv1.Job) -> field.Faults:
        """Judge a new status."""
        return jobstatus.validate(obj, old) + jobstatus.validate_update(obj, old)


def advised(spec: batchv1.JobSpec, path: str) -> Iterator[str]:
    """Iterate over what is to be said of a Job's spec."""
    if spec.completionMode == "Indexed" and spec.completions > MANY_INDEXES and spec.parallelism > MANY_AT_ONCE:
        yield f"{path}: {TOO_MANY}"
    yield from advice.template(spec.template, f"{path}.template")


def fill_template(spec: batchv1.JobSpec) -> None:
    """Fill in what a Job and a CronJob's template of one both get."""
    for rule in spec.podFailurePolicy.rules:
        for pattern in rule.onPodConditions:
            pattern.status = pattern.status or "True"
    defaults.fill(spec.template.spec)
