"""Unmodified kubectl at work on the lab: run, debug, proxy, top, rollout, drain, delete, and control hosts that die.

Where the version makes no difference the newest does it.
"""

from __future__ import annotations

import json
import pathlib
import re
import signal

import pytest

from tests.support import asking, outsider, sessions
from tests.support import console as consoles
from tests.support import lab as labs

IMAGE = consoles.IMAGE
EXAMPLE = labs.CHECKOUT / "deploy" / "examples" / "web.yaml"
REST_PORT = 6443
# the first kubectl that knows debugging containers as the API has them since 1.22
EPHEMERAL_MINOR = 22
SERVER = consoles.POD.format(name="server", restart="Always", image=IMAGE, script="exec /srv/serve")
# one container that uses a tenth of a core, one that holds 40 MB
HOG = f"""
apiVersion: v1
kind: Pod
metadata: {{name: hog, labels: {{app: hog}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: processor
    image: {IMAGE}
    command: [sh, -c, "while :; do :; done"]
    resources: {{limits: {{cpu: 100m}}}}
  - name: memory
    image: {IMAGE}
    command: [sh, -c, "(head -c 40000000 /dev/zero; sleep 100000) | tail -c 40000000"]
"""
GUARDED = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: guarded}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: guarded}}}}
  template:
    metadata: {{labels: {{app: guarded}}}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: main
        image: {IMAGE}
        env: [{{name: DRAIN_SECONDS, value: "1"}}]
        readinessProbe: {{httpGet: {{path: /healthz, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: guarded}}
spec: {{selector: {{app: guarded}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: guarded}}
spec: {{minAvailable: 2, selector: {{matchLabels: {{app: guarded}}}}}}
"""


@pytest.fixture(scope="module", autouse=True)
def objects(room: consoles.Console) -> None:
    """What the tests work on; the hog begins at once, because figures take their time."""
    for manifest in (HOG, SERVER, GUARDED):
        room("apply", "-f", "-", stdin=manifest)
    room("wait", "pod/hog", "pod/server", "--for=condition=Ready", "--timeout=60s")
    room("rollout", "status", "deployment/guarded", "--timeout=60s")


def pod_on(console: consoles.Console, name: str, script: str, node: str = "") -> None:
    """Start a pod of one container and wait until it is ready."""
    manifest = consoles.POD.format(name=name, restart="Never", image=IMAGE, script=script)
    console("apply", "-f", "-", stdin=manifest + (f"  nodeName: {node}\n" if node else ""))
    console("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")


def test_run_takes_input_and_gives_the_exit_code(kubectl: consoles.Console) -> None:
    """`run --rm -i` on a pipe and `-it` on a terminal; afterwards the pod is gone."""
    words = ("run", "passing", "--rm", "--restart=Never", f"--image={IMAGE}", "--command")
    done = kubectl.run(*words, "-i", "--", "sh", "-c", "read -r word; echo got $word; exit 3", stdin="typed\n")
    with kubectl.on_terminal(*words, "-it", "--", "sh") as terminal:
        terminal.until("try pressing enter.")
        terminal.type("echo $((6 * 7))\n")
        terminal.until("\n42")
        terminal.type("exit 4\n")
        code, said = terminal.end()

    assert (done.returncode, done.stdout.decode().splitlines()) == (3, ["got typed", 'pod "passing" deleted'])
    assert code == 4
    assert 'pod "passing" deleted' in said
    assert kubectl("get", "pod", "passing", "--ignore-not-found") == ""


def test_debug_joins_the_processes_of_a_running_container(kubectl: consoles.Console) -> None:
    """A container is added to the pod as it runs, sees its target's processes, and ends; the others do not notice."""
    words = ("debug", "server", "-it", f"--image={IMAGE}", "--target=main", f"--container=look-{kubectl.minor}")
    if kubectl.minor < EPHEMERAL_MINOR:
        assert 'EphemeralContainers in version "v1" cannot be handled as a Pod' in kubectl.fails(*words, "--", "sh")
        return
    with kubectl.on_terminal(*words, "--", "sh") as terminal:
        terminal.until("try pressing enter.")
        terminal.type("ps\n")
        terminal.until("httpd -f -p 8080")
        terminal.type("exit 6\n")
        terminal.end()

    def ended() -> str:
        status = kubectl.json("get", "pod", "server")["status"]
        state = status["ephemeralContainerStatuses"][0]["state"]
        same = (
            state.get("terminated", {}).get("exitCode") == 6 and status["containerStatuses"][0]["restartCount"] == 0
        )
        return "" if same else str(state)

    labs.wait_until(ended, 10.0)


def test_debug_copies_a_pod(newest: consoles.Console) -> None:
    """With a container beside its own, which has another image; the pod itself stays as it is."""
    words = ("debug", "server", "--copy-to=copy", f"--image={IMAGE}", "--container=beside", "--share-processes=false")
    newest(*words, f"--set-image=main={IMAGE[:-1]}2", "--", "sleep", "100000")
    newest("wait", "pod/copy", "--for=condition=Ready", "--timeout=60s")

    answer = newest("exec", "copy", "-c", "beside", "--", "wget", "-qO-", "http://localhost:8080/cgi-bin/index.cgi")

    assert answer == "copy version 2 answers 127.0.0.1\n"
    assert newest("exec", "copy", "-c", "beside", "--", "cat", "/proc/1/cmdline") == "sleep\x00100000\x00"
    assert newest("get", "pod", "server", "-o", "jsonpath={.spec.containers[*].image}") == IMAGE


def test_debug_looks_into_a_node(newest: consoles.Console, lab: labs.Lab) -> None:
    """A pod in the host's namespaces, with its files; what ends at once keeps its exit code and its log."""
    node = lab.nodes[0]
    with newest.on_terminal("debug", f"node/{node}", "-it", f"--image={IMAGE}", "--", "sh") as terminal:
        terminal.until("try pressing enter.")
        terminal.type("cat /host/etc/hostname; ps | grep -c '[f]airlead-node'; exit 2\n")
        terminal.until(f"\n{node}")
        terminal.end()
    newest("debug", f"node/{node}", f"--image={IMAGE}", "--", "sh", "-c", "echo brief; exit 3")

    def codes() -> str:
        pods = newest.json("get", "pods")["items"]
        ours = [pod for pod in pods if pod["metadata"]["name"].startswith(f"node-debugger-{node}-")]
        states = [one["state"] for pod in ours for one in pod["status"].get("containerStatuses", ())]
        found = sorted(state.get("terminated", {}).get("exitCode", -1) for state in states)
        return "" if found == [2, 3] else str(states)

    labs.wait_until(codes, 20.0)


def test_proxy_reaches_pods_and_services(kubectl: consoles.Console) -> None:
    """Through the API's own paths; a path to exec is refused by kubectl itself."""
    with kubectl.beside("proxy", "--port=0") as running:
        port = re.findall(r"127\.0\.0\.1:(\d+)\n", running.until("\n"))[0]
        base = f"http://127.0.0.1:{port}/api/v1/namespaces/{consoles.NAMESPACE}"
        pod = consoles.fetch(f"{base}/pods/server:8080/proxy/cgi-bin/index.cgi?x=1")
        service = consoles.fetch(f"{base}/services/http:guarded:80/proxy/healthz")
        listed = json.loads(consoles.fetch(f"{base}/pods/server"))
        with pytest.raises(OSError, match="403"):
            consoles.fetch(f"{base}/pods/server/exec?command=true")
        running.signal(signal.SIGINT)
        running.end()

    address = listed["status"]["podIP"]
    assert (pod, service) == (f"server version 1 answers {address}\n", "ok\n")


def test_a_pod_asks_the_api_with_its_own_token(newest: consoles.Console) -> None:
    """At the Service `kubernetes`, with a verified certificate: what its service account may, and no more.

    The image has no client that verifies, so the node's own runs in the pod's network.
    """
    inside = consoles.POD.format(name="inside", restart="Never", image=IMAGE, script="exec sleep 100000")
    mount = "    volumeMounts: [{name: host, mountPath: /host}]\n    securityContext: {runAsUser: 0}\n"
    newest("apply", "-f", "-", stdin=f"{inside}{mount}  volumes: [{{name: host, hostPath: {{path: /}}}}]\n")
    newest("wait", "pod/inside", "--for=condition=Ready", "--timeout=60s")
    script = """
        kept=/var/run/secrets/kubernetes.io/serviceaccount
        base=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat $kept/namespace)
        chroot /host curl -sS --noproxy '*' --cacert /dev/stdin -H "Authorization: Bearer $(cat $kept/token)" \
            "$base/$1" <$kept/ca.crt
    """

    def ask(what: str) -> str:
        return newest("exec", "inside", "--", "sh", "-c", script, "sh", what)

    before = ask("pods/inside")
    newest("create", "rolebinding", "view", "--clusterrole=view", f"--serviceaccount={consoles.NAMESPACE}:default")

    account = f"system:serviceaccount:{consoles.NAMESPACE}:default"
    assert f'pods \\"inside\\" is forbidden: User \\"{account}\\" cannot get resource \\"pods\\"' in before
    assert '"name": "inside"' in ask("pods/inside")
    assert f'User \\"{account}\\" cannot list resource \\"secrets\\"' in ask("secrets")


def test_delete_gives_the_grace_that_is_asked_for(newest: consoles.Console) -> None:
    """SIGTERM arrives and what is said after it is read to the last line; who does not go is killed in the end."""
    polite = 'trap "echo asked; sleep 1; echo done; exit 0" TERM; echo up; while :; do sleep 0.1; done'
    stubborn = 'trap "echo asked" TERM; echo up; while :; do sleep 0.1; done'
    pod_on(newest, "polite", polite)
    pod_on(newest, "stubborn", stubborn)
    with newest.beside("logs", "-f", "polite") as first, newest.beside("logs", "-f", "stubborn") as second:
        first.until("up\n")
        second.until("up\n")

        said = newest("delete", "pod", "polite", "--grace-period=30")
        newest("delete", "pod", "stubborn", "--grace-period=1")

        assert first.end() == (0, "asked\ndone\n")
        assert second.end() == (0, "asked\n")
    assert said == 'pod "polite" deleted\n'
    assert newest("get", "pods", "polite", "stubborn", "--ignore-not-found") == ""


def test_rollout_is_followed_and_taken_back_under_load(newest: consoles.Console, lab: labs.Lab) -> None:
    """`status` ends when the new replicas serve, `history` knows both, `undo` brings the old ones back."""
    address = newest("get", "service", "guarded", "-o", "jsonpath={.spec.clusterIP}")
    caller = lab.call_steadily(lab.nodes[0], f"http://{address}/cgi-bin/index.cgi", timeout=3.0)
    newest("set", "image", "deployment/guarded", f"main={IMAGE[:-1]}2")
    newest("annotate", "deployment/guarded", "kubernetes.io/change-cause=version 2")
    forward = newest("rollout", "status", "deployment/guarded", "--timeout=60s")
    history = newest("rollout", "history", "deployment/guarded").split()
    second = newest("rollout", "history", "deployment/guarded", "--revision=2")
    undone = newest("rollout", "undo", "deployment/guarded")
    newest("rollout", "status", "deployment/guarded", "--timeout=60s")
    answers = caller.stop()

    assert forward.splitlines()[-1] == 'deployment "guarded" successfully rolled out'
    assert history[:3] == ["deployment.apps/guarded", "REVISION", "CHANGE-CAUSE"]
    assert history[3:] == ["1", "<none>", "2", "version", "2"]
    assert f"{IMAGE[:-1]}2" in second
    assert undone == "deployment.apps/guarded rolled back\n"
    assert [answer for answer in answers if answer.error] == []
    assert {answer.body.split()[2] for answer in answers} == {"1", "2"}
    assert newest("get", "deployment", "guarded", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == IMAGE


def _figures(console: consoles.Console, *words: str) -> dict[str, tuple[int, int]]:
    """What `top` prints: thousandths of a core and MiB, by the name that stands before them."""
    lines = [line.split() for line in console("top", *words, "--no-headers").splitlines()]
    found = {}
    for line in lines:
        at = next(index for index, word in enumerate(line) if re.fullmatch(r"\d+m", word))
        memory = next(word for word in line[at + 1 :] if word.endswith("Mi"))
        found[line[at - 1]] = (int(line[at][:-1]), int(memory[:-2]))
    return found


def test_top_has_real_figures(kubectl: consoles.Console, lab: labs.Lab) -> None:
    """A container's tenth of a core and its 40 MB; a node's memory is the machine's, which a lab's nodes share."""

    def measured() -> str:
        done = kubectl.run("top", "pod", "hog")
        if done.returncode != 0:
            return done.stderr.decode()
        found = _figures(kubectl, "pod", "hog", "--containers")
        right = 70 <= found["processor"][0] <= 130 and 38 <= found["memory"][1] <= 50
        return "" if right else str(found)

    labs.wait_until(measured, 60.0)
    nodes = _figures(kubectl, "node")
    meminfo = dict(re.findall(r"^(\S+):\s+(\d+) kB$", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE))
    working = (int(meminfo["MemTotal"]) - int(meminfo["MemFree"]) - int(meminfo["Inactive(file)"])) >> 10

    assert set(nodes) == set(lab.nodes)
    assert all(0.6 * working <= memory <= 1.6 * working for _, memory in nodes.values()), (working, nodes)
    assert all(processor > 0 for processor, _ in nodes.values())


def test_drain_minds_the_budget_and_empties_the_node(
    kubectl: consoles.Console, lab: labs.Lab, api: asking.Api
) -> None:
    """No pod goes that its budget keeps; once it may, the node is emptied; uncordon lets pods come again."""
    pods = kubectl.json("get", "pods", "-l", "app=guarded")["items"]
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    node = living[0]["spec"]["nodeName"]
    there = {f"pod/{pod['metadata']['name']}" for pod in living if pod["spec"]["nodeName"] == node}  # one, or both
    options = ("--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    with kubectl.beside("drain", node, *options) as drain:
        drain.until("Cannot evict pod as it would violate the pod's disruption budget.")
        kept = kubectl("get", "pods", "-l", "app=guarded", f"--field-selector=spec.nodeName={node}", "-o", "name")
        cordoned = kubectl("get", "node", node, "--no-headers").split()[1]
        kubectl("patch", "pdb", "guarded", "--type=merge", "-p", '{"spec": {"minAvailable": 1}}')
        code, said = drain.end()
    left = kubectl("get", "pods", "-A", f"--field-selector=spec.nodeName={node}", "-o", "name")
    kubectl("rollout", "status", "deployment/guarded", "--timeout=60s")
    uncordoned = kubectl("uncordon", node)
    kubectl("patch", "pdb", "guarded", "--type=merge", "-p", '{"spec": {"minAvailable": 2}}')
    sessions.spread(lab, api)

    assert there <= set(kept.split())
    assert (cordoned, left) == ("Ready,SchedulingDisabled", "")
    assert (code, said.splitlines()[-1]) in {(0, f"node/{node} drained"), (0, f"node/{node} evicted")}
    assert uncordoned == f"node/{node} uncordoned\n"


def test_apply_of_what_is_there_changes_nothing(kubectl: consoles.Console) -> None:
    """The example, which `deploy/lab up` has applied: `diff` finds nothing, `apply` writes nothing."""
    example = ("--namespace=default", "-f", str(EXAMPLE))
    kubectl("apply", *example)  # whoever applied it last was not kubectl
    diff = kubectl("diff", *example)
    said = kubectl("apply", *example)

    assert diff == ""
    assert said == "deployment.apps/web unchanged\nservice/web unchanged\n"


def test_every_control_host_reaches_every_node(newest: consoles.Console, lab: labs.Lab) -> None:
    """Whichever holds the session of the pod's node."""
    for name in lab.controls:
        console = newest.through(f"https://{lab.address(name)}:{REST_PORT}")
        for pod in newest.json("get", "pods", "-l", "app=web", "--namespace=default")["items"]:
            named = pod["metadata"]["name"]
            assert console("exec", named, "--namespace=default", "--", "hostname") == f"{named}\n"
            said = console("logs", named, "--namespace=default", "--limit-bytes=30")
            assert said == "version 1 serves port 8080 on "


def test_every_control_host_asks_what_is_behind_a_service(newest: consoles.Console, lab: labs.Lab) -> None:
    """A webhook judges, and another API server answers, though no control host has a way to Services or pods."""
    runs, asks = outsider.manifests()
    newest("apply", "-f", "-", stdin=runs)
    newest("wait", f"pod/{outsider.NAME}", "--for=condition=Ready", "--timeout=30s")
    newest("apply", "-f", "-", stdin=asks)
    try:
        newest("wait", "apiservice", "-l", f"app={outsider.NAME}", "--for=condition=Available", "--timeout=30s")
        judged = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": outsider.JUDGED})
        for name in lab.controls:
            console = newest.through(f"https://{lab.address(name)}:{REST_PORT}")
            assert "denied the request: not here" in console.fails("create", "-f", "-", stdin=judged)
            assert console("get", "flunders", "-o", "name") == f"flunder.{outsider.GROUP}/kubernetes-admin\n"
    finally:
        newest("delete", "-f", "-", stdin=asks)


def test_a_control_host_dies_under_those_who_follow(newest: consoles.Console, lab: labs.Lab, api: asking.Api) -> None:
    """A watch and a log through another host go on, unless the log's node was held by the dead one: it ends then,
    and a new one works as soon as the node is held again.
    """
    dead, alive = lab.controls[2], lab.controls[0]
    lost, kept = lab.nodes[0], lab.nodes[1]
    console = newest.through(f"https://{lab.address(alive)}:{REST_PORT}")
    script = "echo begun; until [ -e /tmp/go ]; do sleep 0.1; done; echo ended"
    for node, holder in ((lost, dead), (kept, alive)):
        pod_on(console, f"told-{node}", script, node)
        sessions.move(lab, api, node, [holder])
    with (
        console.beside("logs", "-f", f"told-{lost}") as cut,
        console.beside("logs", "-f", f"told-{kept}") as goes_on,
        console.beside("get", "pod", f"told-{kept}", "--watch", "--no-headers") as watch,
    ):
        for running, first in ((cut, "begun\n"), (goes_on, "begun\n"), (watch, "Running")):
            running.until(first)

        lab.kill(dead)

        code, _ = cut.end()
        console("exec", f"told-{kept}", "--", "touch", "/tmp/go")
        assert goes_on.end() == (0, "ended\n")
        watch.until("Completed")
    assert code != 0

    def held() -> str:
        done = console.run("logs", f"told-{lost}")
        return "" if done.stdout == b"begun\n" else done.stderr.decode()

    labs.wait_until(held, 20.0)
