"""HorizontalPodAutoscalers, as autoscaling/v2 has them: what is measured, and how fast replicas may change."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import autoscaling, workloads
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2

CPU_PERCENT = 80
PERIOD_SECONDS = 15
LEAST_PODS = 4
PERCENT = 100


class HorizontalPodAutoscalerStrategy(strategy.Strategy[autoscalingv2.HorizontalPodAutoscaler]):
    """The rules of HorizontalPodAutoscalers."""

    message = autoscalingv2.HorizontalPodAutoscaler

    def default(self, obj: autoscalingv2.HorizontalPodAutoscaler) -> None:
        """Fill in the least replicas, a CPU metric where there is none, and a behavior that was begun."""
        spec = obj.spec
        if not spec.HasField("minReplicas"):
            spec.minReplicas = 1
        if not spec.metrics:
            metric = spec.metrics.add(type="Resource")
            metric.resource.name = "cpu"
            metric.resource.target.type = "Utilization"
            metric.resource.target.averageUtilization = CPU_PERCENT
        if spec.HasField("behavior"):
            up = spec.behavior.scaleUp
            if not up.HasField("stabilizationWindowSeconds"):
                up.stabilizationWindowSeconds = 0
            _rules(up, (("Pods", LEAST_PODS), ("Percent", PERCENT)))
            _rules(spec.behavior.scaleDown, (("Percent", PERCENT),))

    def prepare_for_create(self, obj: autoscalingv2.HorizontalPodAutoscaler) -> None:
        """Start without status."""
        strategy.drop_status(obj)

    def prepare_for_update(
        self, obj: autoscalingv2.HorizontalPodAutoscaler, old: autoscalingv2.HorizontalPodAutoscaler
    ) -> None:
        """Keep the status."""
        strategy.keep_status(obj, old)

    def validate(self, obj: autoscalingv2.HorizontalPodAutoscaler) -> field.Faults:
        """Judge an autoscaler."""
        return autoscaling.validate(obj.spec, "spec")

    def validate_status_update(
        self, obj: autoscalingv2.HorizontalPodAutoscaler, old: autoscalingv2.HorizontalPodAutoscaler
    ) -> field.Faults:
        """Judge a new status: no count is negative."""
        return workloads.counts(obj.status, ("currentReplicas", "desiredReplicas"))


def _rules(rules: autoscalingv2.HPAScalingRules, policies: tuple[tuple[str, int], ...]) -> None:
    """Fill in what rules for one direction leave out."""
    if not rules.HasField("selectPolicy"):
        rules.selectPolicy = "Max"
    if not rules.policies:
        for kind, value in policies:
            rules.policies.add(type=kind, value=value, periodSeconds=PERIOD_SECONDS)
