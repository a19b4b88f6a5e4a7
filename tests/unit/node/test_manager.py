"""A node's pods from assignment to removal, on parts that only pretend and a clock that stands still."""

from __future__ import annotations

import asyncio

import pytest

from fairlead import clock as clocks
from fairlead.api import errors, objects
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.runtime import interface as runtime
from node.runtime import memory as memory_runtime
from tests.support import pods


async def test_a_pod_runs_and_says_so() -> None:
    """Its status has phase, addresses, conditions and the container's state; kubelet's events tell the story."""
    async with pods.running_node() as node:
        node.assign(pods.pod())
        status = await node.phase("Running")
        assert status.podIP == "10.128.3.2"
        assert [one.ip for one in status.podIPs] == ["10.128.3.2"]
        assert status.hostIP == "192.0.2.1"
        assert status.qosClass == "BestEffort"
        assert {one.type: one.status for one in status.conditions} == {
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "Ready": "True",
            "ContainersReady": "True",
            "PodScheduled": "True",
        }
        [container] = status.containerStatuses
        assert (container.name, container.ready, container.started, container.restartCount) == ("main", True, True, 0)
        assert container.state.running.startedAt.seconds == int(node.clock.now())
        assert container.containerID.startswith("memory://")
        assert container.imageID.startswith("fairlead.test/busybox@sha256:")
        assert node.sink.reasons() == ["Pulling", "Pulled", "Created", "Started"]


async def test_init_containers_run_one_after_the_other() -> None:
    """The others wait with PodInitializing."""
    async with pods.running_node() as node:
        pod = pods.pod()
        pod.spec.initContainers.extend(
            [pods.container("first", ("sleep", "5")), pods.container("second", ("exit", "0"))]
        )
        node.assign(pod)
        status = await node.until("init container runs", lambda status: pods.any_runs(status.initContainerStatuses))
        assert status.phase == "Pending"
        assert status.initContainerStatuses[1].state.waiting.reason == "PodInitializing"
        assert status.containerStatuses[0].state.waiting.reason == "PodInitializing"
        condition = next(one for one in status.conditions if one.type == "Initialized")
        assert condition.message == "containers with incomplete status: [first second]"
        pods.clock_of(node).advance(5)
        status = await node.phase("Running")
        assert [one.state.terminated.reason for one in status.initContainerStatuses] == ["Completed", "Completed"]


async def test_an_image_that_is_not_there() -> None:
    """First the registry's words, then ImagePullBackOff; another try after 10 s, 20 s."""
    async with pods.running_node() as node:
        node.assign(pods.pod(pods.container(image="fairlead.test/missing:1")))
        waiting = await node.waiting("ErrImagePull")
        assert waiting.message == "reading manifest in fairlead.test/missing:1: manifest unknown"
        assert (await _no_log(node)).endswith("is waiting to start: image can't be pulled")
        pods.clock_of(node).advance(6)
        waiting = await node.waiting("ImagePullBackOff")
        assert waiting.message.startswith('Back-off pulling image "fairlead.test/missing:1"')
        assert (await _no_log(node)).endswith("is waiting to start: trying and failing to pull image")
        texts = [one.message for one in node.sink.events]
        assert texts == [
            'Pulling image "fairlead.test/missing:1"',
            'Failed to pull image "fairlead.test/missing:1": '
            "reading manifest in fairlead.test/missing:1: manifest unknown",
            "Error: ErrImagePull",
            'Back-off pulling image "fairlead.test/missing:1"',
            "Error: ImagePullBackOff",
        ]
        pods.clock_of(node).advance(5)
        await pods.wait_until(lambda: "" if len(pods.runtime_of(node).pulls) == 2 else "no second try")
        assert node.sink.newest().phase == "Pending"


async def _no_log(node: pods.Node) -> str:
    """Return what the node says to who asks for the log of a container that never ran."""
    with pytest.raises(errors.BadRequest) as caught:
        await anext(aiter(node.manager.logs(pods.UID, corev1.PodLogOptions())))
    return str(caught.value)


async def test_a_missing_config_map_is_waited_for() -> None:
    """CreateContainerConfigError until it comes; then the container starts at once."""
    async with pods.running_node() as node:
        pod = pods.pod()
        source = pod.spec.containers[0].env.add(name="GREETING").valueFrom.configMapKeyRef
        source.localObjectReference.name, source.key = "settings", "greeting"
        node.assign(pod)
        waiting = await node.waiting("CreateContainerConfigError")
        assert waiting.message == 'configmap "settings" not found'
        found = corev1.ConfigMap(data={"greeting": "hello"})
        found.metadata.name, found.metadata.namespace = "settings", "default"
        node.manager.apply([agent_pb2.Change(config_map=found)], complete=False)
        await node.phase("Running")


