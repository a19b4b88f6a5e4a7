"""What is refused of pods, all faults in order, in Kubernetes' words and with the paths that it names."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest
import yaml

from control.apiserver.validation import podspec
from fairlead.api import codec
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.apiserver import judging

POD = """
metadata: {name: web, namespace: default}
spec: {containers: [{name: main, image: web}], volumes: [{name: data, emptyDir: {}}]}
"""
LABEL = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
SUBDOMAIN = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
QUALIFIED = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
MAIN = "spec/containers/0"
ENV_FIELDS = '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'
VOLUME_FIELDS = '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"'
SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/main"


def env(**source: Any) -> dict[str, Any]:
    """Return the change that gives the container a variable from a source."""
    return {f"{MAIN}/env": [{"name": "A", "valueFrom": source}]}


def volume(**source: Any) -> dict[str, Any]:
    """Return the change that gives the pod a second volume."""
    return {"spec/volumes/1": {"name": "more", **source}}


CASES: list[tuple[dict[str, Any], list[str]]] = [
    # environment
    (env(fieldRef={"fieldPath": "spec.colour"}), ['spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.colour": error converting fieldPath: field label not supported: spec.colour']),
    (env(fieldRef={"fieldPath": "status.phase"}), [f'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: {ENV_FIELDS}']),
    (env(fieldRef={"fieldPath": "metadata.labels"}), [f'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: {ENV_FIELDS}']),
    (env(fieldRef={"fieldPath": "metadata.labels['a b']"}), [f'spec.containers[0].env[0].valueFrom.fieldRef: Invalid value: "a b": {QUALIFIED}']),
    (env(fieldRef={"fieldPath": "metadata.name['a']"}), ["spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.name['a']\": error converting fieldPath: field label does not support subscript: metadata.name['a']"]),
    (env(fieldRef={"apiVersion": "v2", "fieldPath": "metadata.name"}), ['spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2']),
    (env(resourceFieldRef={"resource": "limits.cpu", "divisor": "2"}), ['spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource']),
    (env(resourceFieldRef={"resource": "limits.memory", "divisor": "3Mi"}), ['spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.memory": only divisor\'s values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource']),
    (env(configMapKeyRef={"key": "k"}), [f'spec.containers[0].env[0].valueFrom.configMapKeyRef.name: Invalid value: "": {SUBDOMAIN}']),
    ({f"{MAIN}/envFrom": [{"configMapRef": {"name": "A"}}]}, [f'spec.containers[0].envFrom[0].configMapRef.name: Invalid value: "A": {SUBDOMAIN}']),
    # mounts and devices
    ({f"{MAIN}/volumeMounts": [{"mountPath": "/a"}]}, ["spec.containers[0].volumeMounts[0].name: Required value", 'spec.containers[0].volumeMounts[0].name: Not found: ""']),
    ({f"{MAIN}/volumeMounts": [{"name": "data", "mountPath": "/a", "mountPropagation": "Bidirectional"}]}, ["spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers"]),
    ({f"{MAIN}/volumeMounts": [{"name": "data", "mountPath": "/a", "recursiveReadOnly": "Enabled"}]}, ["spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"]),
    ({f"{MAIN}/volumeDevices": [{"name": "data", "devicePath": "/dev/../a"}]}, ['spec.containers[0].volumeDevices[0].name: Invalid value: "data": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode', "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/dev/../a\": can not contain backsteps ('..')"]),
    ({**volume(secret={}), f"{MAIN}/volumeMounts": [{"name": "more", "mountPath": "/a"}]}, ["spec.volumes[1].secret.secretName: Required value", 'spec.containers[0].volumeMounts[0].name: Not found: "more"']),
    # probes and hooks
    ({f"{MAIN}/lifecycle": {"preStop": {"sleep": {"seconds": 40}}}}, ["spec.containers[0].lifecycle.preStop.sleep: Invalid value: 40: must be greater than 0 and less than terminationGracePeriodSeconds (30). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."]),
    ({f"{MAIN}/readinessProbe": {"exec": {"command": ["a"]}, "terminationGracePeriodSeconds": 0}}, ["spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0", "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must not be set for readinessProbes"]),
    ({f"{MAIN}/livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": "c"}]}}}, ["spec.containers[0].livenessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"]),
    ({f"{MAIN}/livenessProbe": {"exec": {}, "tcpSocket": {"port": 0}}}, ["spec.containers[0].livenessProbe.exec.command: Required value", "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"]),
    # resources
    ({f"{MAIN}/resources": {"requests": {"disk": "1"}}}, ['spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource type or fully qualified', 'spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers']),
    ({f"{MAIN}/resources": {"requests": {"pods": "1"}}}, ['spec.containers[0].resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers']),
    ({f"{MAIN}/resources": {"limits": {"requests.a.b/c": "1"}}}, [f'spec.containers[0].resources.{part}[requests.a.b/c]: Invalid value: "requests.a.b/c": doesn\'t follow extended resource name standard' for part in ("limits", "requests")]),
    ({f"{MAIN}/resources": {"limits": {"hugepages-2Mi": "3Mi"}}}, ['spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi', 'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi', "spec.containers[0].resources: Forbidden: HugePages require cpu or memory"]),
    ({f"{MAIN}/resources": {"limits": {"a.b/c": "2"}, "requests": {"a.b/c": "1"}}}, ['spec.containers[0].resources.requests: Invalid value: "1": must be equal to a.b/c limit of 2']),
    ({"spec/overhead": {"cpu": "-1"}}, ['spec.overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0']),
    # containers
    ({f"{MAIN}/terminationMessagePolicy": "Never"}, ['spec.containers[0].terminationMessagePolicy: Unsupported value: "Never": supported values: "File", "FallbackToLogsOnError"']),
    ({"spec/initContainers": [{"name": "i", "image": "i", "restartPolicy": "Never"}]}, ['spec.initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"']),
    ({"spec/containers/1": {"name": "b", "image": " b", "ports": [{"containerPort": 1, "hostPort": 9}]}, f"{MAIN}/ports": [{"containerPort": 2, "hostPort": 9}]}, ['spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//9"', 'spec.containers[1].image: Invalid value: " b": must not have leading or trailing whitespace']),
    # security
    ({f"{MAIN}/securityContext": {"seccompProfile": {"type": "Localhost"}}}, ["spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost"]),
    ({"spec/securityContext": {"seccompProfile": {"type": "Some"}}}, ['spec.securityContext.seccompProfile.type: Unsupported value: "Some": supported values: "Localhost", "RuntimeDefault", "Unconfined"']),
    ({"spec/securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": " a"}}}, ['spec.securityContext.appArmorProfile.localhostProfile: Invalid value: " a": must not be padded with whitespace']),
    ({"spec/securityContext": {"sysctls": [{"name": "A", "value": "1"}, {"name": "net.a", "value": "1"}]}, "spec/hostNetwork": True}, [r'spec.securityContext.sysctls[0].name: Invalid value: "A": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$', "spec.securityContext.sysctls[1].name: Invalid value: \"net.a\": may not be specified when 'hostNetwork' is true"]),
    ({"spec/securityContext": {"fsGroupChangePolicy": "Never", "supplementalGroups": [-1]}}, ["spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between 0 and 2147483647, inclusive", 'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"']),
    ({"spec/securityContext": {"windowsOptions": {"runAsUserName": "a\\b\\c"}}}, [r'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\b\\c": runAsUserName cannot contain more than one backslash']),
    # the rest of a spec, in its order
    ({"spec/dnsPolicy": "None", "spec/dnsConfig": {"searches": ["a"]}}, ["spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"]),
    ({"spec/dnsConfig": {"nameservers": ["1.1.1.1"] * 4, "searches": ["A."], "options": [{"value": "b"}]}}, ['spec.dnsConfig.nameservers: Invalid value: []string{"1.1.1.1", "1.1.1.1", "1.1.1.1", "1.1.1.1"}: must not have more than 3 nameservers', f'spec.dnsConfig.searches[0]: Invalid value: "A": {SUBDOMAIN}', "spec.dnsConfig.options[0]: Required value: must not be empty"]),
    ({"spec/hostAliases": [{"ip": "1.1.1", "hostnames": ["a", "B"]}]}, ['spec.hostAliases[0].ip: Invalid value: "1.1.1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)', f'spec.hostAliases[0].hostnames[1]: Invalid value: "B": {SUBDOMAIN}']),
    ({"spec/priorityClassName": "A", "spec/runtimeClassName": ""}, [f'spec.priorityClassName: Invalid value: "A": {SUBDOMAIN}', f'spec.runtimeClassName: Invalid value: "": {SUBDOMAIN}']),
    ({"spec/preemptionPolicy": "Often"}, ['spec.preemptionPolicy: Unsupported value: "Often": supported values: "PreemptLowerPriority", "Never"']),
    ({"spec/os": {"name": "plan9"}}, ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']),
    ({"spec/os": {"name": "windows"}, "spec/hostPID": True, f"{MAIN}/securityContext": {"runAsUser": 1}}, ["spec.hostPID: Forbidden: cannot be set for a windows pod", "spec.containers[0].securityContext.runAsUser: Forbidden: cannot be set for a windows pod"]),
    ({"spec/os": {"name": "linux"}, "spec/securityContext": {"windowsOptions": {}}}, ["spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"]),
    ({"spec/nodeName": "n", "spec/schedulingGates": [{"name": "a"}]}, ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"]),
    ({"spec/tolerations": [{"key": "a", "effect": "Never"}]}, ['spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"']),
    ({"spec/topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": "Some", "matchLabelKeys": ["b"]}] * 2}, [
        'spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{a, DoNotSchedule}"',
        'spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "Some": supported values: "Honor", "Ignore"',
        "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
        'spec.topologySpreadConstraints[1].nodeTaintsPolicy: Unsupported value: "Some": supported values: "Honor", "Ignore"',
        "spec.topologySpreadConstraints[1].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
    ]),
    # volumes
    (volume(gcePersistentDisk={"partition": 256}), ["spec.volumes[1].persistentDisk.pdName: Required value", "spec.volumes[1].persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive"]),
    (volume(iscsi={"targetPortal": "t", "iqn": "abc", "lun": 0, "chapAuthSession": True}), ['spec.volumes[1].iscsi.iqn: Invalid value: "abc": must be valid format starting with iqn, eui, or naa', "spec.volumes[1].iscsi.secretRef: Required value"]),
    (volume(emptyDir={}, cephfs={"monitors": []}), ["spec.volumes[1].cephFS: Forbidden: may not specify more than 1 volume type"]),
    (volume(fc={}), ["spec.volumes[1].fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"]),
    (volume(flexVolume={"driver": "d", "options": {"a.k8s.io/b": "c"}}), ['spec.volumes[1].flexVolume.options[a.k8s.io/b]: Invalid value: "a.k8s.io/b": kubernetes.io and k8s.io namespaces are reserved']),
    (volume(nfs={"server": "s"}), ["spec.volumes[1].nfs.path: Required value", 'spec.volumes[1].nfs.path: Invalid value: "": must be an absolute path']),
    (volume(quobyte={"registry": "a", "volume": "v"}), ['spec.volumes[1].quobyte.registry: Invalid value: "a": must be a host:port pair or multiple pairs separated by commas']),
    (volume(azureDisk={"diskName": "a", "diskURI": "b"}), ['spec.volumes[1].azureDisk.diskURI: Unsupported value: "b": supported values: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"']),
    (volume(csi={"driver": "D_", "nodePublishSecretRef": {}}), [f'spec.volumes[1].csi.driver: Invalid value: "D_": {SUBDOMAIN}', "spec.volumes[1].csi.nodePublishSecretRef.name: Required value"]),
    (volume(configMap={"name": "c", "items": [{"key": "a", "path": "..b"}]}), ["spec.volumes[1].configMap.items[0].path: Invalid value: \"..b\": must not start with '..'"]),
    (volume(downwardAPI={"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}}]}), [f'spec.volumes[1].downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: {VOLUME_FIELDS}']),
    (volume(downwardAPI={"items": [{"path": "a"}]}), ["spec.volumes[1].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"]),
    (volume(projected={"sources": [{"secret": {"name": "s", "items": [{"key": "k", "path": "a"}]}}, {"configMap": {"name": "c", "items": [{"key": "k", "path": "a"}]}}]}), ['spec.volumes[1].projected: Invalid value: "c": conflicting duplicate paths']),
    (volume(projected={"sources": [{"secret": {"name": "s"}, "configMap": {"name": "c"}}]}), ["spec.volumes[1].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"]),
    (volume(projected={"sources": [{"serviceAccountToken": {"expirationSeconds": 1}}]}), ["spec.volumes[1].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes", "spec.volumes[1].projected.path: Required value", "spec.volumes[1].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set"]),
    (volume(ephemeral={"volumeClaimTemplate": {"metadata": {"name": "a"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}}), ["spec.volumes[1].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set", "spec.volumes[1].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required"]),
    ({**volume(ephemeral={"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}), "spec/volumes/2": {"name": "own", "persistentVolumeClaim": {"claimName": "web-more"}}}, ['spec.volumes[2].persistentVolumeClaim.claimName: Invalid value: "web-more": must not reference a PVC that gets created for an ephemeral volume']),
    # annotations
    ({"metadata/annotations": {"kubernetes.io/config.mirror": "x"}}, ['metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set']),
    ({"metadata/annotations": {"controller.kubernetes.io/pod-deletion-cost": "+1"}}, ['metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit integer']),
    ({"metadata/annotations": {SECCOMP: "none"}}, [f'metadata.annotations.{SECCOMP}: Invalid value: "none": must be a valid seccomp profile']),
    ({"metadata/annotations": {SECCOMP: "unconfined"}, "spec/securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, ["spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match"]),
    ({"metadata/annotations": {f"{APPARMOR}2": "some"}}, [f'metadata.annotations[{APPARMOR}2]: Invalid value: "main2": container not found', f'metadata.annotations[{APPARMOR}2]: Invalid value: "some": invalid AppArmor profile name: "some"']),
    ({"metadata/annotations": {APPARMOR: "localhost/a"}, f"{MAIN}/securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "b"}}}, ["spec.containers[0].securityContext.appArmorProfile.localhostProfile: Forbidden: apparmor profile in annotation and field must match"]),
    # what looks bad and is not
    ({"spec/terminationGracePeriodSeconds": -5}, []),
    ({"spec/volumes/0/emptyDir/sizeLimit": "0"}, []),
    (env(fieldRef={"fieldPath": "spec.host"}), []),
    ({**volume(persistentVolumeClaim={"claimName": "c"}), f"{MAIN}/volumeDevices": [{"name": "more", "devicePath": "/dev/x"}]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "want"), CASES, ids=[(want or ["fine"])[0][:70] for _, want in CASES])
def test_a_pod_is_refused_for_all_its_faults(changes: dict[str, Any], want: list[str]) -> None:
    """Each with its path; nothing for what looks bad and is not."""
    assert judging.faults("Pod", POD, changes) == want


TERMS = "requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms"
AFFINITY = f"spec/affinity/nodeAffinity/{TERMS}"
RULE = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
GATED = {"spec/schedulingGates": [{"name": "g"}]}
FIXED = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
WHERE = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
MIRRORED = {"spec/nodeName": "n", "metadata/annotations": {"kubernetes.io/config.mirror": "x"}}

UPDATES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"spec/activeDeadlineSeconds": 5}, {}, ['spec.activeDeadlineSeconds: Invalid value: "null": must not update from a positive integer to nil value']),
    ({}, {f"{MAIN}/command": ["a"], "spec/hostname": "b"}, [FIXED]),
    ({}, {f"{MAIN}/image": ""}, ["spec.containers[0].image: Required value"]),
    ({"spec/terminationGracePeriodSeconds": -1}, {"spec/terminationGracePeriodSeconds": 1}, []),
    ({"spec/terminationGracePeriodSeconds": 5}, {"spec/terminationGracePeriodSeconds": 1}, [FIXED]),
    (GATED, {"spec/schedulingGates": [{"name": "h"}]}, ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"]),
    (GATED, {"spec/nodeSelector": {"a": "b"}}, []),
    ({**GATED, "spec/nodeSelector": {"a": "b"}}, {**GATED, "spec/nodeSelector": {"a": "c"}}, ['spec.nodeSelector: Invalid value: map[string]string{"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)']),
    ({**GATED, AFFINITY: [RULE]}, GATED, [f"{WHERE}: Invalid value: []core.NodeSelectorTerm(nil): no additions/deletions to non-empty NodeSelectorTerms list are allowed"]),
    ({**GATED, AFFINITY: [RULE]}, {**GATED, AFFINITY: [{"matchExpressions": [{"key": "b", "operator": "In", "values": ["c"]}]}]}, [f'{WHERE}[0]: Invalid value: core.NodeSelectorTerm{{MatchExpressions:[]core.NodeSelectorRequirement{{core.NodeSelectorRequirement{{Key:"b", Operator:"In", Values:[]string{{"c"}}}}}}, MatchFields:[]core.NodeSelectorRequirement(nil)}}: only additions are allowed (no mutations or deletions)']),
    ({**GATED, AFFINITY: [RULE]}, {AFFINITY: [{"matchExpressions": [*RULE["matchExpressions"], {"key": "b", "operator": "Exists"}]}]}, []),
    (GATED, {**GATED, "spec/affinity/podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]}}, [FIXED]),
    ({AFFINITY: [RULE]}, {}, [FIXED]),
    (MIRRORED, {"spec/nodeName": "n"}, ["metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not remove or update mirror pod annotation"]),
    ({"spec/nodeName": "n"}, MIRRORED, ["metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation"]),
    ({}, {"metadata/annotations": {APPARMOR: "unconfined"}}, [f"metadata.annotations[{APPARMOR}]: Forbidden: may not add AppArmor annotations"]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "want"), UPDATES, ids=[(row[2] or ["fine"])[0][:70] for row in UPDATES])
def test_little_may_change_of_a_pod(before: dict[str, Any], after: dict[str, Any], want: list[str]) -> None:
    """Images, tolerations that come, gates that go, deadlines that come nearer; of a gated pod, fewer nodes."""
    assert judging.updated("Pod", POD, before, after) == want


RUNNING = {"running": {"startedAt": None}}
ENDED = {"terminated": {"exitCode": 1}}
STATUSES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("Never", {"containerStatuses": [{"name": "x", "state": RUNNING}, {"name": "main", "state": ENDED}]}, {"containerStatuses": [{"name": "main", "state": RUNNING}]}, ["status.containerStatuses[1].state: Forbidden: may not be transitioned to non-terminated state"]),
    ("OnFailure", {"containerStatuses": [{"name": "main", "state": ENDED}]}, {"containerStatuses": [{"name": "main", "state": RUNNING}]}, []),
    ("Always", {"ephemeralContainerStatuses": [{"name": "e", "state": ENDED}]}, {"ephemeralContainerStatuses": [{"name": "e", "state": RUNNING}]}, ["status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"]),
    ("Always", {}, {"conditions": [{"type": "a b", "status": "True"}]}, [f'metadata.conditions[0].Type: Invalid value: "a b": {QUALIFIED}']),
    ("Always", {}, {"nominatedNodeName": "A"}, [f'status.nominatedNodeName: Invalid value: "A": {SUBDOMAIN}']),
    ("Always", {}, {"podIP": "1.1.1.1", "podIPs": [{"ip": "1.1.1.1"}, {"ip": "2.2.2.2"}]}, ['status.podIPs: Invalid value: []core.PodIP{core.PodIP{IP:"1.1.1.1"}, core.PodIP{IP:"2.2.2.2"}}: may specify no more than one IP for each IP family']),
    ("Always", {}, {"podIP": "x"}, ['status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']),
    ("Always", {}, {"hostIP": "1.1.1.1", "hostIPs": [{"ip": "fd00::1"}, {"ip": "1.1.1.1"}]}, ['status.hostIPs[0].ip: Invalid value: "fd00::1": must be equal to `hostIP`']),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "before", "after", "want"), STATUSES, ids=[(row[3] or ["fine"])[0][:60] for row in STATUSES])  # fmt: skip
def test_a_pods_status_is_judged(policy: str, before: dict[str, Any], after: dict[str, Any], want: list[str]) -> None:
    """What has ended stays so unless the pod restarts it; addresses are addresses, one of each family."""
    text = POD.replace("spec: {", f"spec: {{restartPolicy: {policy}, ")

    assert judging.status_updated("Pod", text, before, after) == want


def test_a_template_is_judged_with_the_paths_of_a_template() -> None:
    """Labels and annotations lie beside the spec; a space around an image is judged with each pod, as in Kubernetes."""
    body = """
    metadata: {annotations: {controller.kubernetes.io/pod-deletion-cost: a}, labels: {a: ' '}}
    spec: {containers: [{name: main, image: ' web'}], ephemeralContainers: [{name: e, image: i}]}
    """
    template = codec.from_json(yaml.safe_load(body), corev1.PodTemplateSpec)
    judging.STRATEGIES["Pod"].default(pod := corev1.Pod(spec=template.spec))
    template.spec.CopyFrom(pod.spec)

    got = [f"{one.field}: {one.message}"[:90] for one in podspec.validate_template(template, "spec.template")]

    assert got == [
        'spec.template.labels: Invalid value: " ": a valid label must be an empty string or consist'[:90],
        'spec.template.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "a": must be'[:90],
        "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"[:90],
    ]


def part(before: str, after: str, **annotations: str) -> list[str]:
    """Return the faults of a write of ephemeral containers."""
    strategy = judging.STRATEGIES["Pod"]
    old = judging.prepared("Pod", POD, {"metadata/annotations": annotations} if annotations else None)
    new = codec.from_json(codec.to_json(old), corev1.Pod)
    for pod, text in ((old, before), (new, after)):
        spec = codec.from_json({"containers": [], "ephemeralContainers": yaml.safe_load(text)}, corev1.PodSpec)
        pod.spec.ephemeralContainers.extend(spec.ephemeralContainers)
    strategy.default(old)
    strategy.prepare_for_part("ephemeralcontainers", new, old)
    return [f"{one.field}: {one.message}" for one in strategy.validate_part("ephemeralcontainers", new, old)]


def test_ephemeral_containers_only_come() -> None:
    """They have names, no ports, and neither change nor go; a static pod has none."""
    E, both = "spec.ephemeralContainers", "[{name: a, image: i}, {name: b, image: i}]"

    assert part("[]", both) == []
    assert part(both, "[{name: a, image: j}]") == [
        f'{E}: Forbidden: existing ephemeral containers "a" may not be changed\n',
        f'{E}: Forbidden: existing ephemeral containers "b" may not be removed\n',
    ]
    assert part("[]", "[{name: main, image: ' i', targetContainerName: x, ports: [{containerPort: 1}]}]") == [
        f'{E}[0].image: Invalid value: " i": must not have leading or trailing whitespace',
        f'{E}[0].name: Duplicate value: "main"',
        f'{E}[0].targetContainerName: Not found: "x"',
        f"{E}[0].ports: Forbidden: cannot be set for an Ephemeral Container",
    ]
    assert part("[]", both, **{"kubernetes.io/config.mirror": "x"}) == [
        "[]: Forbidden: static pods do not support ephemeral containers"
    ]
