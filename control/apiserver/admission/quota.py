"""ResourceQuota: what a namespace may hold in all, charged before an object is stored.

A charge is a compare-and-swap of the quota's status, so that concurrent creations, also those of other processes,
never exceed it. Creations that wait for each other in one process are charged together. What was charged and then not
stored, and what is deleted, is given back by the quota controller, which counts anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from control.apiserver.admission import lookup, plugin
from control.store import cache as caches
from control.store import interface
from fairlead.api import codec, errors, objects, quantity, quotas, scheme
from fairlead.api.pb import core_v1_pb2 as corev1

ATTEMPTS = 64
REMEMBERED = 1024  # quotas that this process has written and whose cache may lag behind
# Kinds whose updates can use more; of all others only the number counts.
GROWING = (corev1.Pod, corev1.Service, corev1.PersistentVolumeClaim)


@dataclass(slots=True, eq=False)
class Charge:
    """What one request uses; `error` once it is refused, `done` once it is decided."""

    request: plugin.Request
    used: quantity.Amounts
    done: bool = False
    error: errors.ApiError | None = None


@dataclass(slots=True)
class Account:
    """A quota as it is known, at its revision; `sure` where etcd itself said so."""

    quota: corev1.ResourceQuota
    revision: int
    sure: bool = False
    used: quantity.Amounts = field(default_factory=dict)
    hard: quantity.Amounts = field(default_factory=dict)
    dirty: bool = False

    def __post_init__(self) -> None:
        self.used = quantity.amounts(self.quota.status.used)
        self.hard = quantity.amounts(self.quota.status.hard)

    def take(self, charge: Charge) -> str:
        """Add a charge; returns why it is refused instead, "" where it is not."""
        wanted = self._wanted(charge)
        obj = charge.request.obj
        name = self.quota.metadata.name
        if charge.request.operation == "CREATE" and isinstance(obj, corev1.Pod) and self._counts(charge):
            unspecified = quotas.unspecified(self.hard, obj)
            if unspecified:
                return f"failed quota: {name}: must specify {unspecified}"
        unknown = sorted(one for one in wanted if one not in self.used)
        if unknown:
            return f"status unknown for quota: {name}, resources: {','.join(unknown)}"
        total = {one: self.used[one] + amount for one, amount in wanted.items()}
        over = [one for one in quotas.exceeded(total, self.hard) if wanted[one].nanos > 0]
        if over:
            requested, used = quotas.shown(wanted, over), quotas.shown(self.used, over)
            limited = quotas.shown(self.hard, over)
            return f"exceeded quota: {name}, requested: {requested}, used: {used}, limited: {limited}"
        if wanted and not charge.request.dry_run:
            self.used |= total
            self.dirty = True
        return ""

    def drop(self, charge: Charge) -> None:
        """Take a charge back that another quota refuses."""
        if not charge.request.dry_run:
            for name, amount in self._wanted(charge).items():
                self.used[name] = self.used[name] - amount

    def _counts(self, charge: Charge) -> bool:
        return quotas.counts(self.quota.spec, charge.request.obj)

    def _wanted(self, charge: Charge) -> quantity.Amounts:
        if not self._counts(charge):
            return {}
        return {name: amount for name, amount in charge.used.items() if name in self.hard and amount}

    def written(self) -> bytes:
        """Return the quota with what is now used, as it is stored."""
        fresh = objects.copy(self.quota)
        fresh.metadata.resourceVersion = ""
        quantity.write(self.used, fresh.status.used)
        return codec.encode_stored(fresh)


class ResourceQuota(plugin.Plugin):
    """Charges what is created, and what an update adds."""

    def __init__(self, cache: caches.Cache, store: interface.Store, now: Callable[[], float]) -> None:
        self._quotas = lookup.Lookup(cache, corev1.ResourceQuota)
        self._store = store
        self._now = now
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, list[Charge]] = {}
        self._newest: dict[str, Account] = {}

    async def validate(self, request: plugin.Request) -> None:
        """Charge the namespace's quotas, or refuse."""
        if request.subresource or not request.namespace or request.operation not in ("CREATE", "UPDATE"):
            return
        if next(self._quotas.all(request.namespace), None) is None or not request.kind.stored:
            return
        used = self._used(request)
        if not used:
            return
        charge = Charge(request, used)
        await self._decided(charge)
        if charge.error is not None:
            raise charge.error

    def _used(self, request: plugin.Request) -> quantity.Amounts:
        """Return what a request adds to what is used."""
        now = self._now()
        if request.operation == "CREATE":
            return quotas.usage(request.obj, now)
        if not isinstance(request.obj, GROWING):
            return {}
        grown = quantity.subtract(quotas.usage(request.obj, now), quotas.usage(request.old, now))
        return {name: amount for name, amount in grown.items() if amount.nanos > 0}

    async def _decided(self, charge: Charge) -> None:
        """Wait for the namespace's turn, in which whoever comes first decides for all who wait."""
        namespace = charge.request.namespace
        self._waiting.setdefault(namespace, []).append(charge)
        turn = self._turns.setdefault(namespace, asyncio.Lock())
        try:
            async with turn:
                if not charge.done:
                    await self._decide(namespace, list(self._waiting[namespace]))
        finally:
            left = self._waiting[namespace]
            left.remove(charge)
            if not left:
                del self._waiting[namespace]
                self._turns.pop(namespace, None)

    async def _decide(self, namespace: str, charges: Sequence[Charge]) -> None:
        accounts = [self._account(quota) for quota in self._quotas.all(namespace)]
        pending = [charge for charge in charges if not charge.done]
        refused = _apply(accounts, pending)
        if refused and not all(account.sure for account in accounts):
            accounts = [found for one in accounts if (found := await self._stored(one.quota)) is not None]
            refused = _apply(accounts, pending)
        for account in accounts:
            if account.dirty:
                await self._commit(account, [one for one in pending if one not in refused], refused)
        for charge in pending:
            why = refused.get(charge)
            charge.error = charge.request.forbidden(why) if why else None
            charge.done = True

    def _account(self, quota: corev1.ResourceQuota) -> Account:
        """Return a quota as the cache has it, or as this process wrote it if that is newer."""
        revision = int(quota.metadata.resourceVersion)
        newest = self._newest.pop(quota.metadata.uid, None)
        if newest is not None and newest.revision > revision:
            return newest
        return Account(quota, revision)

    async def _stored(self, quota: corev1.ResourceQuota) -> Account | None:
        """Return a quota as etcd has it, None if it is gone."""
        item, _ = await self._store.get(self._key(quota))
        return _read(item) if item is not None else None

    async def _commit(self, account: Account, charges: Sequence[Charge], refused: dict[Charge, str]) -> None:
        """Write what is used; where another was faster, decide anew on what that one left."""
        key = self._key(account.quota)
        for _ in range(ATTEMPTS):
            outcome = await self._store.commit(interface.Put(key, account.written(), expected=account.revision))
            if isinstance(outcome, interface.Committed):
                fresh = objects.copy(account.quota)
                quantity.write(account.used, fresh.status.used)
                if len(self._newest) >= REMEMBERED:
                    self._newest.clear()
                self._newest[fresh.metadata.uid] = Account(fresh, outcome.revision)
                return
            current = outcome.current[0]
            if current is None:
                return  # the quota is gone
            account = _read(current)
            refused.update(_apply([account], [one for one in charges if one not in refused]))
            if not account.dirty:
                return
        text = f'resourcequotas "{account.quota.metadata.name}" changes too fast to charge it'
        raise errors.TooManyRequests(text, retry_after_seconds=1)

    def _key(self, quota: corev1.ResourceQuota) -> str:
        return scheme.DEFAULT.of(quota).key(quota.metadata.namespace, quota.metadata.name)


def _apply(accounts: Sequence[Account], charges: Sequence[Charge]) -> dict[Charge, str]:
    """Charge every account, or none for a charge that one of them refuses; returns those, and why."""
    refused: dict[Charge, str] = {}
    for charge in charges:
        taken: list[Account] = []
        for account in accounts:
            why = account.take(charge)
            if why:
                refused[charge] = why
                for other in taken:
                    other.drop(charge)
                break
            taken.append(account)
    return refused


def _read(item: interface.KeyValue) -> Account:
    quota = codec.decode_stored(item.value)
    assert isinstance(quota, corev1.ResourceQuota)
    return Account(quota, item.revision, sure=True)