async def test_an_agent_that_is_killed_finds_its_pods_running() -> None:
    """The next one adopts them: same containers, same address, no restart, and no status that differs."""
    async with pods.running_node() as node:
        pod = pods.pod()
        node.assign(pod)
        status = await node.phase("Running")
        before = await node.runtime.containers()
        await node.kill()
        node.start()
        known = corev1.Pod()
        known.CopyFrom(pod)
        known.status.CopyFrom(status)
        assert [one.uid for one in await node.manager.running()] == [pods.UID]
        node.assign(known)
        await pods.wait_until(lambda: "" if node.manager.statuses() else "no status yet")
        assert await node.runtime.containers() == before
        assert node.sink.statuses == {}
        assert node.manager.statuses()[0][1] == status


async def test_nothing_is_touched_before_the_first_complete() -> None:
    """And then what is nobody's goes."""
    async with pods.running_node() as node:
        node.assign(pods.pod())
        await node.phase("Running")
        await node.kill()
        node.start()
        assert len(await node.manager.running()) == 1
        assert len(await node.runtime.containers()) == 1
        node.assign()
        await node.gone()
        assert await node.runtime.containers() == []
        assert await node.network.sandboxes() == []


async def test_a_pod_whose_end_was_not_heard_is_reported_again() -> None:
    """The control plane lost the news with its session and names the pod again."""
    async with pods.running_node() as node:
        pod = pods.pod()
        node.assign(pod)
        await node.phase("Running")
        node.assign(pods.deleted(pod))
        await node.gone()
        node.assign(pods.deleted(pod))
        assert node.sink.gone == [pods.UID, pods.UID]


async def test_an_outage_of_the_runtime_is_told_and_survived() -> None:
    """Pods that run go on; those that are new wait; after 5 s the fault is said, and taken back when it is over."""
    async with pods.running_node() as node:
        node.assign(pods.pod())
        await node.phase("Running")
        pods.runtime_of(node).unavailable = "podman: connection refused"
        pods.runtime_of(node).cut_events()
        for _ in range(12):
            assert not node.sink.faults.get("runtime") or node.clock.now() - 1_700_000_000 >= 5
            await pods.settle()
            pods.clock_of(node).advance(0.5)
        await pods.wait_until(lambda: "" if node.sink.faults.get("runtime") else "no fault")
        other = pods.pod(name="other", uid="0a1b2c3d-0000-4000-8000-000000000002")
        node.assign(other, complete=False)
        await node.waiting("ImageInspectError", other.metadata.uid)
        pods.runtime_of(node).unavailable = ""
        for _ in range(4):
            pods.clock_of(node).advance(10)
        await node.phase("Running", other.metadata.uid)
        await pods.wait_until(lambda: node.sink.faults["runtime"])
        assert node.sink.newest().phase == "Running"


async def test_a_node_without_addresses_to_give_waits() -> None:
    """Until its pod CIDR has come."""
    async with pods.running_node() as node:
        node.network.broken = "no free IPv4 address is left"  # type: ignore[attr-defined]
        node.assign(pods.pod())
        await pods.wait_until(lambda: "" if "FailedCreatePodSandBox" in node.sink.reasons() else "no event")
        node.network.broken = ""  # type: ignore[attr-defined]
        pods.clock_of(node).advance(5)
        await node.phase("Running")


@pytest.mark.parametrize("policy", ["Always", "Never"])
async def test_a_new_image_replaces_the_container(policy: str) -> None:
    """The one field of a running container that may change: whatever the restart policy."""
    async with pods.running_node() as node:
        pod = pods.pod(policy=policy)
        node.assign(pod)
        await node.phase("Running")
        changed = corev1.Pod()
        changed.CopyFrom(pod)
        changed.spec.containers[0].image = "fairlead.test/busybox:2"
        node.assign(changed, complete=False)
        status = await node.until(
            "restarted",
            lambda status: status.containerStatuses[0].restartCount == 1 and pods.any_runs(status.containerStatuses),
        )
        assert status.containerStatuses[0].image == "fairlead.test/busybox:2"
        # The API refuses a container that runs again though its pod's policy is Never.
        assert not any(one.containerStatuses[0].state.HasField("terminated") for one in node.sink.statuses[pods.UID])


