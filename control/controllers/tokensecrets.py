"""Tokens in Secrets: those of type kubernetes.io/service-account-token are filled in, and go with their account.

With `give`, as Kubernetes 1.20 did, each account gets such a Secret and lists it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from control.controllers import framework
from fairlead.api import errors, objects
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
TOKEN, CA, NAMESPACE = "token", "ca.crt", "namespace"
LIFETIME_SECONDS = 1 << 32  # the longest that a token lives; it dies with its Secret


class TokenSecretController(framework.Controller):
    """Fills in tokens; one key a service account."""

    name = "tokens-controller"
    workers = 2

    def __init__(self, context: framework.Context, root_ca: str, *, give: bool = False) -> None:
        super().__init__(context)
        self._root_ca = root_ca
        self._give = give
        self._deleted: dict[str, set[str]] = {}  # names by account, until they are off its list
        self._accounts = context.informers.of(corev1.ServiceAccount)
        self._secrets = context.informers.of(corev1.Secret)
        self._accounts.add_handler(self._account_changed)
        self._secrets.add_handler(self._secret_changed)
        self._secrets.add_index("account of token", _account_of)

    def keys(self) -> Iterable[str]:
        """Return every account, and those that Secrets name."""
        yield from (objects.key_of(one) for one in self._accounts.list())
        for secret in self._secrets.list():
            yield from _account_of(secret)

    def _account_changed(
        self, change: str, old: corev1.ServiceAccount | None, new: corev1.ServiceAccount | None
    ) -> None:
        account = new if new is not None else old
        if account is not None:
            self.enqueue(objects.key_of(account))

    def _secret_changed(self, change: str, old: corev1.Secret | None, new: corev1.Secret | None) -> None:
        secret = new if new is not None else old
        if secret is not None:
            for key in _account_of(secret):
                if new is None:
                    self._deleted.setdefault(key, set()).add(secret.metadata.name)
                self.enqueue(key)

    async def reconcile(self, key: str) -> framework.Result:
        """Bring the token Secrets of one account in order."""
        namespace, name = objects.split_key(key)
        account = self._accounts.get(name, namespace)
        secrets = list(self._secrets.by_index("account of token", key))
        if account is None or account.metadata.HasField("deletionTimestamp"):
            self._deleted.pop(key, None)
            return await self._forget(key, secrets)
        filled = [secret.metadata.name for secret in secrets if await self._fill(key, account, secret)]
        if filled:
            return framework.Result(f"filled in {', '.join(filled)}")
        if gone := self._deleted.get(key, set()) & {one.name for one in account.secrets}:
            return await self._strike(key, account, gone)
        if self._give and not secrets:
            return await self._give_one(key, account)
        return framework.nothing("has its tokens")

    async def _strike(self, key: str, account: corev1.ServiceAccount, gone: set[str]) -> framework.Result:
        """Take Secrets that were deleted from an account's list."""
        fresh = objects.copy(account)
        kept = [one for one in account.secrets if one.name not in gone]
        del fresh.secrets[:]
        fresh.secrets.extend(kept)
        self.wrote(key, await self.client.update(fresh))
        self._deleted[key] -= gone
        return framework.Result(f"struck {', '.join(sorted(gone))} from its list")

    async def _forget(self, key: str, secrets: Iterable[corev1.Secret]) -> framework.Result:
        gone = []
        for secret in secrets:
            options = metav1.DeleteOptions()
            options.preconditions.uid = secret.metadata.uid
            with contextlib.suppress(errors.NotFound):
                await self.client.delete(
                    corev1.Secret, secret.metadata.name, secret.metadata.namespace, options=options
                )
            gone.append(secret.metadata.name)
        return framework.Result(f"deleted {', '.join(gone)}") if gone else framework.nothing("has no tokens")

    async def _fill(self, key: str, account: corev1.ServiceAccount, secret: corev1.Secret) -> bool:
        """Write what a Secret lacks; one for an account of the same name that is gone is deleted."""
        uid = secret.metadata.annotations.get(ACCOUNT_UID, "")
        if uid not in ("", account.metadata.uid):
            await self._forget(key, [secret])
            return True
        wanted = {CA: self._root_ca.encode(), NAMESPACE: secret.metadata.namespace.encode()}
        if uid and secret.data.get(TOKEN) and all(secret.data.get(part) == value for part, value in wanted.items()):
            return False
        fresh = objects.copy(secret)
        fresh.metadata.annotations[ACCOUNT_UID] = account.metadata.uid
        fresh.data.update(wanted)
        if not secret.data.get(TOKEN):
            fresh.data[TOKEN] = (await self._token(account, secret)).encode()
        self.wrote(key, await self.client.update(fresh))
        return True

    async def _token(self, account: corev1.ServiceAccount, secret: corev1.Secret) -> str:
        request = authenticationv1.TokenRequest()
        request.spec.expirationSeconds = LIFETIME_SECONDS
        bound = request.spec.boundObjectRef
        bound.kind, bound.apiVersion = "Secret", "v1"
        bound.name, bound.uID = secret.metadata.name, secret.metadata.uid
        meta = account.metadata
        answer = await self.client.post(corev1.ServiceAccount, meta.name, meta.namespace, "token", request)
        return answer.status.token

    async def _give_one(self, key: str, account: corev1.ServiceAccount) -> framework.Result:
        secret = corev1.Secret(type=TYPE)
        meta = secret.metadata
        meta.namespace, meta.generateName = account.metadata.namespace, f"{account.metadata.name}-token-"
        meta.annotations.update({ACCOUNT_NAME: account.metadata.name, ACCOUNT_UID: account.metadata.uid})
        made = await self.client.create(secret)
        self.wrote(key, made)
        fresh = objects.copy(account)
        fresh.secrets.add(name=made.metadata.name)
        self.wrote(key, await self.client.update(fresh))
        return framework.Result(f"gave it {made.metadata.name}")


def _account_of(secret: corev1.Secret) -> tuple[str, ...]:
    """Index a token Secret by its account's key."""
    name = secret.metadata.annotations.get(ACCOUNT_NAME, "")
    return (f"{secret.metadata.namespace}/{name}",) if secret.type == TYPE and name else ()
