"""What Kubernetes' conformance tests look at between pods and nodes: TCP and UDP, host ports, the proxies.

Their servers are written in Python, which the pods borrow from their nodes (docs/conformance.md tells of the rest).
"""

from __future__ import annotations

import json

import pytest

from tests.support import console as consoles
from tests.support import lab as labs

pytestmark = pytest.mark.full

# Says its name over TCP and UDP on port 8080; `SERVE_*` are further ports (`_TLS` with a certificate of its own).
SERVER = """
import http.server, os, socket, ssl, subprocess, threading
def serve(port, text, tls):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
    server = http.server.ThreadingHTTPServer(("", port), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/tmp/crt", "/tmp/key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
words = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /tmp/key -out /tmp/crt"
subprocess.run(words.split(), check=True, capture_output=True)
for name, text in os.environ.items():
    if name.startswith("SERVE_"):
        serve(int(name.split("_")[-1]), text, "_TLS_" in name)
serve(8080, socket.gethostname(), False)
answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
answers.bind(("", 8080))
while True:
    _, caller = answers.recvfrom(2048)
    answers.sendto(socket.gethostname().encode(), caller)
"""
ASK_UDP = """
import socket, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(3)
asking.sendto(b"who", (sys.argv[1], int(sys.argv[2])))
print(asking.recv(2048).decode(), end="")
"""
PYTHON = ("chroot", "/host", "/opt/fairlead-venv/bin/python", "-c")
HOST_PORT = 54323
PAGE, SECRET_PAGE = '<a href="/rewriteme">test</a>', '<a href="/tlsrewriteme">test</a>'
SERVED = {"PORT_80": PAGE, "PORT_160": "foo", "PORT_162": "bar", "TLS_443": SECRET_PAGE, "TLS_460": "tls foo"}
NAMED = {"page": 80, "dest1": 160, "tlsdest1": 460}


def pod(name: str, node: str, script: str = SERVER, **spec: object) -> dict[str, object]:
    """Return a pod that runs a script of Python on a node; `container` are more fields of its container."""
    own = spec.pop("container", {})
    assert isinstance(own, dict)
    container = {
        "name": "main",
        "image": consoles.IMAGE,
        "command": [*PYTHON, script],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "host", "mountPath": "/host"}, {"name": "own", "mountPath": "/host/tmp"}],
    }
    volumes = [{"name": "host", "hostPath": {"path": "/"}}, {"name": "own", "emptyDir": {}}]
    fixed = {"nodeName": node, "terminationGracePeriodSeconds": 0, "volumes": volumes}
    kind = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}}
    return kind | {"spec": fixed | {"containers": [container | own]} | spec}


