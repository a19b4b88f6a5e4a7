"""CronJobs: Jobs on a schedule."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.strategies import job, strategy
from control.apiserver.validation import cronjobs
from fairlead.api.pb import batch_v1_pb2 as batchv1

SUCCESSFUL_KEPT = 3
FAILED_KEPT = 1


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
