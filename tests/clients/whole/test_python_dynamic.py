"""The official Python client without generated classes: discovery, built-in and custom resources, watches."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import kubernetes
import pytest
from kubernetes.dynamic import exceptions
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

CLIENT = kubernetes.client
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [schedule]
              properties: {schedule: {type: string}, replicas: {type: integer, maximum: 9, default: 1}}
            status: {type: object, properties: {replicas: {type: integer}}}
"""


@pytest.fixture
def dynamic(python: Any) -> Any:
    """The dynamic client."""
    return kubernetes.dynamic.DynamicClient(python)


@pytest.fixture
def defined(python: Any, define: Callable[[str], None]) -> Any:
    """The custom resource CronTab; returns the API of custom objects."""
    define(DEFINITION)
    return CLIENT.CustomObjectsApi(python)


def crontab(name: str, **spec: Any) -> dict[str, Any]:
    """Return a CronTab that runs each minute."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "CronTab",
        "metadata": {"name": name},
        "spec": {"schedule": "* * * * *", **spec},
    }


def test_discovery_finds_resources_by_every_name(dynamic: Any) -> None:
    """By kind, by plural name and by short name; subresources hang on their resource."""
    found = [
        dynamic.resources.get(api_version="apps/v1", kind="Deployment"),
        dynamic.resources.get(name="deployments", group="apps"),
        dynamic.resources.get(short_names=["deploy"]),
    ]

    deployments = ("apps/v1", "Deployment", "deployments")
    assert {(each.group_version, each.kind, each.name) for each in found} == {deployments}
    assert {"status", "scale"} <= set(found[0].subresources)
    assert dynamic.version["kubernetes"]["major"] == "1"
    with pytest.raises(exceptions.ResourceNotFoundError):
        dynamic.resources.get(kind="Nothing")


def test_built_in_objects_are_written_in_every_way(dynamic: Any) -> None:
    """Create, patch, apply, replace, delete, each of which reads back; errors are classes of their status."""
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": "default"}}

    made = maps.create(body={**body, "data": {"a": "1"}})
    patched = maps.patch(body={**body, "data": {"b": "2"}}, content_type="application/merge-patch+json")
    applied = maps.server_side_apply(body={**body, "data": {"c": "3"}}, field_manager="tester")
    with pytest.raises(exceptions.ConflictError):
        maps.replace(body={**made.to_dict(), "data": {}})
    with pytest.raises(exceptions.ConflictError):
        maps.server_side_apply(body={**body, "data": {"a": "9"}}, field_manager="tester")
    forced = maps.server_side_apply(body={**body, "data": {"a": "9"}}, field_manager="tester", force_conflicts=True)
    maps.delete(name="made", namespace="default")
    with pytest.raises(exceptions.NotFoundError):
        maps.get(name="made", namespace="default")

    assert (dict(patched.data), dict(applied.data), dict(forced.data)) == (
        {"a": "1", "b": "2"},
        {"a": "1", "b": "2", "c": "3"},
        {"a": "9", "b": "2"},
    )


def test_custom_objects_are_served_at_once(defined: Any, dynamic: Any) -> None:
    """Through discovery, with defaults, judged by their schema, with status and scale."""
    crontabs = dynamic.resources.get(api_version="example.com/v1", kind="CronTab")

    made = crontabs.create(body=crontab("tick"), namespace="default")
    applied = crontabs.server_side_apply(
        body=crontab("tick", replicas=3), namespace="default", field_manager="tester", force_conflicts=True
    )
    with pytest.raises(exceptions.UnprocessibleEntityError) as caught:
        crontabs.create(body=crontab("bad", replicas=99), namespace="default")

    assert (made.spec.replicas, applied.spec.replicas) == (1, 3)
    assert json.loads(caught.value.body)["message"] == (
        'CronTab.example.com "bad" is invalid: spec.replicas: Invalid value: 99: '
        "spec.replicas in body should be less than or equal to 9"
    )
    assert {"status", "scale"} <= set(crontabs.subresources)
    crontabs.delete(name="tick", namespace="default")
    assert crontabs.get(namespace="default").items == []


def test_custom_objects_through_their_typed_api(defined: Any) -> None:
    """CustomObjectsApi: read, list, patch, status and scale apart, delete."""
    where = {"group": "example.com", "version": "v1", "namespace": "default", "plural": "crontabs"}
    merge = {"_content_type": "application/merge-patch+json"}
    defined.create_namespaced_custom_object(**where, body=crontab("tick"))

    patched = defined.patch_namespaced_custom_object(
        **where, name="tick", body={"spec": {"replicas": 2}, "status": {"replicas": 9}}, **merge
    )
    counted = defined.patch_namespaced_custom_object_status(
        **where, name="tick", body={"spec": {"replicas": 7}, "status": {"replicas": 2}}, **merge
    )
    scale = defined.get_namespaced_custom_object_scale(**where, name="tick")
    listed = defined.list_namespaced_custom_object(**where)

    assert (patched["spec"]["replicas"], "status" in patched) == (2, False)
    assert (counted["spec"]["replicas"], counted["status"]) == (2, {"replicas": 2})
    assert (scale["kind"], scale["spec"], scale["status"]["replicas"]) == ("Scale", {"replicas": 2}, 2)
    assert (listed["kind"], [each["metadata"]["name"] for each in listed["items"]]) == ("CronTabList", ["tick"])
    gone = defined.delete_namespaced_custom_object(**where, name="tick")
    assert gone["status"] == "Success"


def test_a_watch_goes_on_where_it_was(dynamic: Any) -> None:
    """From a resourceVersion, nothing is missed or told twice."""
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    version = maps.get(namespace="default").metadata.resourceVersion

    def write(name: str, value: str) -> None:
        maps.server_side_apply(
            body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}},
            namespace="default",
            field_manager="tester",
        )

    def told(after: str, count: int) -> tuple[list[tuple[str, str]], str]:
        watcher, events = kubernetes.watch.Watch(), []
        for event in maps.watch(namespace="default", resource_version=after, timeout=30, watcher=watcher):
            events.append((event["type"], event["object"].metadata.name))
            after = event["object"].metadata.resourceVersion
            if len(events) == count:
                watcher.stop()
        return events, after

    write("a", "1")
    write("a", "2")
    first, reached = told(version, 2)
    write("b", "1")
    maps.delete(name="a", namespace="default")
    second, _ = told(reached, 2)

    assert first == [("ADDED", "a"), ("MODIFIED", "a")]
    assert second == [("ADDED", "b"), ("DELETED", "a")]


def test_initial_events_end_with_a_bookmark(dynamic: Any) -> None:
    """sendInitialEvents: what there is, then a bookmark that says so."""
    namespaces = dynamic.resources.get(api_version="v1", kind="Namespace")
    watcher, events = kubernetes.watch.Watch(), []

    for event in namespaces.watch(
        timeout=30,
        watcher=watcher,
        allow_watch_bookmarks=True,
        send_initial_events=True,
        resource_version_match="NotOlderThan",
    ):
        events.append(event)
        if event["type"] == "BOOKMARK":
            watcher.stop()

    assert {event["object"].metadata.name for event in events[:-1]} == {
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
    }
    assert {event["type"] for event in events[:-1]} == {"ADDED"}
    assert events[-1]["object"].metadata.annotations["k8s.io/initial-events-end"] == "true"


def test_a_watch_from_a_forgotten_revision_is_gone(defined: Any, python: Any) -> None:
    """410 with Kubernetes' reason, for the client to list anew: no kind remembers what was before it."""
    where = {"group": "example.com", "version": "v1", "namespace": "default", "plural": "crontabs"}

    with pytest.raises(kubernetes.client.ApiException) as caught:
        next(kubernetes.watch.Watch().stream(defined.list_namespaced_custom_object, **where, resource_version="1"))

    assert caught.value.status == 410
    assert caught.value.reason.startswith("Expired: too old resource version: 1 (")


