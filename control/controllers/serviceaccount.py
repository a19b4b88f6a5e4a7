"""Two controllers that give every namespace something: the ServiceAccount `default`, and the cluster's CA."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from control.controllers import framework
from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1

DEFAULT_ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
ROOT_CA_KEY = "ca.crt"
DESCRIPTION = "kubernetes.io/description"
ROOT_CA_TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class _PerNamespace(framework.Controller):
    """Looks at every namespace that is not being deleted."""

    workers = 2

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._namespaces = context.informers.of(corev1.Namespace)
        self._namespaces.add_handler(self._namespace_changed)

    def keys(self) -> Iterable[str]:
        return [each.metadata.name for each in self._namespaces.list()]

    def _namespace_changed(self, change: str, old: corev1.Namespace | None, new: corev1.Namespace | None) -> None:
        if new is not None and old is None:
            self.enqueue(new.metadata.name)

    def _is_wanted(self, key: str) -> bool:
        namespace = self._namespaces.get(key)
        return namespace is not None and not namespace.metadata.HasField("deletionTimestamp")


class ServiceAccountController(_PerNamespace):
    """Gives each namespace the account `default`, again if it is deleted."""

    name = "service-account-controller"

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._accounts = context.informers.of(corev1.ServiceAccount)
        self._accounts.add_handler(self._account_changed)

    def _account_changed(
        self, change: str, old: corev1.ServiceAccount | None, new: corev1.ServiceAccount | None
    ) -> None:
        if new is None and old is not None and old.metadata.name == DEFAULT_ACCOUNT:
            self.enqueue(old.metadata.namespace)

    async def reconcile(self, key: str) -> framework.Result:
        if not self._is_wanted(key):
            return framework.nothing("gone")
        if self._accounts.get(DEFAULT_ACCOUNT, key) is not None:
            return framework.nothing("has its account")
        account = corev1.ServiceAccount()
        account.metadata.name, account.metadata.namespace = DEFAULT_ACCOUNT, key
        with contextlib.suppress(errors.AlreadyExists):
            self.wrote(key, await self.client.create(account))
        return framework.Result("gave it the account default")


class RootCaPublisher(_PerNamespace):
    """Gives each namespace the cluster's CA certificate, and puts it right if someone changes it."""

    name = "root-ca-cert-publisher"

    def __init__(self, context: framework.Context, root_ca: str) -> None:
        super().__init__(context)
        self._root_ca = root_ca
        self._configs = context.informers.of(corev1.ConfigMap)
        self._configs.add_handler(self._config_changed)

    def _config_changed(self, change: str, old: corev1.ConfigMap | None, new: corev1.ConfigMap | None) -> None:
        config = new if new is not None else old
        if config is not None and config.metadata.name == ROOT_CA and change != "ADDED":
            self.enqueue(config.metadata.namespace)

    async def reconcile(self, key: str) -> framework.Result:
        if not self._is_wanted(key):
            return framework.nothing("gone")
        config = self._configs.get(ROOT_CA, key)
        if config is not None and dict(config.data) == {ROOT_CA_KEY: self._root_ca}:
            return framework.nothing("has the certificate")
        fresh = objects.copy(config) if config is not None else corev1.ConfigMap()
        fresh.metadata.name, fresh.metadata.namespace = ROOT_CA, key
        fresh.metadata.annotations[DESCRIPTION] = ROOT_CA_TEXT
        fresh.data.clear()
        fresh.data[ROOT_CA_KEY] = self._root_ca
        if config is None:
            with contextlib.suppress(errors.AlreadyExists):
                self.wrote(key, await self.client.create(fresh))
        else:
            self.wrote(key, await self.client.update(fresh))
        return framework.Result("published the certificate")
