"""Unmodified kubectl on real containers: logs, exec, attach, cp and port-forward, and what the containers then have.

Debian's 1.20 speaks SPDY, a newer one WebSocket: what streams runs with each.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import signal
from typing import Any

import kubernetes
import kubernetes.stream
import pytest

from tests.support import console as consoles
from tests.support import kubectl as programs
from tests.support import lab as labs

IMAGE = consoles.IMAGE
NAMESPACE = consoles.NAMESPACE
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)")
LINES = ["one", "two", "three", "version 1 serves port 8080 on tool"]
# the pod that most tests use: a server, another container, a shell, and one that lacks tar
TOOL = f"""
apiVersion: v1
kind: Pod
metadata: {{name: tool, labels: {{app: tool}}}}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - {{name: prepare, image: "{IMAGE}", command: [sh, -c, echo prepared]}}
  containers:
  - {{name: main, image: "{IMAGE}", command: [sh, -c, echo one; echo two; echo three; exec /srv/serve]}}
  - {{name: other, image: "{IMAGE}", command: [sh, -c, echo listening; exec sleep 100000]}}
  - {{name: shell, image: "{IMAGE}", stdin: true, tty: true, command: [sh]}}
  - name: bare
    image: {IMAGE}
    securityContext: {{runAsUser: 0}}
    command: [sh, -c, rm /bin/tar; exec sleep 100000]
"""


@pytest.fixture(scope="module", autouse=True)
def tool(room: consoles.Console) -> None:
    """The pod that most tests use."""
    room("apply", "-f", "-", stdin=TOOL)
    room("wait", "pod/tool", "--for=condition=Ready", "--timeout=60s")


def test_logs_are_of_the_container_and_the_lines_that_are_asked_for(kubectl: consoles.Console) -> None:
    """`-c` (also of an init container), `--tail`, `--limit-bytes`, `--timestamps`."""
    whole = kubectl("logs", "tool", "-c", "main").splitlines()
    init = kubectl("logs", "tool", "-c", "prepare")
    tail = kubectl("logs", "tool", "-c", "main", "--tail=2").splitlines()
    none = kubectl("logs", "tool", "-c", "main", "--tail=0")
    cut = kubectl("logs", "tool", "-c", "main", "--limit-bytes=6")
    stamped = kubectl("logs", "tool", "-c", "main", "--timestamps").splitlines()

    assert whole == LINES
    assert (init, tail, none, cut) == ("prepared\n", LINES[2:], "", "one\ntw")
    assert [TIMESTAMP.fullmatch(line)[1] for line in stamped] == LINES  # type: ignore[index]  # None would fail too


def test_logs_are_of_the_time_that_is_asked_for(newest: consoles.Console) -> None:
    """`--since` and `--since-time` leave out what is older."""
    first = newest("logs", "tool", "-c", "main", "--timestamps", "--tail=-1").split()[0]

    def old() -> str:
        return newest("logs", "tool", "-c", "main", "--since=1s")

    labs.wait_until(old, 10.0)
    assert newest("logs", "tool", "-c", "main", "--since=1h").splitlines() == LINES
    assert newest("logs", "tool", "-c", "main", f"--since-time={first}").splitlines() == LINES
    assert newest("logs", "tool", "-c", "main", "--since-time=2100-01-01T00:00:00Z") == ""


def test_logs_are_of_every_container_and_of_pods_by_label(kubectl: consoles.Console) -> None:
    """`--all-containers` and `-l`, with `--prefix` saying whose each line is."""
    every = kubectl("logs", "tool", "--all-containers", "--prefix")
    by_label = kubectl("logs", "-l", "app=tool", "-c", "main", "--tail=1")
    nobody = kubectl("logs", "-l", "app=nobody")

    # kubectl asks for the containers in an order of its own; the shell's prompt does not end its line
    lines = re.findall(r"\[pod/tool/(main|other|prepare)\] (.*)", every)
    assert sorted(lines, key=lambda line: line[0]) == [
        *(("main", line) for line in LINES),
        ("other", "listening"),
        ("prepare", "prepared"),
    ]
    assert (by_label, nobody) == (f"{LINES[-1]}\n", "")


def test_followed_logs_end_with_the_pod_or_with_the_person(kubectl: consoles.Console) -> None:
    """Lines come as they are written; the last container's end ends it; Ctrl-C ends it before."""
    name = f"writer-{kubectl.minor}"
    script = "echo begun; until [ -e /tmp/go ]; do sleep 0.1; done; echo ending; exit 4"
    kubectl("apply", "-f", "-", stdin=consoles.POD.format(name=name, restart="Never", image=IMAGE, script=script))
    kubectl("wait", f"pod/{name}", "--for=condition=Ready")
    with kubectl.beside("logs", "-f", name) as to_the_end, kubectl.beside("logs", "-f", name) as cut_off:
        to_the_end.until("begun\n")
        cut_off.until("begun\n")

        cut_off.signal(signal.SIGINT)
        assert cut_off.end()[0] != 0
        kubectl("exec", name, "--", "touch", "/tmp/go")
        assert to_the_end.end() == (0, "ending\n")

    status = kubectl.json("get", "pod", name)["status"]
    assert (status["phase"], status["containerStatuses"][0]["state"]["terminated"]["exitCode"]) == ("Failed", 4)
    assert kubectl("logs", name) == "begun\nending\n"


