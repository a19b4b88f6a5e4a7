"""Pods on Podman, in namespaces with addresses of their own."""

from __future__ import annotations

import asyncio
import pathlib

import pytest

from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.runtime import interface as runtime
from tests.support import podman, pods


def _pod(*containers: corev1.Container, policy: str = "Always") -> corev1.Pod:
    """Return a pod that may take a second to end: a shell heeds no signal while a command runs."""
    made = pods.pod(*containers, policy=policy)
    made.spec.terminationGracePeriodSeconds = 1
    return made


def _shell(script: str, name: str = "main") -> corev1.Container:
    return corev1.Container(name=name, image=pods.IMAGE, command=["sh", "-c", script])


def _server(text: str = "hello") -> corev1.Container:
    return _shell(f"mkdir -p /tmp/www; echo {text} > /tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www")


async def _get(address: str, port: int = 80) -> bytes:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def _log(node: pods.Node, uid: str = pods.UID, **options: object) -> bytes:
    wanted = corev1.PodLogOptions(**options)  # type: ignore[arg-type]
    return b"".join([chunk async for chunk in node.manager.logs(uid, wanted)])


async def test_a_pod_runs_with_an_address_and_answers(node: pods.Node) -> None:
    """An HTTP server in a pod, asked from the node; deleted, nothing is left."""
    pod = _pod(_server())
    node.assign(pod)
    status = await node.phase("Running")
    await pods.wait_until_async(lambda: _answers(status.podIP))
    assert status.containerStatuses[0].containerID.startswith("podman://")
    assert (await _get(status.podIP)).endswith(b"hello\n")
    node.assign(pods.deleted(pod, grace=1), complete=False)
    await node.gone()
    assert await node.runtime.containers() == []
    assert await node.network.sandboxes() == []


async def _answers(address: str) -> str:
    try:
        return "" if await _get(address) else "nothing"
    except OSError as error:
        return str(error)


async def test_logs_can_be_read_and_followed(node: pods.Node) -> None:
    """Of a container that runs, and of the one before."""
    node.assign(_pod(_shell("echo one; echo two >&2; sleep 1; exit 1")))
    await node.until("restarted", lambda status: status.containerStatuses[0].restartCount == 1)
    assert await _log(node, previous=True) == b"one\ntwo\n"
    assert await _log(node, follow=True) == b"one\ntwo\n"
    assert await _log(node, tailLines=1) == b"two\n"


async def test_environment_names_and_files(node: pods.Node) -> None:
    """What a pod knows of itself: variables, host name, hosts file, config maps, secrets."""
    settings = corev1.ConfigMap(data={"greeting": "hello"})
    settings.metadata.name, settings.metadata.namespace = "settings", "default"
    secret = corev1.Secret(data={"password": b"sesame"})
    secret.metadata.name, secret.metadata.namespace = "keys", "default"
    pod = _pod(
        _shell("echo $GREETING $ME; hostname; grep web /etc/hosts; cat /settings/greeting /keys/password; sleep 600")
    )
    [container] = pod.spec.containers
    variable = container.env.add(name="GREETING").valueFrom.configMapKeyRef
    variable.localObjectReference.name, variable.key = "settings", "greeting"
    container.env.add(name="ME").valueFrom.fieldRef.fieldPath = "status.podIP"
    pod.spec.volumes.add(name="settings").volumeSource.configMap.localObjectReference.name = "settings"
    pod.spec.volumes.add(name="keys").volumeSource.secret.secretName = "keys"
    container.volumeMounts.add(name="settings", mountPath="/settings")
    container.volumeMounts.add(name="keys", mountPath="/keys")
    changes = [agent_pb2.Change(config_map=settings), agent_pb2.Change(secret=secret), agent_pb2.Change(pod=pod)]
    node.manager.apply(changes, complete=True)
    status = await node.phase("Running")

    async def written() -> str:
        text = (await _log(node)).decode()
        want = f"hello {status.podIP}\nweb\n{status.podIP}\tweb\nhellosesame"
        return "" if text == want else text

    await pods.wait_until_async(written)

    settings.data["greeting"] = "good day"
    fresh = corev1.ConfigMap()
    fresh.CopyFrom(settings)
    node.manager.apply([agent_pb2.Change(config_map=fresh)], complete=False)

    async def renewed() -> str:
        stream = await node.manager.exec(pods.UID, "main", runtime.ExecOptions(("cat", "/settings/greeting")))
        chunk = await stream.read()
        await stream.close()
        return "" if chunk is not None and chunk.data == b"good day" else str(chunk)

    await pods.wait_until_async(renewed)


