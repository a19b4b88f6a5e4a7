"""ServiceAccounts: identities of pods."""

from __future__ import annotations

from control.apiserver.strategies import strategy
from fairlead.api.pb import core_v1_pb2 as corev1


class ServiceAccountStrategy(strategy.Strategy[corev1.ServiceAccount]):
    """The rules of ServiceAccounts: any metadata will do."""

    message = corev1.ServiceAccount