def test_logs_of_the_life_before_a_crash(newest: consoles.Console) -> None:
    """`--previous` is what the container wrote before it was started again."""
    script = "if mkdir /tmp/x/was; then echo first life; exit 3; fi; echo second life; exec sleep 100000"
    pod = consoles.POD.format(name="crashed", restart="Always", image=IMAGE, script=script) + (
        "    volumeMounts: [{name: kept, mountPath: /tmp/x}]\n  volumes: [{name: kept, emptyDir: {}}]\n"
    )
    newest("apply", "-f", "-", stdin=pod)

    def second() -> str:
        done = newest.run("logs", "crashed")
        return "" if b"second life" in done.stdout else f"{done.stdout!r} {done.stderr!r}"

    labs.wait_until(second, 30.0)
    assert newest("logs", "crashed", "--previous").splitlines()[-1] == "first life"
    assert 'previous terminated container "other" in pod "tool" not found' in newest.fails(
        "logs", "-p", "tool", "-c", "other"
    )


def test_logs_of_a_container_that_waits_say_why(newest: consoles.Console) -> None:
    """As kubelet says it: the image cannot be had; a pod without a node has no logs."""
    absent = consoles.POD.format(
        name="absent", restart="Never", image="registry.fairlead.lab:5000/no:1", script="true"
    )
    newest("apply", "-f", "-", stdin=absent)
    nowhere = consoles.POD.format(name="nowhere", restart="Never", image=IMAGE, script="true")
    newest("apply", "-f", "-", stdin=nowhere + "  nodeSelector: {place: nowhere}\n")
    reason = ""

    def pulled() -> str:
        nonlocal reason
        reason = newest.fails("logs", "absent")
        return "" if "pull" in reason else reason

    labs.wait_until(pulled, 30.0)
    assert reason in {
        f'Error from server (BadRequest): container "main" in pod "absent" is waiting to start: {why}\n'
        for why in ("trying and failing to pull image", "image can't be pulled")
    }
    assert newest("logs", "nowhere") == ""


