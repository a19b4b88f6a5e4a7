"""DefaultTolerationSeconds: a pod stays a while on a node that is not ready or not reachable."""

from __future__ import annotations

from control.apiserver.admission import plugin
from fairlead.api import taints
from fairlead.api.pb import core_v1_pb2 as corev1

TOLERATION_SECONDS = 300


class DefaultTolerationSeconds(plugin.Plugin):
    """Lets a pod stay five minutes on a node that is not ready or not reachable, unless it says otherwise."""

    async def admit(self, request: plugin.Request) -> None:
        """Add the tolerations that a new pod lacks."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            return
        for taint in (taints.NOT_READY, taints.UNREACHABLE):
            if not any(_covers(one, taint) for one in pod.spec.tolerations):
                pod.spec.tolerations.add(
                    key=taint, operator="Exists", effect="NoExecute", tolerationSeconds=TOLERATION_SECONDS
                )


def _covers(toleration: corev1.Toleration, taint: str) -> bool:
    return toleration.key in (taint, "") and toleration.effect in ("NoExecute", "")
