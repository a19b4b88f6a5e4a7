"""What is known of a pod on the node, and what can be done about it: the values that `lifecycle` decides on.

The pod worker fills `Observed`, asks `lifecycle.decide`, carries out the actions of the `Plan`.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fairlead.api import times
from fairlead.api.pb import core_v1_pb2 as corev1
from node.network.interface import Sandbox
from node.pods import admission
from node.runtime import interface as runtime

# How long a container must wait after it has ended before it is started again, kept with the container itself.
BACKOFF_LABEL = "fairlead.dev/backoff"
# The image as a pod's status names it: by digest, where the registry gave one.
IMAGE_LABEL = "fairlead.dev/image"
# The devices that were granted to the container.
DEVICES_LABEL = "fairlead.dev/devices"
# The grace of the pod, kept with the container: an orphan's pod is not known any more.
GRACE_LABEL = "fairlead.dev/grace"

DEFAULT_GRACE_SECONDS = 30.0
# A pod that has reached one of them does not run again.
FINAL_PHASES = ("Succeeded", "Failed")


class Step(enum.Enum):
    """What a worker can do for a pod; one step is one task of it."""

    PREPARE_VOLUMES = "prepare volumes"
    MAKE_SANDBOX = "make sandbox"
    START = "start"
    STOP = "stop"
    REMOVE = "remove"
    REMOVE_SANDBOX = "remove sandbox"
    RELEASE_VOLUMES = "release volumes"


@dataclass(frozen=True, slots=True)
class Action:
    """A step to take now. `container` is a name (START) or an id (STOP, REMOVE).

    START: `attempt` counts a container's starts from 0, `backoff` is the wait that this one will leave behind.
    STOP: `grace` in seconds, `reason` is the sentence of the Killing event, `replace` says that another is to follow
    whatever the restart policy.
    """

    step: Step
    container: str = ""
    name: str = ""
    attempt: int = 0
    backoff: float = 0.0
    grace: float = 0.0
    reason: str = ""
    replace: bool = False

    @property
    def key(self) -> str:
        """Return what tells the action from others: two of the same key never run at once."""
        return f"{self.step.value} {self.container}".rstrip()


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed: what the container waits for (Kubernetes' reason and message), when it is tried again."""

    reason: str
    message: str
    at: float
    retry_at: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probes say of a running container."""

    started: bool = False
    ready: bool = False
    # Why the container is to be stopped; empty while it is healthy.
    unhealthy: str = ""
    # The seconds that it may take then, where the probe has its own.
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """A pod and all that is known of it on the node; times are Unix seconds.

    `status` is the newest that is known, the agent's own or the API's. `failures` are by container name, and by
    step (`make sandbox`, `prepare volumes`) for the pod's own; `probed` and `messages` (of terminated containers)
    are by container id; `busy` holds the keys of actions under way; `refused` says why the pod may not begin;
    `replaced` are the ids of containers that were stopped to be replaced.
    """

    pod: corev1.Pod
    now: float
    containers: Sequence[runtime.Container] = ()
    sandbox: Sandbox | None = None
    volumes_ready: bool = False
    volumes_present: bool = False
    status: corev1.PodStatus = field(default_factory=corev1.PodStatus)
    deleting: bool = False
    terminating_since: float = 0.0
    failures: Mapping[str, Failure] = field(default_factory=dict)
    probed: Mapping[str, Probed] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    node_addresses: tuple[str, ...] = ()
    refused: admission.Refusal | None = None
    replaced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, why containers wait, and when to look again even if nothing happens (0.0: never).

    `terminal` is the phase of a pod that will not run again; `finished` says that nothing is left of one that is
    being deleted.
    """

    actions: Sequence[Action] = ()
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    wake_at: float = 0.0
    terminal: str = ""
    finished: bool = False
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The containers that one container of the spec has had: the newest, the one before, and what may go."""

    spec: corev1.Container
    current: runtime.Container | None = None
    previous: runtime.Container | None = None
    older: tuple[runtime.Container, ...] = ()

    @property
    def name(self) -> str:
        """Return the container's name in the spec."""
        return self.spec.name

    @property
    def running(self) -> bool:
        """Return whether it runs."""
        return self.current is not None and self.current.state == "running"

    @property
    def exited(self) -> bool:
        """Return whether it has ended."""
        return self.current is not None and self.current.state == "exited"

    @property
    def attempt(self) -> int:
        """Return the newest container's number, -1 where there has been none."""
        return attempt(self.current) if self.current is not None else -1


def histories(specs: Sequence[corev1.Container], containers: Sequence[runtime.Container]) -> list[History]:
    """Return the history of each container of the spec, in its order."""
    by_name: dict[str, list[runtime.Container]] = {}
    for container in containers:
        by_name.setdefault(container.labels.get(runtime.CONTAINER_LABEL, ""), []).append(container)
    found = []
    for spec in specs:
        known = sorted(by_name.get(spec.name, ()), key=lambda one: (attempt(one), one.created_at), reverse=True)
        # One that was created and never started is nobody's history.
        current = known[0] if known else None
        previous = known[1] if len(known) > 1 else None
        found.append(History(spec, current, previous, tuple(known[2:])))
    return found


def ephemerals(pod: corev1.Pod) -> list[corev1.Container]:
    """Return the pod's ephemeral containers as ordinary ones, whose fields theirs are (by number, too)."""
    return [
        corev1.Container.FromString(one.ephemeralContainerCommon.SerializeToString())
        for one in pod.spec.ephemeralContainers
    ]


def target_of(pod: corev1.Pod, name: str) -> str:
    """Return the container whose processes an ephemeral container is to see; empty for none."""
    named = (one for one in pod.spec.ephemeralContainers if one.ephemeralContainerCommon.name == name)
    return next((one.targetContainerName for one in named), "")


def every(pod: corev1.Pod) -> list[corev1.Container]:
    """Return all containers of a pod: those that come first, its own, and those that joined later."""
    return [*pod.spec.initContainers, *pod.spec.containers, *ephemerals(pod)]


def attempt(container: runtime.Container) -> int:
    """Return which start of its name a container is, from 0."""
    text = container.labels.get(runtime.RESTARTS_LABEL, "0")
    return int(text) if text.isdigit() else 0


def label_seconds(container: runtime.Container, label: str, default: float) -> float:
    """Return a number of seconds that a container carries as a label."""
    try:
        return float(container.labels[label])
    except (KeyError, ValueError):
        return default


def spec_hash(spec: corev1.Container) -> str:
    """Return what changes when a running container must be replaced: Kubernetes lets only the image change."""
    return hashlib.sha256(f"{spec.name}\0{spec.image}".encode()).hexdigest()[:16]


def is_sidecar(spec: corev1.Container) -> bool:
    """Tell whether an init container goes on running beside the others."""
    return spec.restartPolicy == "Always"


def deleting(pod: corev1.Pod) -> bool:
    """Tell whether the pod is to be deleted."""
    return not times.is_zero(pod.metadata.deletionTimestamp)


def grace_seconds(pod: corev1.Pod) -> float:
    """Return how long the pod's containers may take to end."""
    if deleting(pod) and pod.metadata.HasField("deletionGracePeriodSeconds"):
        return float(pod.metadata.deletionGracePeriodSeconds)
    if pod.spec.HasField("terminationGracePeriodSeconds"):
        return float(pod.spec.terminationGracePeriodSeconds)
    return DEFAULT_GRACE_SECONDS


def full_name(pod: corev1.Pod) -> str:
    """Return the pod as Kubernetes' messages name it: `web-1_default(uid)`."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"