def test_exec_gives_output_errors_and_the_exit_code(kubectl: consoles.Console) -> None:
    """Each stream is its own, the container is the one that is named, and kubectl leaves with the command's code."""
    done = kubectl.run("exec", "tool", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    other = kubectl("exec", "tool", "-c", "other", "--", "cat", "/proc/1/cmdline")
    absent = kubectl.run("exec", "tool", "-c", "main", "--", "no-such-program")
    unknown = kubectl.fails("exec", "tool", "-c", "no", "--", "true")

    assert (done.returncode, done.stdout) == (7, b"out\n")
    assert done.stderr.splitlines() == [b"err", b"command terminated with exit code 7"]
    assert other == "sleep\x00100000\x00"
    assert absent.returncode == 127
    assert b"executable file `no-such-program` not found in $PATH" in absent.stderr
    assert unknown == "Error from server (BadRequest): container no is not valid for pod tool\n"


def test_exec_takes_and_gives_megabytes(kubectl: consoles.Console) -> None:
    """Eight megabytes through a pipe each way are what they were, and the end of the input arrives."""
    body = os.urandom(8 << 20)

    there = kubectl("exec", "-i", "tool", "-c", "main", "--", "sha256sum", stdin=body)
    back = kubectl.run("exec", "-i", "tool", "-c", "main", "--", "cat", stdin=body)

    assert there.split()[0] == hashlib.sha256(body).hexdigest()
    assert (back.returncode, back.stderr, back.stdout == body) == (0, b"", True)


def test_exec_on_a_terminal(kubectl: consoles.Console) -> None:
    """A prompt, the terminal's size as it changes, Ctrl-C for the program there, and the shell's exit code."""
    with kubectl.on_terminal("exec", "-it", "tool", "-c", "main", "--", "sh") as terminal:
        terminal.until("$ ")
        terminal.type("until stty size | grep '33 101'; do sleep 0.1; done\n")
        terminal.until("\n33 101")
        terminal.resize(40, 120)
        terminal.type("until stty size | grep '40 120'; do sleep 0.1; done\n")
        terminal.until("\n40 120")
        terminal.type("sh -c 'echo be\"\"gun; exec sleep 100000'\n")
        terminal.until("begun")
        terminal.type("\x03")
        terminal.until("$ ")
        terminal.type("echo code $?\n")
        terminal.until("code 130")
        terminal.type("exit 5\n")
        code, said = terminal.end()

    assert code == 5
    assert "command terminated with exit code 5" in said


def test_attach_joins_the_main_process(kubectl: consoles.Console) -> None:
    """What is typed is its input and what it prints comes back, on pipes to its end and on a terminal."""
    name = f"reader-{kubectl.minor}"
    script = "while read -r word; do echo got $word; done; echo ended"
    pod = (
        consoles.POD.format(name=name, restart="Never", image=IMAGE, script=script)
        + "    stdin: true\n    stdinOnce: true\n"
    )
    kubectl("apply", "-f", "-", stdin=pod)
    kubectl("wait", f"pod/{name}", "--for=condition=Ready")

    piped = kubectl("attach", "-i", name, stdin="a\nb\n")
    with kubectl.on_terminal("attach", "-it", "tool", "-c", "shell") as terminal:
        terminal.type("\necho $((6 * 7)) $(tty)\n")
        terminal.until("42 /dev/")

    assert (piped, kubectl("logs", name)) == ("got a\ngot b\nended\n",) * 2
    statuses = kubectl.json("get", "pod", "tool")["status"]["containerStatuses"]
    assert {one["name"]: one["restartCount"] for one in statuses} == {"main": 0, "other": 0, "shell": 0, "bare": 0}


def test_cp_there_and_back(kubectl: consoles.Console, tmp_path: pathlib.Path) -> None:
    """A file of megabytes, a folder, and the error of an image that lacks tar."""
    name = f"/tmp/{kubectl.minor}"
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "big").write_bytes(os.urandom(16 << 20))
    (folder / "below" / "small").write_text("small\n")
    (folder / "below" / "empty").touch()

    kubectl("cp", "-c", "main", str(folder), f"tool:{name}")
    kubectl("cp", "-c", "main", f"tool:{name}", str(tmp_path / "back"))
    kubectl("cp", "-c", "main", f"{NAMESPACE}/tool:{name}/big", str(tmp_path / "big"))
    refused = kubectl.fails("cp", "-c", "bare", str(folder / "big"), "tool:/tmp/big")

    inside = kubectl("exec", "tool", "-c", "main", "--", "sha256sum", f"{name}/big").split()[0]
    digest = hashlib.sha256((folder / "big").read_bytes()).hexdigest()
    assert (inside, hashlib.sha256((tmp_path / "big").read_bytes()).hexdigest()) == (digest, digest)
    found = {str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*")}
    assert found == {"big", "below", "below/small", "below/empty"}
    assert (tmp_path / "back" / "below" / "small").read_text() == "small\n"
    assert "executable file `tar` not found in $PATH" in refused


def local_ports(running: consoles.Running, count: int) -> list[int]:
    """The ports that a port-forward listens at, in the order of its arguments."""
    said = "".join(running.until("\n") for _ in range(count))
    return [int(port) for port in re.findall(r"Forwarding from 127\.0\.0\.1:(\d+) -> \d+\n", said)]


def test_port_forward_reaches_a_pod(kubectl: consoles.Console) -> None:
    """Several ports at once; one where nobody listens is said to be refused; Ctrl-C ends it."""
    with kubectl.beside("port-forward", "--address=127.0.0.1", "pod/tool", ":8080", ":9") as running:
        served, refused = local_ports(running, 2)
        answers = [consoles.fetch(f"http://127.0.0.1:{served}/cgi-bin/index.cgi") for _ in range(3)]
        with pytest.raises(OSError, match=r"reset|closed|end"):
            consoles.fetch(f"http://127.0.0.1:{refused}/")
        running.until("error forwarding port 9 to pod ")
        running.until("onnection refused")
        running.signal(signal.SIGINT)
        running.end()

    assert answers == ["tool version 1 answers 127.0.0.1\n"] * 3
    with pytest.raises(OSError, match="refused"):
        consoles.fetch(f"http://127.0.0.1:{served}/")


@pytest.mark.parametrize("target", ["deployment/web :8080", "service/web :80"])
def test_port_forward_finds_a_pod_of_others(kubectl: consoles.Console, target: str) -> None:
    """Of a Deployment by the container's port, of a Service by its own."""
    example = consoles.Console(kubectl.program, kubectl.kubeconfig, kubectl.cache)
    with example.beside("port-forward", "--address=127.0.0.1", *target.split()) as running:
        (port,) = local_ports(running, 1)
        answer = consoles.fetch(f"http://127.0.0.1:{port}/cgi-bin/index.cgi").split()

    pods = [one["metadata"]["name"] for one in example.json("get", "pods", "-l", "app=web")["items"]]
    assert answer[0] in pods


BESIDE = 30


def _exec(api: Any, *command: str) -> Any:
    """An exec whose channels are open, over a WebSocket of its own."""
    return kubernetes.stream.stream(
        api.connect_get_namespaced_pod_exec,
        "tool",
        NAMESPACE,
        container="main",
        command=list(command),
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )


def test_many_execs_go_on_beside_those_who_do_not_read(newest: consoles.Console) -> None:
    """Thirty conversations at once through one control host; two beside them produce what nobody takes."""
    client = kubernetes.config.new_client_from_config(str(newest.kubeconfig))
    client.configuration.proxy = None
    with client:
        api = kubernetes.client.CoreV1Api(client)
        stalled = [_exec(api, "head", "-c", "100000000", "/dev/zero") for _ in range(2)]
        script = "echo open; read -r word; echo got $word; exit 3"
        talking = [_exec(api, "sh", "-c", script) for _ in range(BESIDE)]
        open_lines = [each.readline_stdout(timeout=programs.CALL_SECONDS) for each in talking]
        for number, each in enumerate(talking):
            each.write_stdin(f"word {number}\n")
            each.run_forever(timeout=programs.CALL_SECONDS)
        got = [(each.read_stdout(), each.returncode) for each in talking]
        for each in (*stalled, *talking):
            each.sock.shutdown()

    assert open_lines == ["open"] * BESIDE
    assert got == [(f"got word {number}\n", 3) for number in range(BESIDE)]

    def left() -> str:
        done = newest.run("exec", "tool", "-c", "main", "--", "sh", "-c", "pidof head || true")
        return (done.stdout + done.stderr).decode().strip()

    labs.wait_until(left, 20.0)