async def test_containers_of_a_pod_share_network_ipc_and_volumes(node: pods.Node) -> None:
    """One finds the other on the loopback and in a shared folder."""
    pod = _pod(
        _server("shared"),
        _shell(
            "while ! wget -q -O - http://localhost; do sleep 0.1; done; echo done > /work/out; sleep 600", "other"
        ),
    )
    pod.spec.volumes.add(name="work").volumeSource.emptyDir.SetInParent()
    for container in pod.spec.containers:
        container.volumeMounts.add(name="work", mountPath="/work")
    node.assign(pod)
    await node.phase("Running")

    async def shared() -> str:
        stream = await node.manager.exec(
            pods.UID, pod.spec.containers[0].name, runtime.ExecOptions(("cat", "/work/out"))
        )
        chunk = await stream.read()
        await stream.close()
        return "" if chunk is not None and chunk.data == b"done\n" else str(chunk)

    await pods.wait_until_async(shared)
    assert (await _log(node, container="other")).endswith(b"shared\n")


async def test_an_agent_that_is_killed_adopts_its_pods(node: pods.Node) -> None:
    """No container is restarted; what crashed meanwhile is."""
    pod = _pod(_server())
    node.assign(pod)
    status = await node.phase("Running")
    before = [(one.id, one.pid) for one in await node.runtime.containers()]
    await node.kill()
    node.start()
    node.assign(pod)
    await pods.wait_until(lambda: "" if node.manager.statuses() else "no status yet")
    adopted = await node.phase("Running")
    assert [(one.id, one.pid) for one in await node.runtime.containers()] == before
    assert adopted.podIP == status.podIP


async def test_limits_reach_the_container(node: pods.Node) -> None:
    """The cgroup of the container has the memory of its spec: the kernel kills what takes more."""
    pod = _pod(_shell("exec busybox awk 'BEGIN { s = \"x\"; while (1) s = s s }'"), policy="Never")
    pod.spec.containers[0].resources.limits["memory"].string = "32Mi"
    node.assign(pod)
    status = await node.phase("Failed")
    # Whether libpod calls it OOMKilled depends on conmon being told by the cgroup's version in use.
    assert status.containerStatuses[0].state.terminated.exitCode == 137


async def test_a_termination_message_is_reported(node: pods.Node) -> None:
    """What a container writes to /dev/termination-log."""
    node.assign(_pod(_shell("echo because > /dev/termination-log; exit 7"), policy="Never"))
    status = await node.phase("Failed")
    terminated = status.containerStatuses[0].state.terminated
    assert (terminated.exitCode, terminated.reason, terminated.message) == (7, "Error", "because\n")


async def test_the_end_of_the_log_stands_in_for_a_termination_message(node: pods.Node) -> None:
    """Also a last line that has no end; the log tells of a sysctl and of the full name that the kernel has."""
    pod = _pod(_shell("cat /proc/sys/kernel/shm_rmid_forced; hostname; echo -n sorry; exit 7"), policy="Never")
    pod.spec.containers[0].terminationMessagePolicy = "FallbackToLogsOnError"
    pod.spec.securityContext.sysctls.add(name="kernel.shm_rmid_forced", value="1")
    pod.spec.subdomain, pod.spec.setHostnameAsFQDN = "sub", True
    node.assign(pod)
    status = await node.phase("Failed")
    message = status.containerStatuses[0].state.terminated.message
    assert message == "1\nweb.sub.default.svc.cluster.local\nsorry"


async def test_a_failing_liveness_probe_restarts(node: pods.Node) -> None:
    """And readiness follows its own probe."""
    pod = _pod(
        _shell(
            "trap 'exit 0' TERM; touch /tmp/ok; sleep 2 & wait; rm /tmp/ok 2>/dev/null; while :; do sleep 0.1; done"
        )
    )
    probe = pod.spec.containers[0].livenessProbe
    probe.handler.exec.command.extend(["stat", "/tmp/missing"])
    probe.periodSeconds, probe.failureThreshold = 1, 2
    pod.spec.terminationGracePeriodSeconds = 1
    node.assign(pod)
    await node.until("restarted", lambda status: status.containerStatuses[0].restartCount == 1)
    assert "Unhealthy" in node.sink.reasons()
    assert any(one.message == "Container main failed liveness probe, will be restarted" for one in node.sink.events)


async def test_readiness_follows_the_server(node: pods.Node) -> None:
    """The pod is ready once its port answers."""
    pod = _pod(_shell("sleep 1; exec httpd -f -p 80 -h /tmp"))
    probe = pod.spec.containers[0].readinessProbe
    probe.handler.tcpSocket.port.intVal = 80
    probe.periodSeconds = 1
    node.assign(pod)
    status = await node.phase("Running")
    assert not status.containerStatuses[0].ready
    await node.until("ready", lambda status: status.containerStatuses[0].ready)


