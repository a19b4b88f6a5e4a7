"""A server in a pod that is both a webhook and another API server: it denies what it judges, and has one Flunder.

The pod borrows the Python of its node, because the lab's images have none.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from control import pki
from tests.support import console as consoles

NAME = "outsider"
JUDGED = {"name": "judged", "labels": {"judged": "yes"}}
GROUP, VERSION = "wardle.example.com", "v1"
SCRIPT = f"""
import http.server, json, ssl
DISCOVERED = {{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "{GROUP}/{VERSION}", "resources": [
    {{"name": "flunders", "singularName": "flunder", "kind": "Flunder", "namespaced": True, "verbs": ["list"]}}]}}
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        named = {{"name": self.headers["X-Remote-User"], "namespace": "{consoles.NAMESPACE}"}}
        listed = {{"kind": "FlunderList", "apiVersion": "{GROUP}/{VERSION}", "metadata": {{}}, "items": [
            {{"kind": "Flunder", "apiVersion": "{GROUP}/{VERSION}", "metadata": named}}]}}
        self.answer(listed if "/flunders" in self.path else DISCOVERED)
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        denied = {{"uid": review["request"]["uid"], "allowed": False, "status": {{"message": "not here"}}}}
        self.answer({{"kind": review["kind"], "apiVersion": review["apiVersion"], "response": denied}})
server = http.server.ThreadingHTTPServer(("", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tmp/{NAME}.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
COMMAND = f"cp /{NAME}/* /host/tmp && exec chroot /host python3 /tmp/{NAME}.py"


def manifests() -> tuple[str, str]:
    """Return what runs the server in the tests' namespace, and what then has the API ask it, as JSON."""
    authority = pki.create_authority("outsiders")
    hosts = (f"{NAME}.{consoles.NAMESPACE}.svc",)
    certificate, key = authority.issue(pki.Subject(NAME, hosts=hosts, server=True))
    files = {f"{NAME}.py": SCRIPT, f"{NAME}.pem": (certificate + key).decode()}
    mounts = [{"name": "host", "mountPath": "/host"}, {"name": "files", "mountPath": f"/{NAME}"}]
    container = {
        "name": "main",
        "image": consoles.IMAGE,
        "command": ["sh", "-c", COMMAND],
        "securityContext": {"runAsUser": 0},
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": mounts,
    }
    volumes = [{"name": "host", "hostPath": {"path": "/"}}, {"name": "files", "secret": {"secretName": NAME}}]
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
    ports = {"selector": {"app": NAME}, "ports": [{"port": 443, "targetPort": 8443}]}
    where = {"service": {"namespace": consoles.NAMESPACE, "name": NAME}}
    authorities = {"caBundle": base64.b64encode(authority.pem).decode()}
    hook = {
        "name": f"{NAME}.example.com",
        "clientConfig": {**where, **authorities},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "objectSelector": {"matchLabels": JUDGED["labels"]},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    priorities = {"groupPriorityMinimum": 100, "versionPriority": 10}
    api = {"group": GROUP, "version": VERSION, **priorities, **where, **authorities}
    runs = [
        _object("v1", "Secret", stringData=files),
        _object("v1", "Pod", spec=spec),
        _object("v1", "Service", spec=ports),
    ]
    asks = [
        _object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", webhooks=[hook]),
        _object("apiregistration.k8s.io/v1", "APIService", name=f"{VERSION}.{GROUP}", spec=api),
    ]
    return _list(runs), _list(asks)


def _object(version: str, kind: str, *, name: str = NAME, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {"app": NAME}}, **rest}


def _list(items: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
