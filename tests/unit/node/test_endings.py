"""How pods and their containers end: deleted, in time or killed, crashed, done, past their deadline, or refused."""

from __future__ import annotations

from node.runtime import interface as runtime
from tests.support import pods


async def test_a_deleted_pod_goes_with_all_that_it_had() -> None:
    """Containers, sandbox and folder; then the control plane is told once."""
    async with pods.running_node() as node:
        pod = pods.pod()
        node.assign(pod)
        await node.phase("Running")
        node.assign(pods.deleted(pod), complete=False)
        await node.gone()
        assert await node.runtime.containers() == []
        assert await node.network.sandboxes() == []
        assert node.sink.gone == [pods.UID]
        assert node.sink.newest().phase == "Failed"  # the process ended by a signal
        assert node.sink.newest().containerStatuses[0].state.terminated.exitCode == 143


async def test_what_does_not_end_is_killed_after_the_grace() -> None:
    """SIGTERM, the grace, SIGKILL."""
    async with pods.running_node() as node:
        pod = pods.pod(pods.container(command=("stubborn",)))
        node.assign(pod)
        await node.phase("Running")
        node.assign(pods.deleted(pod, grace=10), complete=False)
        await pods.wait_until(lambda: "" if "Killing" in node.sink.reasons() else "not killing")
        assert node.sink.gone == []
        pods.clock_of(node).advance(10)
        await node.gone()
        assert node.sink.newest().containerStatuses[0].state.terminated.exitCode == 137


async def test_a_shorter_grace_counts_at_once() -> None:
    """`kubectl delete --force` on what is being deleted already."""
    async with pods.running_node() as node:
        pod = pods.pod(pods.container(command=("stubborn",)))
        node.assign(pod)
        await node.phase("Running")
        node.assign(pods.deleted(pod, grace=300), complete=False)
        await pods.wait_until(lambda: "" if "Killing" in node.sink.reasons() else "not killing")
        node.assign(pods.deleted(pod, grace=0), complete=False)
        await node.gone()


async def test_a_crashing_container_waits_longer_each_time() -> None:
    """At once, then after 10 s, 20 s, 40 s; the status says for how long and shows how it ended."""
    async with pods.running_node() as node:
        node.assign(pods.pod(pods.container(command=("exit", "3"))))
        for seconds, restarts in ((10, 1), (20, 2), (40, 3)):
            want = f"back-off {seconds}s restarting failed container=main pod=web_default({pods.UID})"
            await node.waiting("CrashLoopBackOff", message=want)
            [container] = node.sink.newest().containerStatuses
            assert container.state.waiting.reason == "CrashLoopBackOff"
            assert container.restartCount == restarts
            assert container.lastState.terminated.exitCode == 3
            assert container.lastState.terminated.reason == "Error"
            assert node.sink.newest().phase == "Running"
            pods.clock_of(node).advance(seconds)


async def test_only_the_last_two_containers_are_kept() -> None:
    """The newest, and the one before for `logs --previous`."""
    async with pods.running_node() as node:
        node.assign(pods.pod(pods.container(command=("exit", "3"))))
        for seconds in (10, 20, 40):
            await node.waiting("CrashLoopBackOff", message=f"back-off {seconds}s")
            pods.clock_of(node).advance(seconds)
        await node.waiting("CrashLoopBackOff", message="back-off 1m20s")

        async def kept() -> str:
            left = [one.labels[runtime.RESTARTS_LABEL] for one in await node.runtime.containers()]
            return "" if left == ["3", "4"] else f"these are kept: {left}"

        await pods.wait_until_async(kept)


async def test_a_job_succeeds() -> None:
    """With restartPolicy Never an exit status of 0 is the end, and the address is free again."""
    async with pods.running_node() as node:
        node.assign(pods.pod(pods.container(command=("exit", "0")), policy="Never"))
        status = await node.phase("Succeeded")
        assert status.containerStatuses[0].state.terminated.reason == "Completed"
        assert {one.type: one.reason for one in status.conditions}["Ready"] == "PodCompleted"

        async def sandboxes() -> int:
            return len(await node.network.sandboxes())

        await pods.wait_until(lambda: "" if node.sink.newest().conditions[0].status == "False" else "has a sandbox")
        assert await sandboxes() == 0
        assert node.sink.newest().podIP == "10.128.3.2"


