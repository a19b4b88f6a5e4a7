"""kopf: an operator on a custom resource, in a thread of its own, against the cluster."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import kopf.testing
import kubernetes
import pytest

from fairlead.testing import cluster as testing
from tests.support import team_operator

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %(plural)s.%(group)s}
spec:
  group: %(group)s
  scope: %(scope)s
  names: {plural: %(plural)s, kind: %(kind)s}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, x-kubernetes-preserve-unknown-fields: true}
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
TEAM = {"group": "example.com", "scope": "Namespaced", "plural": "teams", "kind": "Team"}
PEERING = {"group": "kopf.dev", "scope": "Cluster", "plural": "clusterkopfpeerings", "kind": "ClusterKopfPeering"}
BLUE = {
    "apiVersion": "example.com/v1",
    "kind": "Team",
    "metadata": {"name": "blue"},
    "spec": {"members": ["ada", "bob"]},
}


@pytest.fixture
def resources(python: Any, define: Callable[[str], None]) -> Any:
    """The dynamic client, once teams and kopf's peerings are defined; one peering is there."""
    for names in (TEAM, PEERING):
        define(DEFINITION % names)
    made = kubernetes.dynamic.DynamicClient(python).resources
    peering = {"apiVersion": "kopf.dev/v1", "kind": "ClusterKopfPeering", "metadata": {"name": "testers"}}
    made.get(kind="ClusterKopfPeering").create(peering)
    return made


@pytest.fixture
def operator(cluster: testing.Threaded, resources: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The operator, which runs."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    words = ["run", "--all-namespaces", "--peering=testers", str(pathlib.Path(team_operator.__file__))]
    with kopf.testing.KopfRunner(words, timeout=60) as running:
        yield running
    root.handlers[:] = handlers  # kopf has put its own there
    root.setLevel(level)
    assert (running.exit_code, running.exception) == (0, None)


def until(resource: Any, ready: Callable[[str, Any], bool], **where: str) -> Any:
    """Watch from the beginning until an object is as it should be; return it."""
    for event in resource.watch(timeout=30, **where):
        if ready(event["type"], event["object"]):
            return event["object"]
    raise AssertionError("it never came")


def test_an_operator_follows_its_objects_from_creation_to_deletion(operator: Any, resources: Any) -> None:
    """Handlers of creation, update and deletion, a timer, status, finalizers, Events, and what it owns."""
    teams, maps = resources.get(kind="Team"), resources.get(api_version="v1", kind="ConfigMap")
    where = {"namespace": "default"}

    teams.create(BLUE, **where)
    born = until(teams, lambda _, team: team.status and team.status.created and team.status.ticks == 3, **where)
    members = maps.get(name=born.status.created.configMap, **where)
    teams.patch(
        {"spec": {"members": ["bob", "cy"]}}, name="blue", content_type="application/merge-patch+json", **where
    )
    grown = until(teams, lambda _, team: team.status.came is not None, **where)
    teams.delete(name="blue", **where)
    until(maps, lambda _, each: each.metadata.name == "blue-dissolved", **where)
    until(maps, lambda kind, _: kind == "DELETED", resource_version=members.metadata.resourceVersion, **where)

    assert born.metadata.finalizers == ["kopf.zalando.org/KopfFinalizerMarker"]
    assert (members.data.members, members.metadata.ownerReferences[0].uid) == ("ada,bob", born.metadata.uid)
    assert (grown.status.came, grown.status.left) == (["cy"], ["ada"])
    events = resources.get(api_version="v1", kind="Event").get(field_selector="involvedObject.name=blue", **where)
    assert ("Gathered", "2 members") in {(each.reason, each.message) for each in events.items}
    assert teams.get(**where).items == []


def test_an_operator_says_among_its_peers_that_it_lives(operator: Any, resources: Any) -> None:
    """In the peering's status, under its identity."""
    peering = until(resources.get(kind="ClusterKopfPeering"), lambda _, each: bool(each.status))

    ((_, entry),) = peering.status
    assert entry["priority"] >= 0
