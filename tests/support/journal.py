"""A writer that notes what the API acknowledged, and the comparison of its notes with what lies in etcd.

It writes all through the faults that other tests cause, to every control process in turn. A write whose answer is
lost may or may not be in etcd; one that was acknowledged must be.
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import itertools
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from fairlead.api import codec, errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Selection
from tests.support import asking
from tests.support import lab as labs

NAMESPACE = "default"
PREFIX = f"/registry/configmaps/{NAMESPACE}/journal-"
PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Stored:
    """What etcd has, or what the API said it has, of one object."""

    uid: str
    revision: int


@dataclass(slots=True)
class Notes:
    """What was acknowledged last of each object; those with a write whose answer was lost are `unsure`."""

    acknowledged: dict[str, Stored] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def differences(self, stored: Mapping[str, Stored]) -> list[str]:
        """What is acknowledged but not stored."""
        wrong = []
        for name, noted in self.acknowledged.items():
            found = stored.get(name)
            if found is None or found.uid != noted.uid:
                wrong.append(f"{name}: acknowledged as {noted}, stored is {found}")
            elif found.revision != noted.revision and not (name in self.unsure and found.revision > noted.revision):
                wrong.append(f"{name}: acknowledged at revision {noted.revision}, stored at {found.revision}")
        return wrong


class Journal:
    """Creates ConfigMaps and changes each once, until closed."""

    def __init__(self, api: asking.Api) -> None:
        self.notes = Notes()
        self._api = api

    def __enter__(self) -> Journal:
        self._writing = self._api.loop.start(self._write())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more; what failed in the writer itself is raised."""
        self._writing.cancel()
        try:
            self._writing.result(asking.PATIENCE_SECONDS)
        except BaseException as error:  # its own failure, but not that it was told to stop
            if not isinstance(error, asyncio.CancelledError | concurrent.futures.CancelledError):
                raise

    def remove(self) -> None:
        """Remove what was written."""
        select = Selection(labels="app=journal")
        self._api.ask(lambda client: client.delete_collection(corev1.ConfigMap, NAMESPACE, select=select))

    async def _write(self) -> None:
        clients = itertools.cycle([self._api.client(address) for address in self._api.addresses])
        for number in itertools.count():
            name = f"journal-{number:05}"
            made = corev1.ConfigMap()
            made.metadata.name, made.metadata.namespace = name, NAMESPACE
            made.metadata.labels["app"] = "journal"
            made.data["step"] = "created"
            stored = await self._acknowledged(name, next(clients).create(made))
            if stored is not None:
                changed = corev1.ConfigMap()
                changed.CopyFrom(stored)
                changed.data["step"] = "changed"
                await self._acknowledged(name, next(clients).update(changed))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _acknowledged(self, name: str, call: Awaitable[corev1.ConfigMap]) -> corev1.ConfigMap | None:
        self.notes.unsure.add(name)  # until it is answered: `stop` may be faster
        try:
            async with asyncio.timeout(asking.REQUEST_SECONDS):
                answer = await call
        except (TimeoutError, errors.ApiError):
            return None
        self.notes.unsure.discard(name)
        self.notes.acknowledged[name] = Stored(answer.metadata.uid, int(answer.metadata.resourceVersion))
        return answer


def stored(lab: labs.Lab) -> dict[str, Stored]:
    """What etcd itself has of the journal, asked by etcdctl on a control host."""
    found = {}
    answer = json.loads(etcdctl(lab, "get", PREFIX, "--prefix", "--write-out=json"))
    for item in answer.get("kvs", ()):
        key = base64.b64decode(item["key"]).decode()
        obj = codec.decode_stored(base64.b64decode(item["value"]))
        assert isinstance(obj, corev1.ConfigMap)
        found[key.rpartition("/")[2]] = Stored(obj.metadata.uid, int(item["mod_revision"]))
    return found


def etcdctl(lab: labs.Lab, *arguments: str, seconds: float = 30.0) -> str:
    """Ask etcd, past the API, as a control process: any member that answers."""
    host = next(name for name in lab.controls if lab.is_on(name))
    return lab.run(host, *command(lab), *arguments, timeout=seconds)


def command(lab: labs.Lab) -> tuple[str, ...]:
    """The beginning of an etcdctl command on a control host."""
    pki = "/etc/fairlead/pki/etcd"
    endpoints = ",".join(f"https://{lab.address(name)}:2379" for name in lab.controls if lab.is_on(name))
    files = ("--cacert", f"{pki}/ca.crt", "--cert", f"{pki}/client.crt", "--key", f"{pki}/client.key")
    return ("etcdctl", *files, "--endpoints", endpoints, "--command-timeout", "10s")