async def test_port_forward_reaches_the_loopback(node: pods.Node) -> None:
    """Also a server that only listens there."""
    node.assign(_pod(_shell("exec httpd -f -p 127.0.0.1:8080 -h /tmp")))
    await node.phase("Running")

    async def answers() -> str:
        try:
            reader, writer = await node.manager.port_forward(pods.UID, 8080)
        except Exception as error:
            return str(error)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        data = await reader.read()
        writer.close()
        return "" if b" 404 " in data else str(data)

    await pods.wait_until_async(answers)


async def test_a_folder_of_the_node_is_mounted(node: pods.Node, tmp_path: pathlib.Path) -> None:
    """hostPath, and the refusal of one of another type."""
    (tmp_path / "file").write_text("from the node")
    pod = _pod(_shell("cat /host/file; sleep 600"))
    source = pod.spec.volumes.add(name="host").volumeSource.hostPath
    source.path, source.type = str(tmp_path), "Directory"
    pod.spec.containers[0].volumeMounts.add(name="host", mountPath="/host")
    node.assign(pod)
    await node.phase("Running")

    async def written() -> str:
        text = await _log(node)
        return "" if text == b"from the node" else str(text)

    await pods.wait_until_async(written)


# podman-py leaves the socket of a connection that is refused to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_pods_outlive_podmans_service(node: pods.Node, host: podman.Service) -> None:
    """Its process is killed and another takes its place: pods go on, new ones start, no fault is said."""
    pod = _pod(_server())
    node.assign(pod)
    status = await node.phase("Running")
    await pods.wait_until_async(lambda: _answers(status.podIP))
    host.crash()
    assert await _get(status.podIP)
    other = _pod(_server())
    other.metadata.uid, other.metadata.name = "0a1b2c3d-0000-4000-8000-000000000002", "other"
    node.assign(other, complete=False)
    await node.phase("Running", other.metadata.uid)
    assert node.sink.faults["runtime"] == ""
    assert node.sink.newest().containerStatuses[0].restartCount == 0


async def test_hooks_run_in_the_container(node: pods.Node, tmp_path: pathlib.Path) -> None:
    """postStart beside the process; preStop before it is asked to end."""
    pod = _pod(_shell("trap 'echo stopping >> /host/story; exit 0' TERM; while :; do sleep 0.1; done"))
    [container] = pod.spec.containers
    pod.spec.volumes.add(name="host").volumeSource.hostPath.path = str(tmp_path)
    container.volumeMounts.add(name="host", mountPath="/host")
    start, stop = container.lifecycle.postStart, container.lifecycle.preStop
    start.exec.command.extend(["sh", "-c", "echo started >> /host/story"])
    stop.exec.command.extend(["sh", "-c", "echo hook >> /host/story"])
    pod.spec.terminationGracePeriodSeconds = 10
    node.assign(pod)
    await node.phase("Running")
    story = tmp_path / "story"
    await pods.wait_until(lambda: "" if story.exists() else "no hook ran")
    node.assign(pods.deleted(pod), complete=False)
    await node.gone()
    assert story.read_text().split() == ["started", "hook", "stopping"]


async def test_shared_memory_is_the_pods(node: pods.Node) -> None:
    """One container writes to /dev/shm, another reads it."""
    reader = _shell("while ! cat /dev/shm/word 2>/dev/null; do sleep 0.1; done; sleep 600", "reader")
    node.assign(_pod(_shell("echo shared > /dev/shm/word; sleep 600", "writer"), reader))
    await node.phase("Running")

    async def read() -> str:
        text = await _log(node, container="reader")
        return "" if text == b"shared\n" else str(text)

    await pods.wait_until_async(read)


async def test_fifty_followers_and_slow_stops_keep_no_pod_from_starting(node: pods.Node) -> None:
    """Nothing that waits holds a thread that a start needs."""
    stubborn = [_shell("trap '' TERM; while :; do sleep 1; done", f"s{number}") for number in range(4)]
    slow = _pod(*stubborn)
    slow.spec.terminationGracePeriodSeconds = 8
    node.assign(slow)
    await node.until("running", lambda status: all(one.started for one in status.containerStatuses))

    async def follow(container: str) -> None:
        options = corev1.PodLogOptions(follow=True, container=container)
        assert [chunk async for chunk in node.manager.logs(pods.UID, options)] == [b""]

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(follow(f"s{number % 4}"))
        node.assign(pods.deleted(slow), complete=False)
        await pods.wait_until(lambda: "" if "Killing" in node.sink.reasons() else "not killing")
        other = _pod(_shell("sleep 600"))
        other.metadata.uid, other.metadata.name = "0a1b2c3d-0000-4000-8000-000000000003", "other"
        node.assign(other, complete=False)
        async with asyncio.timeout(6):
            await node.phase("Running", other.metadata.uid)
        assert pods.UID not in node.sink.gone
    await node.gone()
