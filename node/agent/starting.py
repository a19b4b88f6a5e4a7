"""How a container is started: its image, its configuration, its creation, its start, its first hook.

The pod worker calls `start` for a START action. StepFault tells why it failed, in kubelet's reasons and words.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.api import times
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import context, hooks
from node.agent.faults import News, StepFault
from node.agent.recorder import NORMAL, WARNING
from node.network.interface import Sandbox
from node.pods import containers, environment, fields, folders, images, model, names
from node.pods.volumes import Volume
from node.runtime import interface as runtime

CONFIG_ERROR = "CreateContainerConfigError"
DEFAULT_MESSAGE_PATH = "/dev/termination-log"
_SHARED_MEMORY = "/dev/shm"
_HOST_HOSTS, _HOST_RESOLV = "/etc/hosts", "/etc/resolv.conf"


class StartRefused(Exception):
    """The runtime could not run the container's process: it counts as a container that ended (StartError)."""


@dataclass(frozen=True, slots=True)
class Start:
    """A start: the pod's container, where it joins, what it mounts.

    `processes` is the process namespace that it joins, as a path; empty for one of its own.
    """

    pod: corev1.Pod
    container: corev1.Container
    action: model.Action
    sandbox: Sandbox
    volumes: Sequence[Volume]
    folder: context.Folder
    processes: str = ""


async def start(parts: context.Parts, wanted: Start) -> None:
    """Pull what is needed, create the container, start it, run its postStart hook.

    StepFault where nothing was started, StartRefused where the process did not come up.
    """
    image = await _image(parts, wanted)
    async with parts.starting:
        spec = await _spec(parts, wanted, image)
        container = await _create(parts, wanted, spec)
        try:
            await parts.runtime.start(container)
        except (runtime.Refused, runtime.NoSuchContainer) as error:
            _record(parts, wanted, WARNING, "Failed", f"Error: {error}")
            await parts.runtime.remove(container)
            raise StartRefused(str(error)) from error
    _record(parts, wanted, NORMAL, "Started", f"Started container {wanted.container.name}")
    await parts.containers.refresh(container)
    if wanted.container.lifecycle.HasField("postStart"):
        await _post_start(parts, wanted, container)


async def _image(parts: context.Parts, wanted: Start) -> runtime.Image:
    container = wanted.container
    policy = images.policy(container)
    try:
        name = images.qualified(container.image)
    except images.BadImageName as error:
        raise StepFault("InvalidImageName", str(error), News("InspectFailed", str(error))) from error
    async with parts.pulling(name):
        try:
            found = None if policy == images.ALWAYS else await parts.runtime.image(name)
        except runtime.Unavailable as error:
            raise StepFault("ImageInspectError", str(error)) from error
        if found is not None:
            text = f'Container image "{container.image}" already present on machine'
            _record(parts, wanted, NORMAL, "Pulled", text)
            return found
        if policy == images.NEVER:
            text = f'Container image "{container.image}" is not present with pull policy of Never'
            raise StepFault("ErrImageNeverPull", text, News("ErrImageNeverPull", text))
        return await _pull(parts, wanted, name)


async def _pull(parts: context.Parts, wanted: Start, name: str) -> runtime.Image:
    text = f'"{wanted.container.image}"'
    _record(parts, wanted, NORMAL, "Pulling", f"Pulling image {text}")
    began = parts.clock.monotonic()
    namespace = wanted.pod.metadata.namespace
    secrets = [parts.sources.secret(namespace, one.name) for one in wanted.pod.spec.imagePullSecrets]
    tries: list[runtime.Credentials | None] = [
        *images.credentials(name, [one for one in secrets if one is not None]),
        None,
    ]
    for number, credentials in enumerate(tries, 1):
        try:
            found = await parts.runtime.pull(name, credentials)
            break
        except runtime.RuntimeFault as error:
            if number < len(tries) and not isinstance(error, runtime.Unavailable):
                continue
            news = News("Failed", f"Failed to pull image {text}: {error}"), News("Failed", "Error: ErrImagePull")
            raise StepFault("ErrImagePull", str(error), *news) from error
    took = times.format_duration(int((parts.clock.monotonic() - began) * 1000) * 1_000_000)
    report = f"Successfully pulled image {text} in {took} ({took} including waiting). Image size: {found.size} bytes."
    _record(parts, wanted, NORMAL, "Pulled", report)
    return found


