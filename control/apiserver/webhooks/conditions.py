"""Match conditions of webhooks: whether one is asked at all about a request that its rules name. Pure.

Source: Kubernetes' documentation, "Dynamic Admission Control", match conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.apiserver import authz
from control.apiserver.admission import plugin
from control.apiserver.cel import authorizing
from control.apiserver.policies import compiling, evaluating, judging
from control.apiserver.webhooks import matching
from fairlead.api import scheme


def hold(
    hook: matching.Hook,
    request: plugin.Request,
    kind: scheme.Kind,
    shown: Sequence[Any],
    authorizer: authz.Authorizer,
) -> bool:
    """Say whether a webhook is to be asked; errors.Forbidden where a condition fails and the webhook fails closed.

    `shown` are the object and the old object at the version of `kind`.
    """
    if not hook.matchConditions:
        return True
    evaluation = evaluating.Evaluation(judging.values(request, kind, shown))
    try:
        with authorizing.asking(judging.asks(request, authorizer)):
            return evaluating.holds(compiling.conditions(hook.matchConditions), evaluation)
    except evaluating.Failure as failure:
        if hook.failurePolicy == compiling.IGNORE:
            return False
        raise request.forbidden(str(failure)) from None
