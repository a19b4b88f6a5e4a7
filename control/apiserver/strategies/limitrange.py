"""LimitRanges: bounds and defaults for what containers, pods and claims ask for."""

from __future__ import annotations

import uuid

from control.apiserver import field
from control.apiserver.defaults import podspec
from control.apiserver.strategies import strategy
from control.apiserver.validation import limits
from fairlead.api.pb import core_v1_pb2 as corev1


class LimitRangeStrategy(strategy.Strategy[corev1.LimitRange]):
    """The rules of LimitRanges."""

    message = corev1.LimitRange
    created_by_update = True

    def default(self, obj: corev1.LimitRange) -> None:
        """Fill in a container's defaults: the limit from the maximum, the request from the limit or the minimum."""
        for item in obj.spec.limits:
            for part in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
                podspec.canonical(getattr(item, part))
            if item.type != "Container":
                continue
            default, request = item.default, item.defaultRequest
            for name, amount in item.max.items():
                if name not in default:
                    default[name].CopyFrom(amount)
            for name, amount in default.items():
                if name not in request:
                    request[name].CopyFrom(amount)
            for name, amount in item.min.items():
                if name not in request:
                    request[name].CopyFrom(amount)

    def prepare_for_create(self, obj: corev1.LimitRange) -> None:
        """Name it after a new uid where nobody has named it."""
        obj.metadata.name = obj.metadata.name or str(uuid.uuid4())

    def validate(self, obj: corev1.LimitRange) -> field.Faults:
        """Judge that the bounds fit together."""
        return limits.limit_range(obj.spec, "spec.limits")
