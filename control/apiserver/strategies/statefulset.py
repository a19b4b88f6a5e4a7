"""StatefulSets: defaults of rollout and claims, and the few fields that an update may change."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field, notation
from control.apiserver.advice import podspec as advice
from control.apiserver.advice import volumes
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import persistentvolumeclaim, strategy
from control.apiserver.validation import meta, numbers, workloads
from fairlead.api import objects
from fairlead.api.pb import apps_v1_pb2 as appsv1

REVISION_HISTORY = 10
MANAGEMENT = ("OrderedReady", "Parallel")
RETENTION = ("Retain", "Delete")
MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
MUTABLE_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)

KEEPS_ALL = "a negative value retains all historical revisions; a value >= 0 is recommended"


class StatefulSetStrategy(strategy.SpecStrategy[appsv1.StatefulSet]):
    """The rules of StatefulSets."""

    message = appsv1.StatefulSet

    def default(self, obj: appsv1.StatefulSet) -> None:
        """Fill in what a StatefulSet leaves out, its template's and its claims' defaults among it."""
        spec = obj.spec
        spec.podManagementPolicy = spec.podManagementPolicy or "OrderedReady"
        if not spec.updateStrategy.type:
            spec.updateStrategy.type = "RollingUpdate"
            if not spec.updateStrategy.HasField("rollingUpdate"):
                spec.updateStrategy.rollingUpdate.partition = 0
        rolling = spec.updateStrategy.rollingUpdate
        given = spec.updateStrategy.type == "RollingUpdate" and spec.updateStrategy.HasField("rollingUpdate")
        if given and not rolling.HasField("partition"):
            rolling.partition = 0
        retention = spec.persistentVolumeClaimRetentionPolicy
        retention.whenDeleted = retention.whenDeleted or "Retain"
        retention.whenScaled = retention.whenScaled or "Retain"
        if not spec.HasField("replicas"):
            spec.replicas = 1
        if not spec.HasField("revisionHistoryLimit"):
            spec.revisionHistoryLimit = REVISION_HISTORY
        defaults.fill(spec.template.spec)
        for claim in spec.volumeClaimTemplates:
            persistentvolumeclaim.fill(claim)

    def advise(self, obj: appsv1.StatefulSet, old: appsv1.StatefulSet | None) -> Iterable[str]:
        """Warn of what is odd in a template that is new or has changed, and of claims and revisions."""
        if old is None or obj.metadata.generation != old.metadata.generation:
            yield from advice.template(obj.spec.template, "spec.template")
        for index, claim in enumerate(obj.spec.volumeClaimTemplates):
            part = "" if old is None else ".Spec"  # as Kubernetes has it
            yield from volumes.claim(claim.spec, f"spec.volumeClaimTemplates[{index}]{part}")
        if obj.spec.revisionHistoryLimit < 0:
            yield f"spec.revisionHistoryLimit: {KEEPS_ALL}"

    def validate(self, obj: appsv1.StatefulSet) -> field.Faults:
        """Judge a StatefulSet; its template's spec is judged with each pod, as in Kubernetes."""
        spec = obj.spec
        faults: field.Faults = []
        if spec.podManagementPolicy not in MANAGEMENT:
            text = f"must be '{MANAGEMENT[0]}' or '{MANAGEMENT[1]}'"
            faults.append(field.invalid("spec.podManagementPolicy", spec.podManagementPolicy, text))
        faults += _rollout(spec.updateStrategy)
        faults += self._mutable(obj)
        faults += workloads.selector(spec, "spec.selector", "statefulset")
        if not faults:
            faults += workloads.mismatch(spec.selector, spec.template)
        faults += meta.labels(spec.template.metadata.labels, "spec.template.labels")
        faults += meta.annotated(spec.template.metadata.annotations, "spec.template.annotations")
        return faults + workloads.runs_for_ever(spec.template, "StatefulSet")

    def _mutable(self, obj: appsv1.StatefulSet) -> field.Faults:
        """Judge the numbers and policies that an update may change."""
        spec = obj.spec
        faults: field.Faults = []
        for part in ("whenDeleted", "whenScaled"):
            policy = getattr(spec.persistentVolumeClaimRetentionPolicy, part)
            if policy not in RETENTION:
                at = f"spec.persistentVolumeClaimRetentionPolicy.{part}"
                faults.append(field.unsupported(at, policy, RETENTION))
        faults += numbers.not_negative("spec.replicas", spec.replicas)
        faults += numbers.not_negative("spec.minReadySeconds", spec.minReadySeconds)
        faults += numbers.not_negative("spec.ordinals.start", spec.ordinals.start)
        return faults

    def validate_update(self, obj: appsv1.StatefulSet, old: appsv1.StatefulSet) -> field.Faults:
        """Judge what changes: replicas, template and a few more may."""
        faults: field.Faults = []
        mine, theirs = objects.copy(obj), objects.copy(old)
        for one in (mine, theirs):
            for name in MUTABLE:
                one.spec.ClearField(name)
        if not strategy.same(mine.spec, theirs.spec):
            faults.append(field.forbidden("spec", MUTABLE_TEXT))
        return faults + self._mutable(obj)

    def validate_status_update(self, obj: appsv1.StatefulSet, old: appsv1.StatefulSet) -> field.Faults:
        """Judge a new status: counts that fit together."""
        parts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        faults = workloads.replica_counts(obj.status, *parts)
        faults += workloads.counts(obj.status, ("collisionCount",))
        return faults + workloads.not_decremented(obj.status, old.status)


def _rollout(value: appsv1.StatefulSetUpdateStrategy) -> field.Faults:
    path = "spec.updateStrategy"
    if value.type == "OnDelete":
        if value.HasField("rollingUpdate"):
            shown = notation.struct(value.rollingUpdate)
            text = "only allowed for updateStrategy 'RollingUpdate'"
            return [field.invalid(f"{path}.rollingUpdate", shown, text)]
        return []
    if value.type != "RollingUpdate":
        return [field.invalid(path, notation.struct(value), "must be 'RollingUpdate' or 'OnDelete'")]
    rolling = value.rollingUpdate
    faults = numbers.not_negative(f"{path}.rollingUpdate.partition", rolling.partition)
    if rolling.HasField("maxUnavailable"):
        at = f"{path}.rollingUpdate.maxUnavailable"
        faults += numbers.int_or_percent(at, rolling.maxUnavailable)
        if numbers.is_zero(rolling.maxUnavailable):
            faults.append(field.invalid(at, notation.int_or_string(rolling.maxUnavailable), "cannot be 0"))
        faults += numbers.over_hundred_percent(at, rolling.maxUnavailable)
    return faults
