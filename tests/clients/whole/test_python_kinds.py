"""The official Python client on every kind: its generated classes read what the API writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
from kubernetes.client.exceptions import NotFoundException

from tests.support import every_kind

CLIENT = kubernetes.client
# What the client knows and Kubernetes 1.32 does not serve in a stable version.
LATER = {
    "CertificatesV1Api": {"ClusterTrustBundle", "PodCertificateRequest"},
    "AdmissionregistrationV1Api": {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"},
    "NetworkingV1Api": {"IPAddress", "ServiceCIDR"},
    "StorageV1Api": {"VolumeAttributesClass"},
}
LATER_GROUPS = ("Resource", "Storagemigration")


def listings(client: Any) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield every list method of the client's stable API classes: its class, its name, and the call."""
    for name in sorted(dir(CLIENT)):
        if (not name.endswith("V1Api") and name != "AutoscalingV2Api") or name.startswith(LATER_GROUPS):
            continue
        api = getattr(CLIENT, name)(client)
        for method in dir(api):
            if method.startswith("list_") and not method.endswith(("_with_http_info", "_without_preload_content")):
                arguments = {"namespace": "default"} if "_namespaced_" in method else {}
                yield name, method, lambda api=api, m=method, given=arguments: getattr(api, m)(**given)


def test_every_list_method_of_the_typed_client_answers(python: Any) -> None:
    """What answers 404 is exactly what Kubernetes 1.32 does not have."""
    missing: dict[str, set[str]] = {}
    kinds = set()

    for api, method, call in listings(python):
        try:
            kinds.add(type(call()).__name__)
        except NotFoundException:
            missing.setdefault(api, set()).add(method)

    later = {api: {name.lower() for name in names} for api, names in LATER.items()}
    for api, methods in missing.items():
        for method in methods:
            resource = method.removeprefix("list_").removeprefix("namespaced_").removesuffix("_for_all_namespaces")
            assert resource.replace("_", "") in later.get(api, ()), f"{api}.{method} is not served"
    assert len(kinds) > 50


def test_every_kind_is_created_and_read_through_its_model(python: Any) -> None:
    """create_from_yaml finds each kind's class and method; the model of what it gives holds all that JSON holds."""
    for document in every_kind.documents():
        (created,) = kubernetes.utils.create_from_dict(python, document)
        assert created.metadata.name == document["metadata"]["name"]
        text = raw(python, path_of(python, document))

        model = python.deserialize(text, type(created).__name__, "application/json")

        shown = json.dumps(python.sanitize_for_serialization(model)).replace("+00:00", "Z")
        assert without_empty(json.loads(shown)) == without_empty(json.loads(text)), document["kind"]


def path_of(client: Any, document: dict[str, Any]) -> str:
    """Return where an object is, as discovery says."""
    resource = kubernetes.dynamic.DynamicClient(client).resources.get(
        api_version=document["apiVersion"], kind=document["kind"]
    )
    return str(resource.path(name=document["metadata"]["name"], namespace=document["metadata"].get("namespace")))


def raw(client: Any, path: str) -> str:
    """Read JSON without any model."""
    answer = client.call_api("GET", client.configuration.host + path, {"Accept": "application/json"})
    return str(answer.read(), "utf-8")


def without_empty(value: Any) -> Any:
    """Return JSON without what says nothing."""
    if isinstance(value, dict):
        kept = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [], "")}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


def test_every_kind_is_changed_in_every_way_and_deleted(python: Any) -> None:
    """Each way leaves its label, and none undoes another's; what is replaced unchanged keeps its revision."""
    client = kubernetes.dynamic.DynamicClient(python)
    documents = every_kind.documents()
    for document in documents:
        kubernetes.utils.create_from_dict(python, document)
    for document in documents:
        resource = client.resources.get(api_version=document["apiVersion"], kind=document["kind"])
        where = {"name": document["metadata"]["name"], "namespace": document["metadata"].get("namespace")}
        identity = {key: document[key] for key in ("apiVersion", "kind")}
        for way in ("strategic-merge-patch+json", "merge-patch+json"):
            label = {"metadata": {"labels": {"way": way.partition("-")[0], way.partition("-")[0]: "yes"}}}
            resource.patch(body=label, content_type=f"application/{way}", **where)
        operation = {"op": "add", "path": "/metadata/labels/json", "value": "yes"}
        resource.patch(body=[operation], content_type="application/json-patch+json", **where)

        applied = resource.server_side_apply(
            body={**identity, "metadata": {**document["metadata"], "labels": {"apply": "yes"}}},
            field_manager="tester",
            force_conflicts=True,
            **where,
        )

        labels = applied.metadata.labels.to_dict()
        assert {
            "way": "merge",
            "strategic": "yes",
            "merge": "yes",
            "json": "yes",
            "apply": "yes",
        }.items() <= labels.items()
        assert dict(document["metadata"].get("labels", {})).items() <= labels.items()
        read = resource.get(**where).to_dict()
        assert resource.replace(body=read, **where).metadata.resourceVersion == read["metadata"]["resourceVersion"]
    for document in reversed(documents):
        resource = client.resources.get(api_version=document["apiVersion"], kind=document["kind"])
        resource.delete(name=document["metadata"]["name"], namespace=document["metadata"].get("namespace"))
