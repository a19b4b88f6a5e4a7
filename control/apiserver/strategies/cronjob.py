"""CronJobs: Jobs on a schedule."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field
from control.apiserver.advice import podspec as advice
from control.apiserver.strategies import job, strategy
from control.apiserver.validation import cronjobs
from fairlead.api.pb import batch_v1_pb2 as batchv1

SUCCESSFUL_KEPT = 3
FAILED_KEPT = 1

ZONE_IN_SCHEDULE = (
    "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see"
    " https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)


class CronJobStrategy(strategy.SpecStrategy[batchv1.CronJob]):
    """The rules of CronJobs."""

    message = batchv1.CronJob

    def default(self, obj: batchv1.CronJob) -> None:
        """Fill in the policy, how many Jobs are kept, and the pod template's defaults."""
        spec = obj.spec
        spec.concurrencyPolicy = spec.concurrencyPolicy or "Allow"
        if not spec.HasField("suspend"):
            spec.suspend = False
        if not spec.HasField("successfulJobsHistoryLimit"):
            spec.successfulJobsHistoryLimit = SUCCESSFUL_KEPT
        if not spec.HasField("failedJobsHistoryLimit"):
            spec.failedJobsHistoryLimit = FAILED_KEPT
        job.fill_template(spec.jobTemplate.spec)

    def advise(self, obj: batchv1.CronJob, old: batchv1.CronJob | None) -> Iterable[str]:
        """Warn of what is odd in a Job that is new or has changed, of the name, and of a zone in the schedule."""
        if old is None:
            yield from advice.name(obj.metadata.name, advice.IN_NAMES)
        if old is None or obj.metadata.generation != old.metadata.generation:
            yield from job.advised(obj.spec.jobTemplate.spec, "spec.jobTemplate.spec")
        if old is not None and "TZ" in obj.spec.schedule:
            yield ZONE_IN_SCHEDULE

    def validate(self, obj: batchv1.CronJob) -> field.Faults:
        """Judge a new CronJob, whose name becomes the start of its Jobs' names."""
        faults = cronjobs.validate(obj.spec, None, "spec")
        if len(obj.metadata.name) > cronjobs.NAME_LENGTH:
            text = f"must be no more than {cronjobs.NAME_LENGTH} characters"
            faults.append(field.invalid("metadata.name", obj.metadata.name, text))
        return faults

    def validate_update(self, obj: batchv1.CronJob, old: batchv1.CronJob) -> field.Faults:
        """Judge a changed CronJob."""
        return cronjobs.validate(obj.spec, old.spec, "spec")
