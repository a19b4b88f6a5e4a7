"""What Kubernetes' conformance tests look at inside pods, on Podman: each table is a few of them, run side by side.

A row is a pod of one container: what it does, more of its spec, and all that it is to say (docs/conformance.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import yaml

from fairlead.api import codec
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.runtime import interface as runtime
from tests.support import pods

SETTINGS = """
metadata: {name: settings, namespace: default}
data: {data-1: value-1, data-2: value-2}
binaryData: {dump: 3sr+ugE=}
"""
KEYS = """
metadata: {name: keys, namespace: default}
data: {data-1: dmFsdWUtMQ==, data-2: dmFsdWUtMg==}
"""
LOOK = "for f in {}; do echo $(cat $f) $(stat -L -c '%A %u %g' $f); done"
ONE, DEEP = LOOK.format("/v/data-1"), LOOK.format("/v/path/to/data-2")
MOUNT = "volumeMounts: [{name: v, mountPath: /v}]"
ITEMS = "items: [{key: data-2, path: path/to/data-2}]"
NOBODY = "securityContext: {runAsUser: 1000}"


@dataclass(frozen=True)
class Row:
    """A pod: its script, more fields of its container and of its spec (YAML), what it says, how it ends."""

    name: str
    script: str
    says: str
    container: str = ""
    spec: str = ""
    phase: str = "Succeeded"

    def pod(self, number: int) -> corev1.Pod:
        """Return the pod."""
        made = pods.pod(name=self.name, uid=f"0a1b2c3d-0000-4000-8000-{number:012}", policy="Never")
        own = {"name": "main", "image": pods.IMAGE, "command": ["sh", "-c", self.script]}
        container = own | (yaml.safe_load(self.container) or {})
        made.spec.MergeFrom(codec.from_json(yaml.safe_load(self.spec) or {}, corev1.PodSpec))
        made.spec.containers[0].CopyFrom(codec.from_json(container, corev1.Container))
        made.spec.terminationGracePeriodSeconds = 1
        return made


async def check(node: pods.Node, rows: Sequence[Row]) -> None:
    """Run the pods of a table and compare all that they say."""
    made = [row.pod(number) for number, row in enumerate(rows, 1)]
    settings = codec.from_json(yaml.safe_load(SETTINGS), corev1.ConfigMap)
    keys = codec.from_json(yaml.safe_load(KEYS), corev1.Secret)
    given = [agent_pb2.Change(config_map=settings), agent_pb2.Change(secret=keys)]
    node.manager.apply([*given, *(agent_pb2.Change(pod=one) for one in made)], complete=True)

    async def ended(row: Row, pod: corev1.Pod) -> tuple[str, str]:
        status = await node.until("over", lambda one: one.phase in ("Succeeded", "Failed"), pod.metadata.uid)
        log = node.manager.logs(pod.metadata.uid, corev1.PodLogOptions())
        return status.phase, b"".join([chunk async for chunk in log]).decode()

    got = await asyncio.gather(*(ended(row, pod) for row, pod in zip(rows, made, strict=True)))
    told = {row.name: found for row, found in zip(rows, got, strict=True)}
    assert told == {row.name: (row.phase, row.says) for row in rows}


def _volume(source: str) -> str:
    return f"volumes: [{{name: v, {source}}}]"


@pytest.mark.parametrize(
    "source",
    [
        "configMap: {name: settings ITEMS MODE}",
        "secret: {secretName: keys ITEMS MODE}",
        "projected: {sources: [{configMap: {name: settings ITEMS}}] MODE}",
        "projected: {sources: [{secret: {name: keys ITEMS}}] MODE}",
    ],
)
async def test_volumes_of_files(node: pods.Node, source: str) -> None:
    """[sig-storage] ConfigMap, Secrets, Projected configMap and secret: content, modes, items, users, fsGroup."""

    def volume(items: str = "", mode: str = "") -> str:
        return _volume(source.replace("ITEMS", items and f", {items}").replace("MODE", mode and f", {mode}"))

    moded = ITEMS.replace("data-2}", "data-2, mode: 256}")
    group = f"{volume(mode='defaultMode: 288')}\nsecurityContext: {{runAsUser: 1000, fsGroup: 1001}}"
    await check(
        node,
        [
            Row("default", ONE, "value-1 -rw-r--r-- 0 0\n", MOUNT, volume()),
            Row("non-root", ONE, "value-1 -rw-r--r-- 0 0\n", MOUNT, f"{volume()}\n{NOBODY}"),
            Row("mode", ONE, "value-1 -r-------- 0 0\n", MOUNT, volume(mode="defaultMode: 256")),
            Row("items", DEEP, "value-2 -rw-r--r-- 0 0\n", MOUNT, volume(ITEMS)),
            Row("item-mode", DEEP, "value-2 -r-------- 0 0\n", MOUNT, volume(moded)),
            Row("group", ONE, "value-1 -r--r----- 0 1001\n", MOUNT, group),
        ],
    )


async def test_volumes_that_tell_of_the_pod(node: pods.Node) -> None:
    """[sig-storage] Downward API volume, Projected combined, ConfigMap binary data, multiple volumes."""
    name = "{path: name, fieldRef: {fieldPath: metadata.name}}"
    look = LOOK.format("/v/name")
    limits = "resources: {requests: {cpu: 250m, memory: 32Mi}, limits: {cpu: 1250m, memory: 64Mi}}"
    asked = ("limits.cpu, divisor: 1m", "limits.memory", "requests.cpu, divisor: 1m", "requests.memory")
    files = ", ".join(
        f"{{path: r{at}, resourceFieldRef: {{containerName: main, resource: {one}}}}}" for at, one in enumerate(asked)
    )
    own, chosen = f"downwardAPI: {{items: [{name}]}}", f"configMap: {{name: settings, {ITEMS}}}"
    every = f"{{{own}}}, {{secret: {{name: keys}}}}, {{{chosen}}}"
    two = "volumes: [{name: v, configMap: {name: settings}}, {name: w, secret: {secretName: keys}}]"
    await check(
        node,
        [
            Row("name", look, "name -rw-r--r-- 0 0\n", MOUNT, _volume(f"downwardAPI: {{items: [{name}]}}")),
            Row(
                "mode",
                look,
                "mode -r-------- 0 0\n",
                MOUNT,
                _volume(f"downwardAPI: {{items: [{name}], defaultMode: 256}}"),
            ),
            Row(
                "limits",
                "for f in 0 1 2 3; do cat /v/r$f; echo; done",
                "1250\n67108864\n250\n33554432\n",
                f"{MOUNT}\n{limits}",
                _volume(f"downwardAPI: {{items: [{files}]}}"),
            ),
            Row(
                "combined",
                "cat /v/name /v/data-1 /v/path/to/data-2",
                "combinedvalue-1value-2",
                MOUNT,
                _volume(f"projected: {{sources: [{every}]}}"),
            ),
            Row(
                "binary",
                "od -An -tx1 /v/dump",
                " de ca fe ba 01\n",
                MOUNT,
                _volume("configMap: {name: settings}"),
            ),
            Row(
                "two",
                "cat /v/data-1 /w/data-1",
                "value-1value-1",
                "volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]",
                two,
            ),
        ],
    )


async def test_empty_folders(node: pods.Node) -> None:
    """[sig-storage] EmptyDir: root and others, each mode, both media; a sub-path as open as its volume."""
    write = "umask 0; echo new > /v/f; chmod {} /v/f; stat -c %A /v/f; cat /v/f"
    rows = []
    for medium, source in (("disk", "{}"), ("memory", "{medium: Memory}")):
        volume = _volume(f"emptyDir: {source}")
        for who, context in (("root", ""), ("other", "\nsecurityContext: {runAsUser: 1001}")):
            for mode, shown in (("0644", "-rw-r--r--"), ("0777", "-rwxrwxrwx")):
                script = write.format(mode)
                rows.append(Row(f"{medium}-{who}-{mode}", script, f"{shown}\nnew\n", MOUNT, volume + context))
        group = f"{volume}\nsecurityContext: {{runAsUser: 1001, fsGroup: 123}}"
        below = "volumeMounts: [{name: v, mountPath: /v, subPath: a/b}]"
        script = "stat -c '%A %u %g' /v; touch /v/f && stat -c '%u %g' /v/f"
        rows += [
            Row(f"{medium}-mode", "stat -c %A /v; grep -c ' /v tmpfs ' /proc/mounts; true", "", MOUNT, volume),
            Row(f"{medium}-below", script, "drwxrwsrwx 0 123\n1001 123\n", below, group),
        ]
    said = {"disk-mode": "drwxrwxrwx\n0\n", "memory-mode": "drwxrwxrwx\n1\n"}
    await check(
        node,
        [Row(row.name, row.script, said.get(row.name, row.says), row.container, row.spec, row.phase) for row in rows],
    )


async def test_sub_paths(node: pods.Node) -> None:
    """[sig-storage] Subpath, [sig-node] Variable Expansion: a file of a volume, also over one that is there."""
    deep = "downwardAPI: {items: [{path: down/name, fieldRef: {fieldPath: metadata.name}}]}"
    settings = _volume("configMap: {name: settings}")
    await check(
        node,
        [
            Row("file", "cat /f", "value-1", "volumeMounts: [{name: v, mountPath: /f, subPath: data-1}]", settings),
            Row(
                "over",
                "cat /etc/resolv.conf",
                "value-1",
                "volumeMounts: [{name: v, mountPath: /etc/resolv.conf, subPath: data-1}]",
                settings,
            ),
            Row(
                "deep",
                "cat /f",
                "deep",
                "volumeMounts: [{name: v, mountPath: /f, subPath: down/name}]",
                _volume(deep),
            ),
            Row(
                "expanded",
                "test -d /w/expanded; echo $?",
                "0\n",
                "env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n"
                "volumeMounts: [{name: v, mountPath: /v, subPathExpr: $(NAME)}, {name: v, mountPath: /w}]",
                _volume("emptyDir: {}"),
            ),
        ],
    )


async def test_environment_and_arguments(node: pods.Node) -> None:
    """[sig-node] ConfigMap, Secrets, Downward API and Variable Expansion, by way of the environment."""
    await check(
        node,
        [
            Row(
                "keys",
                "echo $A $B",
                "value-1 value-2\n",
                "env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: data-1}}},"
                " {name: B, valueFrom: {secretKeyRef: {name: keys, key: data-2}}}]",
            ),
            Row(
                "all",
                "",
                "1\n",
                "command: [grep, -c, p.data-2=value-2, /proc/self/environ]\n"
                "envFrom: [{prefix: p., configMapRef: {name: settings}}]",
            ),
            Row(
                "composed",
                "echo $C",
                "foo;;bar\n",
                "env: [{name: A, value: foo}, {name: B, value: bar}, {name: C, value: $(A);;$(B)}]",
            ),
            Row(
                "arguments",
                "",
                "right $(B) $(A)\n",
                "command: [sh, -c]\nenv: [{name: A, value: right}]\nargs: [\"A=wrong; echo $(A) '$(B)' '$$(A)'\"]",
            ),
            Row(
                "limits",
                "echo $A $B $C",
                "2 33554432 limits\n",
                "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}},"
                " {name: B, valueFrom: {resourceFieldRef: {resource: requests.memory}}},"
                " {name: C, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n"
                "resources: {requests: {memory: 32Mi}, limits: {cpu: 1250m}}",
            ),
        ],
    )


async def test_who_a_container_is_and_may(node: pods.Node) -> None:
    """[sig-node] Security Context, Kubelet: users, escalation, privilege, a root that is read-only, hosts."""
    say = "cat /proc/self/status | grep -E 'NoNewPrivs|^Uid|^Gid' | cut -f1,2 | tr '\\t\\n' '  '"
    refused = "ip link add dummy0 type dummy 2>&1 | grep -c 'Operation not permitted'"
    read_only = "echo test > /file"
    await check(
        node,
        [
            Row(
                "container",
                say,
                "Uid: 1001 Gid: 2002 NoNewPrivs: 1 ",
                "securityContext: {runAsUser: 1001, runAsGroup: 2002, allowPrivilegeEscalation: false}",
            ),
            Row(
                "pod",
                say,
                "Uid: 1001 Gid: 2002 NoNewPrivs: 0 ",
                "",
                "securityContext: {runAsUser: 1001, runAsGroup: 2002}",
            ),
            Row(
                "groups",
                "id -G | tr ' ' '\\n' | sort | tail -2 | tr '\\n' ' '",
                "1234 5678 ",
                "",
                "securityContext: {runAsUser: 1000, runAsGroup: 1, fsGroup: 1234, supplementalGroups: [5678]}",
            ),
            Row("unprivileged", refused, "1\n", "securityContext: {privileged: false}"),
            Row(
                "read-only",
                read_only,
                "sh: can't create /file: Read-only file system\n",
                "securityContext: {readOnlyRootFilesystem: true}",
                phase="Failed",
            ),
            Row("writable", "touch checkfile", "", "securityContext: {readOnlyRootFilesystem: false}"),
            Row(
                "hosts",
                "grep -E 'Kubernetes|foo' /etc/hosts",
                "# Kubernetes-managed hosts file.\n123.45.67.89\tfoo\tbar\n",
                "",
                "hostAliases: [{ip: 123.45.67.89, hostnames: [foo, bar]}]",
            ),
            Row(
                "resolver",
                "cat /etc/resolv.conf",
                "search resolv.conf.local\nnameserver 192.0.2.53\n",
                "",
                "dnsPolicy: None\ndnsConfig: {nameservers: [192.0.2.53], searches: [resolv.conf.local]}",
            ),
        ],
    )


async def test_optional_files_come_change_and_go(node: pods.Node) -> None:
    """[sig-storage] optional updates should be reflected in volume: a running container sees each."""
    row = Row(
        "follows",
        "sleep 600",
        "",
        MOUNT,
        "volumes: [{name: v, projected: {sources: [{configMap: {name: late, optional: true}},"
        " {secret: {name: keys, optional: true, items: [{key: data-1, path: gone}]}},"
        " {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]}}]",
    )
    pod = row.pod(1)
    keys = codec.from_json(yaml.safe_load(KEYS), corev1.Secret)
    node.manager.apply([agent_pb2.Change(secret=keys), agent_pb2.Change(pod=pod)], complete=True)
    await node.phase("Running")

    async def shows(want: str) -> None:
        async def probe() -> str:
            options = runtime.ExecOptions(("sh", "-c", "cd /v; for f in *; do echo $f $(cat $f); done"))
            stream = await node.manager.exec(pods.UID, "main", options)
            got = b""
            while (chunk := await stream.read()) is not None:
                got += chunk.data
            await stream.close()
            return "" if got.decode() == want else repr(got)

        await pods.wait_until_async(probe)

    await shows("gone value-1\nlabels\n")
    late = corev1.ConfigMap(data={"fresh": "1"})
    late.metadata.name, late.metadata.namespace = "late", "default"
    removed = agent_pb2.Change(removed=agent_pb2.Removed(resource="secrets", namespace="default", name="keys"))
    labelled = corev1.Pod()
    labelled.CopyFrom(pod)
    labelled.metadata.labels["key"] = "value"
    node.manager.apply([agent_pb2.Change(config_map=late), removed, agent_pb2.Change(pod=labelled)], complete=False)
    await shows('fresh 1\nlabels key="value"\n')