async def test_another_image_does_not_wait_for_what_the_one_before_did() -> None:
    """Its waiting times begin anew; one that has ended for good stays so."""
    async with pods.running_node() as node:
        pod = pods.pod(pods.container(command=("exit", "1")))
        node.assign(pod)
        await node.waiting("CrashLoopBackOff")
        changed = objects.copy(pod)
        changed.spec.containers[0].image = "fairlead.test/busybox:2"
        node.assign(changed, complete=False)
        await node.until("two more", lambda status: status.containerStatuses[0].restartCount == 3)
        await node.waiting("CrashLoopBackOff", message="back-off 10s")
    async with pods.running_node() as node:
        pod = pods.pod(pods.container(command=("exit", "0")), pods.container("other"), policy="OnFailure")
        node.assign(pod)
        await node.until("ended", lambda status: status.containerStatuses[0].state.HasField("terminated"))
        changed = objects.copy(pod)
        changed.spec.containers[0].image = "fairlead.test/busybox:2"
        node.assign(changed, complete=False)
        await pods.settle()
        assert node.sink.newest().containerStatuses[0].restartCount == 0


async def test_a_pod_has_not_ended_while_anything_of_it_runs() -> None:
    """Whoever counts on its end would use what its sidecars still do."""
    async with pods.running_node() as node:
        pod = pods.pod(pods.container(command=("exit", "0")), policy="Never")
        pod.spec.initContainers.append(pods.container("side", ("stubborn",)))
        pod.spec.initContainers[0].restartPolicy = "Always"
        pod.spec.terminationGracePeriodSeconds = 5
        node.assign(pod)
        status = await node.until("main ended", lambda one: one.containerStatuses[0].state.HasField("terminated"))
        assert (status.phase, pods.any_runs(status.initContainerStatuses)) == ("Pending", True)
        pods.clock_of(node).advance(5)
        status = await node.phase("Succeeded")
        assert status.initContainerStatuses[0].state.terminated.exitCode == 137


async def test_a_process_that_does_not_come_up_counts_as_a_restart() -> None:
    """StartError with the runtime's words, then the usual waiting."""
    async with pods.running_node() as node:
        node.assign(pods.pod(pods.container(command=("fail-start",))))
        await node.waiting("CrashLoopBackOff")
        [container] = node.sink.newest().containerStatuses
        assert container.lastState.terminated.reason == "StartError"
        assert container.lastState.terminated.exitCode == 128
        assert "executable file not found" in container.lastState.terminated.message


async def test_a_tokens_volume_waits_for_its_token() -> None:
    """It is asked for; the container starts when it has come, and nobody is told of a fault meanwhile."""
    async with pods.running_node() as node:
        pod = pods.pod()
        pod.spec.serviceAccountName = "robot"
        projected = pod.spec.volumes.add(name="token").volumeSource.projected
        projected.sources.add().serviceAccountToken.path = "token"
        node.assign(pod)
        await pods.wait_until(lambda: "" if node.sink.tokens else "not asked")
        assert node.sink.tokens[0].service_account == "robot"
        token = agent_pb2.ServiceAccountToken(namespace="default", pod_name="web", pod_uid=pods.UID)
        token.request.status.token = "secret"
        token.request.status.expirationTimestamp.seconds = int(node.clock.now()) + 3600
        node.manager.apply([agent_pb2.Change(token=token)], complete=False)
        await node.phase("Running")
        assert node.manager.waiting_tokens() == []
        assert "FailedMount" not in node.sink.reasons()


async def test_a_pod_that_is_deleted_while_it_starts_goes_at_once() -> None:
    """A pull that hangs is given up."""

    class Hanging(memory_runtime.MemoryRuntime):
        async def pull(self, reference: str, credentials: runtime.Credentials | None = None) -> runtime.Image:
            self.pulls.append(reference)
            await asyncio.Event().wait()
            raise AssertionError

    clock = clocks.FakeClock()
    node = pods.Node(Hanging(clock), clock=clock)
    async with pods.running_node(node):
        pod = pods.pod()
        node.assign(pod)
        await pods.wait_until(lambda: "" if pods.runtime_of(node).pulls else "no pull")
        node.assign(pods.deleted(pod), complete=False)
        await node.gone()


