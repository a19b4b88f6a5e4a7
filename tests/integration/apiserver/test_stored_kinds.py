"""What lies in a real etcd, read by a decoder that knows only the field table: one object of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver.server import ApiServer
from control.apiserver.target import Target
from control.store.etcd import EtcdStore
from fairlead.api import codec
from fairlead.testing import control
from tests.support import etcd, every_kind, wire


def unnamed(shown: dict[str, Any]) -> dict[str, Any]:
    """Return JSON without kinds and versions, which stand around a message, not in it."""
    for claim in shown.get("spec", {}).get("volumeClaimTemplates", ()):
        del claim["apiVersion"], claim["kind"]
    return {key: value for key, value in shown.items() if key not in ("apiVersion", "kind")}


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server on a real etcd."""
    with etcd.cluster() as running:
        store = EtcdStore(running.urls)
        async with control.memory_api(store) as made:
            yield made
        await store.close()


async def test_every_kind_is_stored_as_kubernetes_stores_it(api: ApiServer) -> None:
    """Each object lies at its key and means, byte for byte by the table, what the API says that it is."""
    admin = api.as_user(*control.ADMIN)
    seen = set()
    for document in every_kind.documents():
        kind = api.kinds.scheme.by_kind(document["apiVersion"], document["kind"])
        obj = codec.decode_object(document, scheme=api.kinds.scheme)
        namespace = document["metadata"].get("namespace", "")
        entry = await api.create(admin.user, Target(kind, namespace), obj)
        seen.add(kind.kind)

        item, _ = await api.store.get(kind.key(namespace, document["metadata"]["name"]))

        assert item is not None, f"{kind.kind} is not at its key"
        shown = unnamed(codec.to_json(entry.object))
        del shown["metadata"]["resourceVersion"]
        assert wire.read(item.value) == (kind.api_version, kind.kind, wire.without_empty(shown)), kind.kind
    stored = {kind.kind for kind in api.kinds.served() if kind.stored and not kind.hub and kind.message is not None}
    assert stored - seen == set(), "a kind has no sample"
