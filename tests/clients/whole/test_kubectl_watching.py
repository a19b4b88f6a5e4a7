"""kubectl events, top and proxy: what happened, what is used, and the API on a port of one's own."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.clients.whole.conftest import Kubectl

CALL_SECONDS = 20.0


def test_events_tell_what_happened(kubectl: Kubectl) -> None:
    """In order, of one object, of one type, and as they come."""
    kubectl("create", "deployment", "web", "--image=web:1")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl.until(
        "get", "events", "--field-selector=reason=SuccessfulCreate", "-o", "jsonpath={.items[*].count}", says="1"
    )

    events = kubectl.json("get", "events", "--sort-by=.lastTimestamp")["items"]

    assert {event["reason"] for event in events} >= {"ScalingReplicaSet", "SuccessfulCreate", "Scheduled"}
    stamps = [event["lastTimestamp"] or "" for event in events]
    assert stamps == sorted(stamps)
    if kubectl.old:
        kubectl.fails("events")  # there is no such command yet
        return
    rows = kubectl.rows("events", "--for=deployment/web")
    (name,) = kubectl("get", "rs", "-o", "name").splitlines()
    scaled = f"Scaled up replica set {name.partition('/')[2]} from 0 to 1"
    assert rows[0] == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert [row[1:] for row in rows[1:]] == [["Normal", "ScalingReplicaSet", "Deployment/web", scaled]]
    assert kubectl.run("events", "--types=Warning").stderr == "No events found in default namespace.\n"
    with kubectl.following("events", "--watch", "--types=Warning", errors=True) as line:
        kubectl("run", "big", "--image=web:1", "--overrides", '{"spec":{"nodeSelector":{"a":"b"}}}')
        seen = [line()]
        while "FailedScheduling" not in seen[-1] and len(seen) < 3:
            seen.append(line())
    assert "FailedScheduling" in seen[-1]
    assert "pod/big" in seen[-1].lower()


def test_top_says_that_nothing_is_measured(kubectl: Kubectl) -> None:
    """A node whose containers only pretend reports no figures; what is not there is not found."""
    kubectl("run", "one", "--image=web:1")
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=30s")

    none = [kubectl.fails("top", *words) for words in (("node",), ("pod",), ("pod", "--containers", "--sort-by=cpu"))]

    assert none == ["error: metrics not available yet\n"] * 3
    missing = kubectl.fails("top", "pod", "nope")
    assert missing == 'Error from server (NotFound): pods.metrics.k8s.io "nope" not found\n'


@pytest.fixture
def proxied(kubectl: Kubectl) -> Callable[..., contextlib.AbstractContextManager[str]]:
    """Run `kubectl proxy` on a free port for the time of a block; yields its address."""

    @contextlib.contextmanager
    def running(*words: str) -> Iterator[str]:
        with kubectl.following("proxy", "--port=0", *words) as line:
            said = line().strip()
            assert said.startswith("Starting to serve on 127.0.0.1:"), said
            yield "http://" + said.rpartition(" ")[2]

    return running


def ask(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """Return a proxy's answer: its code and what it says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with opener.open(request, timeout=CALL_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_proxy_speaks_for_its_user(
    kubectl: Kubectl, proxied: Callable[..., contextlib.AbstractContextManager[str]]
) -> None:
    """Reads and writes pass; executing does not, nor what a filter leaves out."""
    config = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}).encode()
    maps = "/api/v1/namespaces/default/configmaps"
    with proxied() as url:
        versions, health = ask(f"{url}/api"), ask(f"{url}/healthz")
        made = ask(f"{url}{maps}", "POST", config)
        exec_ = ask(f"{url}/api/v1/namespaces/default/pods/one/exec?command=ls", "POST")
    with proxied("--reject-methods=POST,PUT,PATCH,DELETE", "--api-prefix=/k8s/") as url:
        read, written = ask(f"{url}/k8s{maps}/one"), ask(f"{url}/k8s{maps}/one", "DELETE")
        outside = ask(f"{url}/api")

    assert (versions[0], json.loads(versions[1])["versions"]) == (200, ["v1"])
    assert health == (200, b"ok")
    assert (made[0], kubectl("get", "configmap", "one", "-o", "name")) == (201, "configmap/one\n")
    assert exec_[0] == 403
    assert (read[0], json.loads(read[1])["metadata"]["name"]) == (200, "one")
    assert written[0] == 403
    assert outside[0] == 404