async def test_a_container_that_appears_late_is_removed() -> None:
    """Its pod was deleted while the runtime was slow to create it."""
    async with pods.running_node() as node:
        node.assign()
        await node.manager.running()
        await node.runtime.pull(pods.IMAGE)
        labels = {runtime.UID_LABEL: "gone", runtime.NAME_LABEL: "web", runtime.CONTAINER_LABEL: "main"}
        await node.runtime.create(runtime.ContainerSpec("late", pods.IMAGE, labels))
        await node.gone("gone")
        assert await node.runtime.containers() == []


async def test_conditions_of_others_are_kept_and_gate_readiness() -> None:
    """A readiness gate that a controller sets through the API."""
    async with pods.running_node() as node:
        pod = pods.pod()
        pod.spec.readinessGates.add(conditionType="example.com/routed")
        node.assign(pod)
        status = await node.phase("Running")
        ready = next(one for one in status.conditions if one.type == "Ready")
        want = 'corresponding condition of pod readiness gate "example.com/routed" does not exist.'
        assert (ready.status, ready.reason, ready.message) == ("False", "ReadinessGatesNotReady", want)
        routed = corev1.Pod()
        routed.CopyFrom(pod)
        routed.status.conditions.add(type="example.com/routed", status="True")
        node.assign(routed, complete=False)
        status = await node.until(
            "ready", lambda status: any(one.type == "Ready" and one.status == "True" for one in status.conditions)
        )
        closed = corev1.Pod()
        closed.CopyFrom(routed)
        closed.status.conditions[0].status = "False"
        node.assign(closed, complete=False)
        status = await node.until(
            "unready", lambda status: any(one.type == "Ready" and one.status == "False" for one in status.conditions)
        )
        want = 'the status of pod readiness gate "example.com/routed" is not "True", but False'
        assert next(one.message for one in status.conditions if one.type == "Ready") == want
        # What others have set is theirs: said again it would undo what they set meanwhile.
        told = {one.type for said in node.sink.statuses[pods.UID] for one in said.conditions}
        assert "example.com/routed" not in told


async def test_after_a_reboot_pods_run_anew_in_new_sandboxes() -> None:
    """Pins are gone, containers ended: the same pod, another start, counted."""
    async with pods.running_node() as node:
        pod = pods.pod()
        node.assign(pod)
        status = await node.phase("Running")
        [before] = await node.runtime.containers()
        await node.kill()
        pods.runtime_of(node).end(before.id, 255)
        await node.network.remove(pods.UID)
        node.start()
        known = corev1.Pod()
        known.CopyFrom(pod)
        known.status.CopyFrom(status)
        node.assign(known)
        status = await node.until("running again", lambda status: status.containerStatuses[0].restartCount == 1)
        assert status.containerStatuses[0].lastState.terminated.exitCode == 255
        assert status.podIP == "10.128.3.3"


async def test_a_pod_that_was_to_be_deleted_when_the_node_died_goes_when_it_is_back() -> None:
    """Nothing of it is started again."""
    async with pods.running_node() as node:
        pod = pods.pod()
        node.assign(pod)
        await node.phase("Running")
        await node.kill()
        for one in await node.runtime.containers():
            pods.runtime_of(node).end(one.id, 255)
        await node.network.remove(pods.UID)
        node.start()
        node.assign(pods.deleted(pod))
        await node.gone()
        assert await node.runtime.containers() == []
        assert "Started" not in node.sink.reasons()


async def test_an_ephemeral_container_joins_a_running_pod() -> None:
    """It sees the processes of its target; its end does not end the pod, and deleting the pod takes it along."""
    async with pods.running_node() as node:
        pod = pods.pod()
        node.assign(pod)
        await node.phase("Running")
        main = node.manager.statuses()[0][1].containerStatuses[0].containerID.removeprefix("memory://")
        found = await node.runtime.inspect(main)
        assert found is not None
        more = objects.copy(pod)
        added = more.spec.ephemeralContainers.add(targetContainerName="main").ephemeralContainerCommon
        added.name, added.image, added.stdin, added.tty = "debug", pods.IMAGE, True, True
        node.assign(more, complete=False)

        status = await node.until(
            "debug runs", lambda one: any(s.state.HasField("running") for s in one.ephemeralContainerStatuses)
        )

        debug = status.ephemeralContainerStatuses[0].containerID.removeprefix("memory://")
        assert pods.runtime_of(node).spec_of(debug).namespaces.pid == f"/proc/{found.pid}/ns/pid"
        assert [one.restartCount for one in status.containerStatuses] == [0]
        node.assign(pods.deleted(more))
        await node.gone()