async def test_a_job_that_fails_has_failed() -> None:
    """With restartPolicy Never nothing is started again."""
    async with pods.running_node() as node:
        node.assign(pods.pod(pods.container(command=("exit", "1")), policy="Never"))
        await node.phase("Failed")
        assert len(await node.runtime.containers()) == 1


async def test_a_pod_ends_when_its_deadline_comes_though_nothing_else_happens() -> None:
    """Also while it is being initialized."""
    async with pods.running_node() as node:
        pod = pods.pod()
        pod.spec.initContainers.append(pods.container("init"))
        pod.spec.activeDeadlineSeconds = 60
        node.assign(pod)
        await node.until("init container runs", lambda status: pods.any_runs(status.initContainerStatuses))
        pods.clock_of(node).advance(59)
        await pods.settle()
        assert node.sink.newest().phase == "Pending"
        pods.clock_of(node).advance(1)
        status = await node.phase("Failed")
        assert status.reason == "DeadlineExceeded"


async def test_the_end_of_its_log_stands_in_for_a_message() -> None:
    """Of a container that failed without a word, where its policy says so; known at once with its end."""
    async with pods.running_node() as node:
        failing, succeeding = pods.container(command=("exit", "1")), pods.container("other", ("exit", "0"))
        plain = pods.container("plain", ("exit", "1"))
        for one in (failing, succeeding):
            one.terminationMessagePolicy = "FallbackToLogsOnError"
        node.assign(pods.pod(failing, succeeding, plain, policy="Never"))
        await node.phase("Failed")
        ended = [one for status in node.sink.statuses[pods.UID] for one in status.containerStatuses]
        said = {(one.name, one.state.terminated.message) for one in ended if one.state.HasField("terminated")}
        assert said == {("main", "started exit 1\n"), ("other", ""), ("plain", "")}


async def test_a_pod_that_the_node_refuses_fails_before_anything_is_made() -> None:
    """With kubelet's reason, in status and Event; deleted, it goes."""
    async with pods.running_node() as node:
        pod = pods.pod()
        pod.spec.securityContext.sysctls.add(name="kernel.msgmax", value="1")
        node.assign(pod)
        status = await node.phase("Failed")
        why = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
        assert (status.reason, status.message) == ("SysctlForbidden", f"Pod was rejected: {why}")
        assert [(one.reason, one.message) for one in node.sink.events] == [("SysctlForbidden", why)]
        assert await node.network.sandboxes() == []
        node.assign(pods.deleted(pod))
        await node.gone()


async def test_who_never_ran_waits_for_the_initialization_that_failed() -> None:
    """The pod has failed, its containers say why they have not begun."""
    async with pods.running_node() as node:
        pod = pods.pod(policy="Never")
        pod.spec.initContainers.append(pods.container("init", ("exit", "1")))
        node.assign(pod)
        status = await node.phase("Failed")
        assert status.containerStatuses[0].state.waiting.reason == "PodInitializing"
        condition = next(one for one in status.conditions if one.type == "Initialized")
        assert (condition.status, condition.reason) == ("False", "ContainersNotInitialized")


async def test_a_sidecar_has_its_hook_before_it_is_stopped() -> None:
    """As any other container."""
    async with pods.running_node() as node:
        pod = pods.pod()
        sidecar = pods.container("side")
        sidecar.restartPolicy = "Always"
        sidecar.lifecycle.preStop.exec.command.extend(["exit", "3"])
        pod.spec.initContainers.append(sidecar)
        node.assign(pod)
        await node.phase("Running")
        node.assign(pods.deleted(pod), complete=False)
        await node.gone()
        failed = next(one for one in node.sink.events if one.reason == "FailedPreStopHook")
        assert failed.involvedObject.fieldPath == "spec.initContainers{side}"
