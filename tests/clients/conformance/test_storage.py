"""[sig-storage]: lifecycles of volumes, claims, classes, attachments and CSI's kinds; objects that are immutable."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.conformance import operations, workloads
from tests.clients.conformance.workloads import CORE, PODS
from tests.support.rawrest import MERGE, Rest

STORAGE = "/apis/storage.k8s.io/v1"
VOLUMES, CLAIMS = "/api/v1/persistentvolumes", f"{CORE}/persistentvolumeclaims"
CAPACITY = operations.Kind(
    *("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity"),
    made={"storageClassName": "none"},
    change={"capacity": "5Gi"},
    namespace="default",
)
CLUSTERWIDE: dict[str, dict[str, Any]] = {
    "csidrivers": {"spec": {"attachRequired": False, "podInfoOnMount": True, "volumeLifecycleModes": ["Ephemeral"]}},
    "csinodes": {"spec": {"drivers": [{"name": "e2e.example.com", "nodeID": "e2e", "topologyKeys": []}]}},
    "storageclasses": {
        "provisioner": "e2e-fake-provisioner",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    },
    "volumeattachments": {
        "spec": {"attacher": "e2e.example.com", "nodeName": "node-1", "source": {"persistentVolumeName": "pv"}},
        "status": {"attached": False},
    },
}


def labelled(value: str) -> Any:
    """Return a change that sets the label `e2e`."""
    return lambda found: found["metadata"].setdefault("labels", {}).update(e2e=value)


def gone(rest: Rest, collection: str, selector: str) -> None:
    """See that nothing is left under a label."""
    for each in rest("GET", collection, labelSelector=selector)["items"]:
        rest.until_gone(collection, each["metadata"]["name"])
    assert rest("GET", collection, labelSelector=selector)["items"] == []


def lived(rest: Rest, collection: str, made: dict[str, Any]) -> None:
    """Create, read, patch, list, delete, create again, replace, and delete by label."""
    name = made["metadata"]["name"]
    path = workloads.make(rest, collection, made)
    assert rest("GET", path)["metadata"]["name"] == name
    patched = rest("PATCH", path, {"metadata": {"labels": {"e2e": "patched"}}}, sent=MERGE)
    assert patched["metadata"]["labels"]["e2e"] == "patched"
    (listed,) = rest("GET", collection, labelSelector="e2e=patched")["items"]
    assert listed["metadata"]["uid"] == patched["metadata"]["uid"]
    rest("DELETE", path)
    gone(rest, collection, "e2e=patched")

    rest("POST", collection, made)
    assert operations.replaced(rest, path, labelled("updated"))["metadata"]["labels"]["e2e"] == "updated"
    rest("DELETE", collection, labelSelector="e2e=updated")
    gone(rest, collection, "e2e=updated")


@pytest.mark.parametrize("plural", CLUSTERWIDE)
def test_the_life_of_what_describes_storage(rest: Rest, plural: str) -> None:
    """Kubernetes' "should run through the lifecycle of a CSIDriver, csinode, StorageClass, VolumeAttachment"."""
    lived(rest, f"{STORAGE}/{plural}", {"metadata": {"name": "inline.e2e.example.com"}, **CLUSTERWIDE[plural]})


def test_two_drivers_are_listed_and_deleted(rest: Rest) -> None:
    """Kubernetes' "should run through the lifecycle of a CSIDriver".

    Has two, and deletes one by name, one by label.
    """
    collection = f"{STORAGE}/csidrivers"
    for name in ("one", "two"):
        metadata = {"name": name, "labels": {"test": "drivers"}}
        rest("POST", collection, {"metadata": metadata, **CLUSTERWIDE["csidrivers"]})
    assert len(rest("GET", collection, labelSelector="test=drivers")["items"]) == 2
    rest("DELETE", f"{collection}/one")
    rest("DELETE", collection, labelSelector="test=drivers")
    gone(rest, collection, "test=drivers")


def test_the_status_of_an_attachment_can_be_written(rest: Rest) -> None:
    """Kubernetes' "should apply changes to a volumeattachment status": attached by patch, detached by update."""
    made = {"metadata": {"name": "va-e2e"}, **CLUSTERWIDE["volumeattachments"]}
    path = workloads.make(rest, f"{STORAGE}/volumeattachments", made)
    assert rest("GET", f"{path}/status")["status"] == {"attached": False}
    patched = rest("PATCH", f"{path}/status", {"status": {"attached": True}}, sent=MERGE)
    assert patched["status"] == {"attached": True}
    detached = operations.replaced(rest, f"{path}/status", lambda found: found["status"].update(attached=False))
    assert detached["status"] == {"attached": False}
    rest("DELETE", path)
    rest.refused(404, "GET", path)


def test_capacities_have_every_operation(rest: Rest) -> None:
    """Kubernetes' "should support CSIStorageCapacities API operations"."""
    operations.discovered(rest, CAPACITY)
    name = operations.written(rest, CAPACITY)["metadata"]["name"]
    operations.deleted(rest, CAPACITY, name)