def test_leader_election_has_one_leader_at_a_time(python: Any) -> None:
    """On a Lease: the second candidate leads only once the first has given it up."""
    leases = CLIENT.CoordinationV1Api(python)

    def candidate(name: str) -> Any:
        lock = LeaseLock("election", "default", name)
        lock.api_instance = leases
        config = electionconfig.Config(lock, 17, 15, 1, onstarted_leading=list, onstopped_leading=None)
        return leaderelection.LeaderElection(config)

    first, second = candidate("one"), candidate("two")

    assert (first.try_acquire_or_renew(), second.try_acquire_or_renew()) == (True, False)
    assert first.try_acquire_or_renew()
    leases.delete_namespaced_lease("election", "default")
    assert (second.try_acquire_or_renew(), first.try_acquire_or_renew()) == (True, False)
    assert leases.read_namespaced_lease("election", "default").spec.holder_identity == "two"


def test_a_manifest_of_several_documents_is_created(python: Any, tmp_path: Any) -> None:
    """utils.create_from_yaml, and its error for what is there already."""
    path = tmp_path / "all.yaml"
    path.write_text(
        """
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: team}}
  - {apiVersion: v1, kind: Service, metadata: {name: web, namespace: team}, spec: {ports: [{port: 80}]}}
"""
    )

    kubernetes.utils.create_from_yaml(python, str(path))

    core = CLIENT.CoreV1Api(python)
    assert core.read_namespaced_service("web", "team").spec.cluster_ip
    with pytest.raises(kubernetes.utils.FailToCreateError) as caught:
        kubernetes.utils.create_from_yaml(python, str(path))
    assert {json.loads(each.body)["reason"] for each in caught.value.api_exceptions} == {"AlreadyExists"}
