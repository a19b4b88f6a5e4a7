"""What all pod workers of a node share: its parts, its clocks, its bounds, and what is known of the cluster."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import aiohttp

from fairlead import clock as clocks
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import interface, readers, recorder
from node.network import interface as network
from node.pods import folders
from node.pods.sources import Sources
from node.pods.volumes import Volume
from node.runtime import interface as runtime

T = TypeVar("T")

# Starting containers is work for the processor: more at once would only make each later.
PARALLEL_STARTS = 4
FOLDER_THREADS = 4


class Folder(Protocol):
    """A pod's folder: node.pods.folders.PodFolder, or one that only pretends."""

    def exists(self) -> bool:
        """Tell whether there is something to release."""
        ...

    def prepare(self, volumes: Sequence[Volume], group: int | None) -> None:
        """Make or update every volume."""
        ...

    def release(self) -> None:
        """Remove everything."""
        ...

    def write(self, name: str, text: str) -> str:
        """Write a file that containers mount; returns its path."""
        ...

    def shared_memory(self) -> str:
        """Return the path of the pod's /dev/shm."""
        ...

    def message_file(self, container: str, attempt: int) -> str:
        """Return the path of an empty file for a termination message."""
        ...

    def message(self, container: str, attempt: int) -> str:
        """Return a termination message."""
        ...

    def forget_message(self, container: str, attempt: int) -> None:
        """Remove a termination message."""
        ...

    def mounts(
        self, container: corev1.Container, volumes: Sequence[Volume], env: Mapping[str, str]
    ) -> list[runtime.Mount]:
        """Return a container's volume mounts."""
        ...


class Devices(Protocol):
    """Who hands out devices that containers ask for as extended resources, `nvidia.com/gpu` say."""

    def grant(self, pod: corev1.Pod, container: corev1.Container) -> Grant:
        """Return what a container gets; the same again for the same container. NoDevices where too few are free."""
        ...

    def release(self, uid: str) -> None:
        """Take back what a pod had."""
        ...


class NoDevices(Exception):
    """Fewer devices are free than a container wants; the text says of which."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Devices of a container, with what it must mount and know to use them."""

    devices: tuple[runtime.Device, ...] = ()
    mounts: tuple[runtime.Mount, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    # What the container is labelled with, so that the grant is known after a restart of the agent.
    label: str = ""


class NoneToGrant:
    """A node without devices."""

    def grant(self, pod: corev1.Pod, container: corev1.Container) -> Grant:
        """Return nothing."""
        return Grant()

    def release(self, uid: str) -> None:
        """There is nothing to take back."""


class Containers(Protocol):
    """The containers on the node as they were last seen (node.agent.observer)."""

    def of(self, uid: str) -> Sequence[runtime.Container]:
        """Return a pod's containers."""
        ...

    async def refresh(self, container: str) -> None:
        """Look at one container now; its worker is woken if it changed."""
        ...


class Parts:
    """The parts that workers use; made once by the pod manager."""

    def __init__(
        self,
        *,
        node: interface.NodeInfo,
        runtime_: runtime.Runtime,
        network_: network.Network,
        sink: interface.PodSink,
        clock: clocks.Clock,
        sources: Sources,
        containers: Containers,
        folder: Callable[[str, str], Folder] = folders.PodFolder,
        devices: Devices | None = None,
    ) -> None:
        self.node = node
        self.runtime = runtime_
        self.network = network_
        self.sink = sink
        self.clock = clock
        self.sources = sources
        self.containers = containers
        self.devices = devices or NoneToGrant()
        self.readers = readers.Readers()
        self.recorder = recorder.Recorder(node.name, clock, sink.event)
        self.cluster = interface.ClusterInfo()
        self.allocatable: dict[str, quantity.Quantity] = {}
        self.starting = asyncio.Semaphore(PARALLEL_STARTS)
        self._folder = folder
        self._session: aiohttp.ClientSession | None = None
        self._pulls: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        # A folder that only pretends needs no thread, and a process may hold a thousand nodes.
        real = folder is folders.PodFolder
        self._threads = concurrent.futures.ThreadPoolExecutor(FOLDER_THREADS, "folders") if real else None

    def folder(self, uid: str) -> Folder:
        """Return a pod's folder."""
        return self._folder(self.node.root, uid)

    def pulling(self, image: str) -> asyncio.Lock:
        """Return the lock under which an image is looked for and pulled: once for all pods that want it."""
        lock = self._pulls.get(image)
        if lock is None:
            lock = self._pulls[image] = asyncio.Lock()
        return lock

    def http(self) -> aiohttp.ClientSession:
        """Return the client of probes and hooks: a fresh connection for each, no cookies, no proxies."""
        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """Run work on files."""
        if self._threads is None:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(work, *arguments))

    async def close(self) -> None:
        """Close connections and let the threads end."""
        if self._session is not None:
            await self._session.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