def run(console: consoles.Console, *pods: dict[str, object]) -> None:
    """Make pods and wait until they are ready."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(pods)}
    console("apply", "-f", "-", stdin=json.dumps(listed))
    names = [f"pod/{one['metadata']['name']}" for one in pods]  # type: ignore[index]
    console("wait", *names, "--for=condition=Ready", "--timeout=60s")


def says(console: consoles.Console, want: str, name: str, *command: str) -> None:
    """Wait until a command in a pod says something: who has just begun listens in a moment."""

    def probe() -> str:
        done = console.run("exec", name, "--", *command)
        return "" if done.stdout.decode() == want else f"{command}: {done.stdout!r} {done.stderr!r}"

    labs.wait_until(probe, 20.0)


@pytest.fixture(scope="module", autouse=True)
def callers(room: consoles.Console, the_lab: labs.Lab) -> None:
    """Who asks: a pod on the pods' network, and one on its node's."""
    waits = "import time; time.sleep(100000)"
    node = the_lab.nodes[0]
    run(room, pod("inside", node, waits), pod("outside", node, waits, hostNetwork=True))


def test_pods_and_nodes_reach_every_pod(newest: consoles.Console, lab: labs.Lab) -> None:
    """[sig-network] Granular Checks: intra-pod and node-pod communication, http and udp."""
    run(newest, *(pod(f"on-{node}", node) for node in lab.nodes))
    for node in lab.nodes:
        address = newest("get", "pod", f"on-{node}", "-o", "jsonpath={.status.podIP}")
        for caller in ("inside", "outside"):
            says(newest, f"on-{node}", caller, "wget", "-qO-", f"http://{address}:8080/hostname")
            says(newest, f"on-{node}", caller, *PYTHON, ASK_UDP, address, "8080")


def test_one_host_port_leads_to_three_pods(newest: consoles.Console, lab: labs.Lab) -> None:
    """[sig-network] HostPort: by address and protocol; a pod reaches itself through its own, too."""
    node = lab.nodes[0]
    address = lab.address(node)
    for name, host, protocol in (("one", "127.0.0.1", "TCP"), ("two", address, "TCP"), ("three", address, "UDP")):
        port = {"hostPort": HOST_PORT, "containerPort": 8080, "hostIP": host, "protocol": protocol}
        run(newest, pod(name, node, container={"ports": [port]}))
    says(newest, "one", "outside", "wget", "-qO-", f"http://127.0.0.1:{HOST_PORT}/")
    says(newest, "two", "outside", "wget", "-qO-", f"http://{address}:{HOST_PORT}/")
    says(newest, "three", "outside", *PYTHON, ASK_UDP, address, str(HOST_PORT))
    says(newest, "two", "two", "wget", "-qO-", f"http://{address}:{HOST_PORT}/")


def test_proxies_lead_where_their_urls_say(newest: consoles.Console, lab: labs.Lab) -> None:
    """[sig-network] Proxy through a service and a pod: ports by number and name, TLS, links below the proxy."""
    env = [{"name": f"SERVE_{name}", "value": text} for name, text in SERVED.items()]
    ports = [{"name": name, "containerPort": number} for name, number in NAMED.items()]
    ready = {"httpGet": {"port": 80}, "periodSeconds": 1}
    run(newest, pod("served", lab.nodes[1], container={"env": env, "ports": ports, "readinessProbe": ready}))
    shown = [("portname1", 80, "dest1"), ("portname2", 81, 162), ("tlsportname1", 443, "tlsdest1")]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front"},
        "spec": {
            "selector": {"app": "served"},
            "ports": [{"name": name, "port": port, "targetPort": target} for name, port, target in shown],
        },
    }
    newest("apply", "-f", "-", stdin=json.dumps(service))
    base = f"/api/v1/namespaces/{consoles.NAMESPACE}"
    want = {
        "services/front:portname1": "foo",
        "services/http:front:portname2": "bar",
        "services/https:front:tlsportname1": "tls foo",
        "pods/served:160": "foo",
        "pods/https:served:460": "tls foo",
    }
    for place, page in (("pods/served", PAGE), ("pods/http:served:80", PAGE), ("pods/https:served:443", SECRET_PAGE)):
        want[place] = page.replace('"/', f'"{base}/{place}/proxy/')

    def probe() -> str:
        got = {place: newest.run("get", "--raw", f"{base}/{place}/proxy/").stdout.decode() for place in want}
        return "" if got == want else str(got)

    labs.wait_until(probe, 20.0)


def test_hosts_files_are_the_pods_or_the_nodes(newest: consoles.Console, lab: labs.Lab) -> None:
    """[sig-node] KubeletManagedEtcHosts: not on the node's network, nor where a container mounts one."""
    mounts = [{"name": "host", "mountPath": "/host"}, {"name": "file", "mountPath": "/etc/hosts"}]
    volumes = [{"name": "host", "hostPath": {"path": "/"}}, {"name": "file", "hostPath": {"path": "/etc/hosts"}}]
    waits = "import time; time.sleep(100000)"
    run(newest, pod("mounts", lab.nodes[0], waits, volumes=volumes, container={"volumeMounts": mounts}))
    first = {name: newest("exec", name, "--", "head", "-1", "/etc/hosts") for name in ("inside", "outside", "mounts")}
    assert first["inside"] == "# Kubernetes-managed hosts file.\n"
    assert first["outside"] == "# Kubernetes-managed hosts file (host network).\n"
    assert "managed" not in first["mounts"]