async def _spec(parts: context.Parts, wanted: Start, image: runtime.Image) -> runtime.ContainerSpec:
    pod, container = wanted.pod, wanted.container
    facts = fields.PodFacts(pod, wanted.sandbox.addresses, parts.node.addresses, parts.allocatable)
    try:
        env = environment.variables(facts, container, parts.sources)
        grant = parts.devices.grant(pod, container)
        mounts = await parts.in_thread(_mounts, parts, wanted, env)
        return containers.spec(
            pod,
            container,
            wanted.action,
            image=image,
            sandbox=wanted.sandbox,
            env=env | dict(grant.env),
            mounts=[*mounts, *grant.mounts],
            devices=grant.devices,
            devices_label=grant.label,
            processes=wanted.processes,
            around=containers.Surroundings(
                memory=parts.allocatable["memory"].value() if "memory" in parts.allocatable else 0,
                lowest_oom_score=parts.node.lowest_oom_score,
                cluster_domain=parts.cluster.cluster_domain,
            ),
        )
    except (environment.BadEnvironment, containers.BadContainer, context.NoDevices, folders.FolderFault) as error:
        raise StepFault(CONFIG_ERROR, str(error), News("Failed", f"Error: {error}")) from error


def _mounts(parts: context.Parts, wanted: Start, env: dict[str, str]) -> list[runtime.Mount]:
    """Return every mount of a container: its volumes, the pod's name files, its termination message."""
    pod, folder = wanted.pod, wanted.folder
    found = folder.mounts(wanted.container, wanted.volumes, env)
    taken = {mount.target for mount in found}
    domain = containers.domain(pod, parts.cluster.cluster_domain)
    hosts = names.hosts(pod, wanted.sandbox.addresses, containers.hostname(pod), domain, _text(_HOST_HOSTS))
    cluster = parts.cluster
    resolver = names.resolver(pod, names.parse(_text(_HOST_RESOLV)), cluster.cluster_dns, cluster.cluster_domain)
    given = {"/etc/hosts": ("hosts", hosts), "/etc/resolv.conf": ("resolv.conf", resolver.text())}
    if not pod.spec.hostNetwork:
        given["/etc/hostname"] = ("hostname", f"{containers.kernel_name(pod, cluster.cluster_domain)}\n")
    for target, (name, text) in given.items():
        if target not in taken:
            found.append(runtime.Mount(folder.write(name, text), target))
    if not pod.spec.hostIPC and _SHARED_MEMORY not in taken:
        found.append(runtime.Mount(folder.shared_memory(), _SHARED_MEMORY))
    target = wanted.container.terminationMessagePath or DEFAULT_MESSAGE_PATH
    if target not in taken:
        found.append(runtime.Mount(folder.message_file(wanted.container.name, wanted.action.attempt), target))
    return found


async def _create(parts: context.Parts, wanted: Start, spec: runtime.ContainerSpec) -> str:
    try:
        container = await parts.runtime.create(spec)
    except runtime.RuntimeFault as error:
        raise StepFault("CreateContainerError", str(error), News("Failed", f"Error: {error}")) from error
    _record(parts, wanted, NORMAL, "Created", f"Created container: {wanted.container.name}")
    return container


async def _post_start(parts: context.Parts, wanted: Start, container: str) -> None:
    hook = hooks.Hook(parts, wanted.pod, wanted.container, container, wanted.sandbox)
    try:
        await hook.run(wanted.container.lifecycle.postStart)
    except hooks.HookFailed as error:
        text = f"PostStartHook failed: {error}"
        _record(parts, wanted, WARNING, "FailedPostStartHook", text)
        _record(parts, wanted, NORMAL, "Killing", f"FailedPostStartHook for container {wanted.container.name}")
        await parts.runtime.stop(container, model.grace_seconds(wanted.pod))


def _record(parts: context.Parts, wanted: Start, type_: str, reason: str, message: str) -> None:
    parts.recorder.record(wanted.pod, type_, reason, message, wanted.container.name)


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""
