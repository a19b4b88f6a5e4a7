"""StatefulSets: defaults of rollout and claims, and the few fields that an update may change."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field, notation
from control.apiserver.advice import podspec as advice
from control.apiserver.advice import volumes
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import persistentvolumeclaim, strategy
from control.apiserver.validation import meta, names, numbers, workloads
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
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
MUTABLE_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
NO_LIMIT = "MaxUnavailable:(*intstr.IntOrString)(nil)"
COUNTED = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


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

    def name_rule(self, name: str) -> names.Found:
        """Return what is wrong with a name, which becomes the start of its pods' host names."""
        return names.label(name)

    def prepare_for_create(self, obj: appsv1.StatefulSet) -> None:
        """Start at generation 1 without status; leave out the most pods that may be missing, which is alpha."""
        super().prepare_for_create(obj)
        _drop_alpha(obj.spec)

    def prepare_for_update(self, obj: appsv1.StatefulSet, old: appsv1.StatefulSet) -> None:
        """Keep the status; count the generation; leave out what is alpha."""
        _drop_alpha(obj.spec)
        super().prepare_for_update(obj, old)

    def advise(self, obj: appsv1.StatefulSet, old: appsv1.StatefulSet | None) -> Iterable[str]:
        """Warn of what is odd in a template that is new or has changed, and of claims."""
        if old is None or obj.metadata.generation != old.metadata.generation:
            yield from advice.template(obj.spec.template, "spec.template")
        for index, claim in enumerate(obj.spec.volumeClaimTemplates):
            part = "" if old is None else ".Spec"  # as Kubernetes has it
            yield from volumes.claim(claim.spec, f"spec.volumeClaimTemplates[{index}]{part}")

    def validate(self, obj: appsv1.StatefulSet) -> field.Faults:
        """Judge a StatefulSet; its template's spec is judged with each pod, as in Kubernetes."""
        spec = obj.spec
        faults: field.Faults = []
        if spec.podManagementPolicy not in MANAGEMENT:
            text = f"must be '{MANAGEMENT[0]}' or '{MANAGEMENT[1]}'"
            faults.append(field.invalid("spec.podManagementPolicy", spec.podManagementPolicy, text))
        faults += _rollout(spec.updateStrategy)
        for part in ("whenDeleted", "whenScaled"):
            policy = getattr(spec.persistentVolumeClaimRetentionPolicy, part)
            if policy not in RETENTION:
                at = f"spec.persistentVolumeClaimRetentionPolicy.{part}"
                faults.append(field.unsupported(at, policy, RETENTION))
        faults += numbers.not_negative("spec.replicas", spec.replicas)
        faults += numbers.not_negative("spec.minReadySeconds", spec.minReadySeconds)
        faults += numbers.not_negative("spec.ordinals.start", spec.ordinals.start)
        faults += workloads.selector(spec, "statefulset")
        if workloads.is_selector(spec):
            faults += workloads.mismatch(spec)
            faults += meta.labels(spec.template.metadata.labels, "spec.template.labels")
            faults += meta.annotated(spec.template.metadata.annotations, "spec.template.annotations")
        else:
            faults.append(field.invalid("spec.selector", notation.selector(spec.selector), ""))
        return faults + workloads.runs_for_ever(spec.template, "StatefulSet")

    def validate_update(self, obj: appsv1.StatefulSet, old: appsv1.StatefulSet) -> field.Faults:
        """Judge the new spec and what changes: replicas, template and a few more may."""
        faults = self.validate(obj)
        mine, theirs = objects.copy(obj), objects.copy(old)
        for one in (mine, theirs):
            for name in MUTABLE:
                one.spec.ClearField(name)
        if not strategy.same(mine.spec, theirs.spec):
            faults.append(field.forbidden("spec", MUTABLE_TEXT))
        return faults

    def validate_status_update(self, obj: appsv1.StatefulSet, old: appsv1.StatefulSet) -> field.Faults:
        """Judge a new status: counts that fit together."""
        faults = workloads.counts(obj.status, (*COUNTED, "observedGeneration", "collisionCount"))
        faults += workloads.within(obj.status, COUNTED[1:], "replicas")
        faults += workloads.within(obj.status, ("availableReplicas",), "readyReplicas")
        return faults + workloads.not_decremented(obj.status, old.status)


def _drop_alpha(spec: appsv1.StatefulSetSpec) -> None:
    if spec.updateStrategy.rollingUpdate.HasField("maxUnavailable"):
        spec.updateStrategy.rollingUpdate.ClearField("maxUnavailable")


def _rollout(value: appsv1.StatefulSetUpdateStrategy) -> field.Faults:
    path = "spec.updateStrategy"
    if value.type == "OnDelete":
        if value.HasField("rollingUpdate"):
            partition = value.rollingUpdate.partition
            shown = field.Raw(f"apps.RollingUpdateStatefulSetStrategy{{Partition:{partition}, {NO_LIMIT}}}")
            text = "only allowed for updateStrategy 'RollingUpdate'"
            return [field.invalid(f"{path}.rollingUpdate", shown, text)]
        return []
    if value.type != "RollingUpdate":
        shown = workloads.shown_strategy("StatefulSetUpdateStrategy", "RollingUpdateStatefulSetStrategy", value)
        return [field.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")]
    return numbers.not_negative(f"{path}.rollingUpdate.partition", value.rollingUpdate.partition)
