"""The `Runtime` protocol: what the node asks of whatever runs containers.

The pod workers call it. `podman/` carries it out on a Podman service, `memory.py` pretends; tests/contract/runtime
holds them equal. Each call makes at most one transition of one container, so that a worker that is interrupted
finds out by looking where it stopped. Times are Unix seconds; 0.0 means not yet.

Every method raises `Unavailable` where the service does not answer in time, `NoSuchContainer` or `NoSuchImage`
where what it names is not there, and `Refused` with the service's own words otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
NAME_LABEL = "io.kubernetes.pod.name"
UID_LABEL = "io.kubernetes.pod.uid"
CONTAINER_LABEL = "io.kubernetes.container.name"
RESTARTS_LABEL = "io.kubernetes.container.restartCount"
HASH_LABEL = "io.kubernetes.container.hash"
# The sandbox that a container joined: one that was made for an older sandbox can never be started again.
SANDBOX_LABEL = "fairlead.dev/sandbox"


# Why nobody can attach to a container that has ended, or has not begun.
NOT_ATTACHABLE = "can only attach to running containers"


class RuntimeFault(Exception):
    """A call to the runtime that failed."""


class Unavailable(RuntimeFault):
    """The runtime's service does not answer; nothing is known about the outcome."""


class Refused(RuntimeFault):
    """The runtime did not carry the call out; the text says why."""


class NoSuchContainer(RuntimeFault):
    """There is no container of this id."""


class NoSuchImage(RuntimeFault):
    """The image is not on the node, or the registry does not have it."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image on the node. `user` is the image's own USER, `entrypoint` and `command` its own, too."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a registry asks for."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mount:
    """A path of the host, bound into the container; `propagation` is Linux' (rprivate, rslave, rshared)."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = "rprivate"


@dataclass(frozen=True, slots=True)
class Device:
    """A device node of the host that the container may use, or the name of one in CDI (`nvidia.com/gpu=0`)."""

    path: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of cgroups; 0 means none. The quota is microseconds of processor time per period."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    memory_bytes: int = 0
    oom_score_adjust: int = 0


@dataclass(frozen=True, slots=True)
class Security:
    """Whom the container runs as and what it may do; `user` is `uid`, `uid:gid` or empty for the image's."""

    user: str = ""
    groups: tuple[str, ...] = ()
    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    unconfined: bool = False


HOST = "host"


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Where each namespace comes from: a path to join, `host`, or empty for one of the container's own."""

    net: str = ""
    ipc: str = ""
    uts: str = ""
    pid: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to be created.

    A `command` replaces the image's ENTRYPOINT and, without `args`, its CMD too; `args` alone replace CMD.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    namespaces: Namespaces = Namespaces()
    stdin: bool = False
    tty: bool = False


ContainerState = Literal["created", "running", "exited"]


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it was last observed; `error` is the runtime's word on a start that failed."""

    id: str
    name: str
    image: str
    image_id: str
    labels: Mapping[str, str]
    state: ContainerState
    created_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    oom_killed: bool = False
    pid: int = 0
    error: str = ""


EventKind = Literal["subscribed", "started", "exited", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class Event:
    """A container's change. `subscribed` names none: from now on nothing is missed, list what there is."""

    kind: EventKind
    container: str = ""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which lines of a log are wanted; `tail` None means all, `since` is Unix seconds."""

    follow: bool = False
    tail: int | None = None
    since: float = 0.0
    timestamps: bool = False


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """A command to run in a running container, and which of its streams are wanted."""

    command: tuple[str, ...]
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that a process wrote."""

    data: bytes
    stderr: bool = False


@dataclass(frozen=True, slots=True)
class Stats:
    """What a container uses: processor seconds since its start, bytes that cannot be reclaimed easily."""

    cpu_seconds: float
    working_set: int


class Stream(Protocol):
    """The standard streams of a process that runs (exec) or of a container's main one (attach)."""

    async def read(self) -> Chunk | None:
        """Return what came next, None at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Write to the standard input."""
        ...

    async def close_input(self) -> None:
        """End the standard input."""
        ...

    async def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size."""
        ...

    async def exit_code(self) -> int:
        """Return the process' exit status; call it after `read` has returned None."""
        ...

    async def close(self) -> None:
        """Leave; the process goes on."""
        ...


class Runtime(Protocol):
    """Whatever runs containers."""

    @property
    def scheme(self) -> str:
        """Return the prefix of container ids in a pod's status: `podman` of `podman://…`."""
        ...

    async def version(self) -> str:
        """Return the service's version; a call that shows that it answers."""
        ...

    async def image(self, reference: str) -> Image | None:
        """Return an image by name or id, None where the node does not have it."""
        ...

    async def images(self) -> Sequence[Image]:
        """Return every image on the node."""
        ...

    async def pull(self, reference: str, credentials: Credentials | None = None) -> Image:
        """Fetch an image. NoSuchImage or Refused carry the registry's own words."""
        ...

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id; Refused where the name is taken."""
        ...

    async def start(self, container: str) -> None:
        """Start a created container; returns when its process runs."""
        ...

    async def stop(self, container: str, grace_seconds: float) -> None:
        """Send the image's stop signal, after the grace SIGKILL; returns when the container has ended."""
        ...

    async def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal; a container that has ended already is no error."""
        ...

    async def remove(self, container: str) -> None:
        """Remove a container with its log, killing it if it runs; one that is gone is no error."""
        ...

    async def containers(self) -> Sequence[Container]:
        """Return every container that carries our labels."""
        ...

    async def inspect(self, container: str) -> Container | None:
        """Return one container, None where it is gone."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """Iterate over changes; first comes `subscribed`. Unavailable where the connection is lost."""
        ...

    def logs(self, container: str, options: LogOptions) -> AsyncIterator[Chunk]:
        """Iterate over what the container wrote; with `follow` until it ends."""
        ...

    async def exec(self, container: str, options: ExecOptions) -> Stream:
        """Run a command in a running container."""
        ...

    async def attach(self, container: str, *, stdin: bool, tty: bool) -> Stream:
        """Connect to the main process' streams, from now on; Refused where it does not run."""
        ...

    async def stats(self) -> Mapping[str, Stats]:
        """Return what each running container uses, by id."""
        ...

    async def close(self) -> None:
        """Close connections; containers go on."""
        ...