def test_pods_with_inline_volumes_are_kept(rest: Rest) -> None:
    """Kubernetes' "should support CSIVolumeSource in Pod API": created, read, listed everywhere, patched, deleted."""
    driver = {"metadata": {"name": "e2e.example.com"}, **CLUSTERWIDE["csidrivers"]}
    rest("POST", f"{STORAGE}/csidrivers", driver)
    source = {"driver": "e2e.example.com", "readOnly": True, "volumeAttributes": {"a": "b"}}
    volumes = [{"name": "e2e", "csi": source}]
    # of a pod that no node takes: none could serve the volume
    made = workloads.pod("inline", {"e2e": "inline"}, volumes=volumes, nodeSelector={"none": "such"})
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": "e2e", "mountPath": "/e2e"}]
    path = workloads.make(rest, PODS, made)
    found = rest("GET", path)
    assert next(each for each in found["spec"]["volumes"] if each["name"] == "e2e") == volumes[0]
    assert len(rest("GET", "/api/v1/pods", labelSelector="e2e=inline")["items"]) == 1
    patched = rest("PATCH", path, {"metadata": {"labels": {"test": "patched"}}}, sent=MERGE)
    assert patched["metadata"]["labels"]["test"] == "patched"
    rest("DELETE", path)
    rest.until_gone(PODS, "inline")


def volume(name: str) -> dict[str, Any]:
    """Return a volume of a driver that there is not."""
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "e2e",
        "csi": {"driver": "e2e.example.com", "volumeHandle": "e2e-conformance"},
    }
    return {"metadata": {"name": name, "labels": {"volume": "e2e"}}, "spec": spec}


def claim(name: str) -> dict[str, Any]:
    """Return a claim of the same class."""
    resources = {"requests": {"storage": "2Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "e2e", "resources": resources}
    return {"metadata": {"name": name}, "spec": spec}


def test_the_life_of_volumes_and_claims(rest: Rest) -> None:
    """Kubernetes' "should run through the lifecycle of a PV and a PVC": finalizers protect both until then."""
    lived(rest, CLAIMS, claim("pvc"))
    lived(rest, VOLUMES, volume("pv"))


def test_the_status_of_volumes_and_claims_can_be_written(rest: Rest) -> None:
    """Kubernetes' "should apply changes to a pv/pvc status"."""
    pv, pvc = workloads.make(rest, VOLUMES, volume("pv")), workloads.make(rest, CLAIMS, claim("pvc"))
    assert rest("GET", f"{pv}/status")["status"]["phase"] in ("Available", "Bound", "Pending")
    assert rest("GET", f"{pvc}/status")["status"]["phase"] in ("Bound", "Pending")
    condition = {
        "type": "StatusPatched",
        "status": "True",
        "reason": "E2E patchedStatus",
        "message": "Set by e2e test",
    }
    patched = rest("PATCH", f"{pvc}/status", {"status": {"conditions": [condition]}}, sent=MERGE)
    assert condition.items() <= patched["status"]["conditions"][0].items()
    told = {"message": "StatusPatched", "reason": "E2E patchStatus"}
    assert rest("PATCH", f"{pv}/status", {"status": told}, sent=MERGE)["status"].items() >= told.items()

    def more(found: dict[str, Any]) -> None:
        found["status"]["conditions"].append(dict(workloads.UPDATED))

    updated = operations.replaced(rest, f"{pvc}/status", more)
    assert ("StatusUpdate", "True") in workloads.statuses(updated)
    again = {"message": "StatusUpdated", "reason": "E2E updateStatus"}
    updated = operations.replaced(rest, f"{pv}/status", lambda found: found["status"].update(again))
    assert updated["status"].items() >= again.items()


@pytest.mark.parametrize("plural", ["configmaps", "secrets"])
def test_an_immutable_object_keeps_its_data(rest: Rest, plural: str) -> None:
    """Kubernetes' "should be immutable if `immutable` field is set": labels may change, and it can be deleted."""
    value = {"configmaps": ("plain", "other"), "secrets": ("cGxhaW4=", "b3RoZXI=")}[plural]
    path = workloads.make(rest, f"{CORE}/{plural}", {"metadata": {"name": "e2e"}, "data": {"key": value[0]}})
    operations.replaced(rest, path, lambda found: found["data"].update(more=value[0]))
    found = operations.replaced(rest, path, lambda found: found.update(immutable=True))

    text = "field is immutable when `immutable` is set"
    assert text in rest.refused(422, "PUT", path, {**found, "data": {"key": value[1]}})
    assert text in rest.refused(422, "PUT", path, {**found, "immutable": False})
    labels = operations.replaced(rest, path, labelled("x"))["metadata"]["labels"]
    assert labels == {"e2e": "x"}
    rest("DELETE", path)
    rest.refused(404, "GET", path)
