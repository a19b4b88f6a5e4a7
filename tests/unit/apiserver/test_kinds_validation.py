"""What is refused of workloads, batch, storage, quotas, autoscalers and budgets, in Kubernetes' words."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.apiserver import judging, test_kinds

JOB = f"{{metadata: {{name: web, namespace: default, uid: u-1}}, spec: {{template: {test_kinds.NEVER}}}}}"
INDEXED = {"spec/completionMode": "Indexed", "spec/completions": 5}
REPLICATED = """
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "web:1"}]}}
"""
GOOD = {row[0]: row[2] for row in test_kinds.KINDS} | {"Job": JOB}
GOOD |= {"Deployment": REPLICATED, "ReplicaSet": REPLICATED}
MANY = {"spec/completionMode": "Indexed", "spec/completions": 100_001, "spec/backoffLimitPerIndex": 1}
FAILURE = "spec/podFailurePolicy"
RULES = "spec/podFailurePolicy/rules"
METRIC = "spec/metrics"
CPU: dict[str, Any] = {"type": "Utilization", "averageUtilization": 80}
PODS: dict[str, Any] = {"metric": {"name": "a"}, "target": {"type": "AverageValue", "averageValue": "1"}}
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an"
    " alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
BAD_SELECTOR = (
    'v1.LabelSelector{MatchLabels:map[string]string{"app":"db"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}'
)
ODD_SELECTOR = {"matchExpressions": [{"key": "a", "operator": "Odd"}]}
ODD_OPERATOR = 'spec.selector.matchExpressions[0].operator: Invalid value: "Odd": not a valid selector operator'
ODD_SHOWN = (
    "v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement{"
    'v1.LabelSelectorRequirement{Key:"a", Operator:"Odd", Values:[]string(nil)}}}'
)
MISMATCH = (
    'spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: `selector` does not match template'
    " `labels`"
)
NO_DOTS = "must not contain dots"
NO_COUNT = 'intstr.IntOrString{Type:1, IntVal:0, StrVal:"a"}'
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for"
    " validation is '[0-9]+%')"
)
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    " character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
REASON = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters"
    " or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or"
    " 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
)
LONG = "a" * 53
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def exit_codes(**changes: Any) -> dict[str, Any]:
    """Return a failure policy of one rule on exit codes."""
    return {RULES: [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1], **changes}}]}


BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    ("ReplicationController", {"spec/replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    ("ReplicationController", {"spec": {"selector": {"a": "b"}}}, ["spec.template: Required value"]),
    ("ReplicationController", {"spec/template/metadata": {}}, ["spec.selector: Required value"]),
    ("ReplicationController", {"spec/selector": {"app": "db"}}, ['spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: `selector` does not match template `labels`']),
    ("ReplicationController", {"spec/template/spec/restartPolicy": "Never"}, ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"']),
    ("PodTemplate", {"template/spec/containers": []}, ["template.spec.containers: Required value"]),
    ("Endpoints", {"subsets": [{}]}, ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]),
    ("Endpoints", {"subsets/0/addresses/0/ip": "a"}, ['subsets[0].addresses[0].ip: Invalid value: "a": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)', 'subsets[0].addresses[0].ip: Invalid value: "a": must be a valid IP address']),
    ("Endpoints", {"subsets/0/addresses/0/ip": "127.0.0.1"}, ['subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)']),
    ("Endpoints", {"subsets/0/addresses/0/ip": "224.0.0.1"}, ['subsets[0].addresses[0].ip: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)']),
    ("Endpoints", {"subsets/0/ports": [{"port": 0}, {"port": 80, "name": "a", "protocol": "X"}]}, [
        "subsets[0].ports[0].name: Required value",
        "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        'subsets[0].ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ]),
    ("LimitRange", {"spec/limits/0/type": "Node"}, ['spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified']),
    ("LimitRange", {"spec/limits/1": {"type": "Container"}}, ['spec.limits[1].type: Duplicate value: "Container"']),
    ("LimitRange", {"spec/limits/0/min": {"cpu": "3"}}, [
        'spec.limits[0].min[cpu]: Invalid value: "3": min value 3 is greater than max value 2',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": min value 3 is greater than default request value 2',
        'spec.limits[0].default[cpu]: Invalid value: "3": min value 3 is greater than default value 2',
    ]),
    ("LimitRange", {"spec/limits/0/default": {"cpu": "3"}, "spec/limits/0/defaultRequest": {"cpu": "1"}}, ['spec.limits[0].default[cpu]: Invalid value: "2": default value 3 is greater than max value 2']),
    ("LimitRange", {"spec/limits/0/maxLimitRequestRatio": {"cpu": "500m"}}, ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1']),
    ("LimitRange", {"spec/limits/0/type": "Pod", "spec/limits/0/max": {"gold": "1"}}, [
        'spec.limits[0].max[gold]: Invalid value: "gold": must be a standard resource type or fully qualified',
        'spec.limits[0].max[gold]: Invalid value: "gold": must be a standard resource for containers',
    ]),
    ("LimitRange", {"spec/limits": [{"type": "Pod", "default": {"cpu": "1"}}]}, ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"]),
    ("LimitRange", {"spec/limits": [{"type": "PersistentVolumeClaim"}]}, ["spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"]),
    ("ResourceQuota", {"spec/hard": {"pods": "1500m"}}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
    ("ResourceQuota", {"spec/hard": {"pods": "-1"}}, ['spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0']),
    ("ResourceQuota", {"spec/hard": {"gold": "1"}}, [
        'spec.hard[gold]: Invalid value: "gold": must be a standard resource type or fully qualified',
        'spec.hard[gold]: Invalid value: "gold": must be a standard resource for quota',
    ]),
    ("ResourceQuota", {"spec/hard": {"requests.nvidia.com/gpu": "4", "count/jobs.batch": "4"}}, []),
    ("ResourceQuota", {"spec/scopes": ["Odd", "Bad"]}, [  # each once, for it shows all of them
        'spec.scopes: Invalid value: []core.ResourceQuotaScope{"Odd", "Bad"}: unsupported scope',
        'spec.scopes: Invalid value: []core.ResourceQuotaScope{"Odd", "Bad"}: unsupported scope applied to resource',
    ]),
    ("ResourceQuota", {"spec/scopes": ["BestEffort", "NotBestEffort"], "spec/hard": {"pods": "1"}}, ['spec.scopes: Invalid value: []core.ResourceQuotaScope{"BestEffort", "NotBestEffort"}: conflicting scopes']),
    ("ResourceQuota", {"spec/scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}, ["spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"]),
    ("PersistentVolume", {"spec/accessModes": []}, ["spec.accessModes: Required value"]),
    ("PersistentVolume", {"spec/accessModes": ["Once"]}, ['spec.accessModes: Unsupported value: "Once": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"']),
    ("PersistentVolume", {"spec/accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}, ["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"]),
    ("PersistentVolume", {"spec/capacity": {"storage": "0"}}, ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']),
    ("PersistentVolume", {"spec/hostPath": None}, ["spec: Required value: must specify a volume type"]),
    ("PersistentVolume", {"spec/nfs": {"server": "a", "path": "/b"}}, ["spec.nfs: Forbidden: may not specify more than 1 volume type"]),
    ("PersistentVolume", {"spec/persistentVolumeReclaimPolicy": "Keep"}, ['spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"']),
    ("PersistentVolume", {"spec/persistentVolumeReclaimPolicy": "Recycle", "spec/hostPath/path": "/"}, ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"]),
    ("PersistentVolume", {"spec/hostPath": None, "spec/local": {"path": "/a"}}, ["spec.nodeAffinity: Required value: Local volume requires node affinity"]),
    ("PersistentVolume", {"spec/hostPath": None, "spec/csi": {}}, ["spec.csi.driver: Required value", f"spec.csi.driver: Invalid value: \"\": {SUBDOMAIN}", "spec.csi.volumeHandle: Required value"]),
    ("PersistentVolume", {"spec/nodeAffinity": {}}, ["spec.nodeAffinity.required: Required value: must specify required node constraints"]),
    ("PersistentVolumeClaim", {"spec/accessModes": []}, ["spec.accessModes: Required value: at least 1 access mode is required"]),
    ("PersistentVolumeClaim", {"spec/resources": {}}, ["spec.resources[storage]: Required value"]),
    ("PersistentVolumeClaim", {"spec/resources/requests/storage": "-1Gi"}, ['spec.resources[storage]: Invalid value: "-1Gi": must be greater than zero']),
    ("PersistentVolumeClaim", {"spec/storageClassName": "A"}, [f'spec.storageClassName: Invalid value: "A": {SUBDOMAIN}']),
    ("PersistentVolumeClaim", {"spec/volumeMode": "Tape"}, ['spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"']),
    ("PersistentVolumeClaim", {"spec/dataSource/name": ""}, ["spec.dataSource.name: Required value", "spec.dataSourceRef.name: Required value"]),
    ("PersistentVolumeClaim", {"spec/dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"}}, ["spec: Invalid value: spec.dataSource: must match dataSourceRef"]),
    ("StatefulSet", {"spec/podManagementPolicy": "Odd"}, ["spec.podManagementPolicy: Invalid value: \"Odd\": must be 'OrderedReady' or 'Parallel'"]),
    ("StatefulSet", {"spec/updateStrategy": {"type": "Odd"}}, ['spec.updateStrategy: Invalid value: apps.StatefulSetUpdateStrategy{Type:"Odd", RollingUpdate:(*apps.RollingUpdateStatefulSetStrategy)(nil)}: must be \'RollingUpdate\' or \'OnDelete\'']),
    ("StatefulSet", {"spec/updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}}, ["spec.updateStrategy.rollingUpdate: Invalid value: apps.RollingUpdateStatefulSetStrategy{Partition:1, MaxUnavailable:(*intstr.IntOrString)(nil)}: only allowed for updateStrategy 'RollingUpdate'"]),
    ("StatefulSet", {"spec/updateStrategy": {"rollingUpdate": {"partition": -1}}}, ["spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"]),
    ("StatefulSet", {"spec/selector": {}}, ["spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for statefulset"]),
    ("StatefulSet", {"spec/selector": None}, ["spec.selector: Required value", MISMATCH]),
    ("StatefulSet", {"spec/selector": ODD_SELECTOR}, [ODD_OPERATOR, f"spec.selector: Invalid value: {ODD_SHOWN}"]),
    ("StatefulSet", {"spec/replicas": -1, "spec/selector/matchLabels": {"app": "db"}}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0", MISMATCH]),
    ("StatefulSet", {"metadata/name": "a.b"}, [f'metadata.name: Invalid value: "a.b": {NO_DOTS}']),
    ("StatefulSet", {"spec/updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}, []),
    ("Deployment", {"spec/selector": None}, ["spec.selector: Required value", MISMATCH]),
    ("Deployment", {"spec/selector": ODD_SELECTOR, "spec/template/spec/containers": []}, [ODD_OPERATOR, f"spec.selector: Invalid value: {ODD_SHOWN}: invalid label selector"]),
    ("Deployment", {"spec/strategy": {"type": "Odd"}}, ['spec.strategy: Unsupported value: apps.DeploymentStrategy{Type:"Odd", RollingUpdate:(*apps.RollingUpdateDeployment)(nil)}: supported values: "Recreate", "RollingUpdate"']),
    ("Deployment", {"spec/strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "a"}}}, [
        f"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: {NO_COUNT}: {PERCENT}",
        f"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: {NO_COUNT}: may not be 0 when `maxSurge` is 0",
    ]),
    ("ReplicaSet", {"spec/selector": None}, ["spec.selector: Required value", MISMATCH]),
    ("DaemonSet", {"spec/selector": None}, [MISMATCH]),
    ("DaemonSet", {"spec/selector": ODD_SELECTOR}, [ODD_OPERATOR]),
    ("DaemonSet", {"spec/selector": {}}, ["spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for daemonset"]),
    ("StatefulSet", {"spec/persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}}, ['spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Retain", "Delete"']),
    ("StatefulSet", {"spec/ordinals": {"start": -1}}, ["spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"]),
    ("StatefulSet", {"spec/template/spec/activeDeadlineSeconds": 5}, ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported"]),
    ("DaemonSet", {"spec/selector/matchLabels": {"app": "db"}}, ['spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: `selector` does not match template `labels`']),
    ("DaemonSet", {"spec/updateStrategy": {"type": "Odd"}}, ['spec.updateStrategy: Unsupported value: apps.DaemonSetUpdateStrategy{Type:"Odd", RollingUpdate:(*apps.RollingUpdateDaemonSet)(nil)}: supported values: "RollingUpdate", "OnDelete"']),
    ("DaemonSet", {"spec/updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}, ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"]),
    ("DaemonSet", {"spec/updateStrategy": {"rollingUpdate": {"maxSurge": "10%"}}}, ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: intstr.IntOrString{Type:1, IntVal:0, StrVal:"10%"}: may not be set when maxUnavailable is non-zero']),
    ("ControllerRevision", {"data": None, "revision": -1}, ["data: Required value: data is mandatory", "revision: Invalid value: -1: must be greater than or equal to 0"]),
    ("Job", {"spec/parallelism": -1}, ["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"]),
    ("Job", {"spec/template/spec/restartPolicy": None}, ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"']),
    ("Job", {"spec/template/spec/restartPolicy": "Odd"}, [
        'spec.template.spec.restartPolicy: Unsupported value: "Odd": supported values: "Always", "OnFailure", "Never"',
        'spec.template.spec.restartPolicy: Unsupported value: "Odd": supported values: "OnFailure", "Never"',
    ]),
    ("Job", {"spec/completionMode": "Indexed"}, []),
    ("Job", {"spec/completionMode": "Indexed", "spec/parallelism": 2}, ["spec.completions: Required value: when completion mode is Indexed"]),
    ("Job", {"spec/completionMode": "Odd"}, ['spec.completionMode: Unsupported value: "Odd": supported values: "NonIndexed", "Indexed"']),
    ("Job", {"spec/backoffLimitPerIndex": 1}, ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"]),
    ("Job", INDEXED | {"spec/maxFailedIndexes": 6}, ["spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified", "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"]),
    ("Job", MANY, ["spec.maxFailedIndexes: Required value: must be specified when completions is above 100000"]),
    ("Job", INDEXED | {"metadata/name": "a" * 62}, [f'metadata.name: Invalid value: "{"a" * 62}": will not able to create pod with invalid DNS label: {"a" * 62}-4']),
    ("Job", {"spec/managedBy": "me"}, ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")']),
    ("Job", {"spec/managedBy": "acme.io/" + "a" * 60}, ["spec.managedBy: Too long: may not be more than 63 bytes"]),
    ("Job", {"spec/selector": {"matchLabels": {"app": "db"}}, "spec/template/metadata": {"labels": {"app": "db"}}}, ["spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"app\":\"db\", \"batch.kubernetes.io/controller-uid\":\"u-1\"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: `selector` not auto-generated"]),
    ("Job", {"spec/template/metadata": {"labels": {"job-name": "other"}}}, ['spec.template.metadata.labels[job-name]: Invalid value: map[string]string{"batch.kubernetes.io/controller-uid":"u-1", "batch.kubernetes.io/job-name":"web", "controller-uid":"u-1", "job-name":"other"}: must be \'web\'']),
    ("Job", {"spec/manualSelector": True}, ["spec.selector: Required value", "spec.template.metadata.labels: Invalid value: map[string]string(nil): `selector` does not match template `labels`"]),
    ("Job", {"spec/podReplacementPolicy": "Odd"}, ['spec.podReplacementPolicy: Unsupported value: "Odd": supported values: "Failed", "TerminatingOrFailed"']),
    ("Job", exit_codes(), []),
    ("Job", exit_codes() | {"spec/template/spec/restartPolicy": "OnFailure"}, ['spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified']),
    ("Job", exit_codes(values=[2, 1]), ["spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []int32{2, 1}: must be ordered"]),
    ("Job", exit_codes(values=[0, 0]), [
        "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
        "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
        "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Duplicate value: 0",
    ]),
    ("Job", exit_codes(containerName="x"), ['spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "x": must be one of the container or initContainer names in the pod template']),
    ("Job", {RULES: [{"action": "FailJob"}]}, ["spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"]),
    ("Job", {RULES: [{"action": "FailIndex", "onPodConditions": [{"type": "a"}]}]}, ['spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set']),
    ("Job", {"spec/successPolicy": {"rules": [{}]}}, ['spec.successPolicy: Invalid value: {"rules":[{}]}: requires indexed completion mode']),
    ("Job", INDEXED | {"spec/successPolicy": {"rules": [{"succeededIndexes": "1-9"}]}}, ['spec.successPolicy.rules[0].succeededIndexes: Invalid value: "1-9": error parsing succeededIndexes: too large index: "9"']),
    ("Job", INDEXED | {"spec/successPolicy": {"rules": [{"succeededIndexes": "1-2", "succeededCount": 3}]}}, ["spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)"]),
    ("CronJob", {"spec/schedule": ""}, ["spec.schedule: Required value"]),
    ("CronJob", {"spec/schedule": "* * *"}, ['spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]']),
    ("CronJob", {"spec/schedule": "TZ=UTC 0 * * * *"}, ['spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead']),
    ("CronJob", {"spec/timeZone": "Europe/Berlin"}, []),
    ("CronJob", {"spec/timeZone": ""}, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']),
    ("CronJob", {"spec/timeZone": "Mars/Base"}, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']),
    ("CronJob", {"spec/timeZone": "../etc"}, ['spec.timeZone: Invalid value: "../etc": unknown time zone ../etc']),
    ("CronJob", {"spec/timeZone": "Local"}, ['spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones']),
    ("CronJob", {"spec/concurrencyPolicy": "Odd"}, ['spec.concurrencyPolicy: Unsupported value: "Odd": supported values: "Allow", "Forbid", "Replace"']),
    ("CronJob", {"spec/failedJobsHistoryLimit": -1}, ["spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"]),
    ("CronJob", {"metadata/name": LONG}, [f'metadata.name: Invalid value: "{LONG}": must be no more than 52 characters']),
    ("CronJob", {"spec/jobTemplate/spec/selector": {"matchLabels": {"app": "db"}}}, [f"spec.jobTemplate.spec.selector: Invalid value: {BAD_SELECTOR}: `selector` will be auto-generated"]),
    ("HorizontalPodAutoscaler", {"spec/minReplicas": 0}, [
        "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
        "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
    ]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "Odd", "pods": PODS}]}, [
        'spec.metrics[0].type: Unsupported value: "Odd": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        'spec.metrics[0].type: Unsupported value: "Odd": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
    ]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "Resource", "resource": {"name": "", "target": CPU}, "pods": PODS}]}, ["spec.metrics[0].pods: Forbidden: must populate the given metric source only"]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "ContainerResource", "containerResource": {"name": "gold", "container": "A", "target": CPU}}]}, [
        'spec.metrics[0].containerResource.name: Invalid value: "gold": must be a standard resource type or fully qualified',
        'spec.metrics[0].containerResource.name: Invalid value: "gold": must be a standard resource for containers',
        f'spec.metrics[0].containerResource.container: Invalid value: "A": {LABEL}',
    ]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "ContainerResource", "containerResource": {"target": {"averageUtilization": 0}}}]}, [
        "spec.metrics[0].containerResource.name: Required value: must specify a resource name",
        "spec.metrics[0].containerResource.container: Required value: must specify a container",
        "spec.metrics[0].containerResource.target.type: Required value: must specify a metric target type",
        'spec.metrics[0].containerResource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        "spec.metrics[0].containerResource.target.averageUtilization: Invalid value: 0: must be greater than 0",
    ]),
    ("HorizontalPodAutoscaler", {"spec/minReplicas": 6}, ["spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"]),
    ("HorizontalPodAutoscaler", {"spec/scaleTargetRef": {"name": "a/b"}}, ["spec.scaleTargetRef.kind: Required value", "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "Resource"}]}, ["spec.metrics[0].resource: Required value: must populate information for the given metric source"]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "Resource", "resource": {"name": "cpu", "target": CPU | {"averageValue": "1"}}}]}, ["spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Odd"}}}]}, [
        'spec.metrics[0].resource.target.type: Invalid value: "Odd": must be either Utilization, Value, or AverageValue',
        "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
    ]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "Pods", "pods": {"metric": {"name": "a"}, "target": {"type": "AverageValue", "averageValue": "0"}}}]}, [
        'spec.metrics[0].pods.target.averageValue: Invalid value: "0": must be positive',
    ]),
    ("HorizontalPodAutoscaler", {METRIC: [{"type": "Pods", "pods": {"metric": {"name": "a"}, "target": {"type": "Value"}}}]}, ["spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue"]),
    ("HorizontalPodAutoscaler", {"spec/behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601, "policies": [{"type": "Odd", "value": 0, "periodSeconds": 1801}]}}}, [
        "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
        'spec.behavior.scaleDown.policies[0].type: Unsupported value: "Odd": supported values: "Percent", "Pods"',
        "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
        "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
    ]),
    ("PodDisruptionBudget", {"spec/maxUnavailable": 1}, ['spec: Invalid value: {"maxUnavailable":1,"minAvailable":"50%","selector":{"matchLabels":{"app":"web"}}}: minAvailable and maxUnavailable cannot be both set']),
    ("PodDisruptionBudget", {"spec/minAvailable": "101%"}, ['spec.minAvailable: Invalid value: intstr.IntOrString{Type:1, IntVal:0, StrVal:"101%"}: must not be greater than 100%']),
    ("PodDisruptionBudget", {"metadata/name": "A_b"}, []),
    ("PodDisruptionBudget", {"metadata/name": "a%"}, ['metadata.name: Invalid value: "a%": may not contain \'%\'']),
    ("PodDisruptionBudget", {"spec/minAvailable": -1}, ["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"]),
    ("PodDisruptionBudget", {"spec/unhealthyPodEvictionPolicy": "Odd"}, ['spec.unhealthyPodEvictionPolicy: Unsupported value: "Odd": supported values: "AlwaysAllow", "IfHealthyBudget"']),
]  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_object_has_no_fault(kind: str) -> None:
    """The objects that the tables below change."""
    assert judging.faults(kind, GOOD[kind]) == []


@pytest.mark.parametrize(("kind", "changes", "want"), BAD, ids=[f"{row[0]}: {''.join(row[2])[:50]}" for row in BAD])
def test_a_bad_object_is_refused_for_all_its_faults(kind: str, changes: dict[str, Any], want: list[str]) -> None:
    """Each fault's path and what is wrong, and no fault more."""
    assert judging.faults(kind, GOOD[kind], changes) == want


SELECTED = {"matchLabels": {"app": "db"}}
CLAIMED = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
SIZE = "spec/resources/requests/storage"
FIXED = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
STATEFUL = "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
MANUAL = {"spec/manualSelector": True, "spec/selector": SELECTED, "spec/template/metadata": {"labels": {"app": "db"}}}
UNSELECTED = {key: value for key, value in MANUAL.items() if key != "spec/selector"}

UPDATES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("ReplicationController", {}, {"spec/selector": {"app": "db"}, "spec/template/metadata/labels": {"app": "db"}}, []),
    ("ResourceQuota", {}, {"spec/scopes": ["NotBestEffort"], "spec/hard": {"cpu": "3"}}, ['spec.scopes: Invalid value: []core.ResourceQuotaScope{"NotBestEffort"}: field is immutable']),
    ("ResourceQuota", {}, {"spec/hard": {"cpu": "3"}}, []),
    ("PersistentVolume", {}, {"spec/hostPath/path": "/other"}, ["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"]),
    ("PersistentVolume", {}, {"spec/volumeMode": "Block"}, ['volumeMode: Invalid value: "Block": field is immutable']),
    ("PersistentVolume", {}, {"spec/capacity/storage": "2Gi", "spec/claimRef": {"name": "a"}}, []),
    ("PersistentVolumeClaim", {}, {SIZE: "2Gi"}, [FIXED]),
    ("PersistentVolumeClaim", CLAIMED, {SIZE: "2Gi"}, []),
    ("PersistentVolumeClaim", CLAIMED, {SIZE: "1Mi"}, ["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]),
    ("PersistentVolumeClaim", {}, {"spec/volumeName": "pv-1"}, []),
    ("PersistentVolumeClaim", {"spec/volumeName": "pv-1"}, {"spec/volumeName": "pv-2"}, [FIXED]),
    ("PersistentVolumeClaim", {}, {"spec/storageClassName": "fast"}, []),
    ("PersistentVolumeClaim", {"spec/storageClassName": "fast"}, {"spec/storageClassName": "slow"}, [FIXED]),
    ("StatefulSet", {}, {"spec/replicas": 3, "spec/template/spec/containers/0/image": "web:2", "spec/minReadySeconds": 5}, []),
    ("StatefulSet", {}, {"spec/serviceName": "other"}, [STATEFUL]),
    ("StatefulSet", {}, {"spec/volumeClaimTemplates/0/spec/resources/requests/storage": "2Gi"}, [STATEFUL]),
    ("StatefulSet", {}, {"spec/revisionHistoryLimit": 3}, [STATEFUL]),
    ("StatefulSet", {}, {"spec/replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    ("DaemonSet", {}, {"spec/selector": SELECTED, "spec/template/metadata/labels": {"app": "db"}}, [f"spec.selector: Invalid value: {BAD_SELECTOR}: field is immutable"]),
    ("ControllerRevision", {}, {"revision": 4}, []),
    ("ControllerRevision", {}, {"data/spec/a": 2}, ["data: Invalid value: {\"spec\":{\"a\":2}}: field is immutable"]),
    ("Job", MANUAL, MANUAL | {"spec/parallelism": 3, "spec/completions": 1, "spec/suspend": True, "spec/backoffLimit": 1}, []),
    ("Job", MANUAL, MANUAL | {"spec/completions": 3, "spec/parallelism": 1}, ["spec.completions: Invalid value: 3: field is immutable"]),
    ("Job", MANUAL | INDEXED, MANUAL | INDEXED | {"spec/completions": 6, "spec/parallelism": 6}, []),
    ("Job", MANUAL | INDEXED, MANUAL | INDEXED | {"spec/completions": 6, "spec/parallelism": 5}, ["spec.completions: Invalid value: 6: can only be modified in tandem with spec.parallelism"]),
    ("Job", MANUAL, UNSELECTED, [
        "spec.selector: Required value",
        'spec.template.metadata.labels: Invalid value: map[string]string{"app":"db"}: `selector` does not match template `labels`',
        'spec.selector: Invalid value: "null": field is immutable',
    ]),
    ("Job", MANUAL, MANUAL | {"spec/managedBy": "acme.io/foo"}, ['spec.managedBy: Invalid value: "acme.io/foo": field is immutable']),
    ("Job", MANUAL | {"spec/suspend": True}, MANUAL | {"spec/template/spec/nodeSelector": {"a": "b"}}, []),
    ("CronJob", {"spec/schedule": "TZ=UTC 0 * * * *"}, {"spec/schedule": "TZ=UTC 5 * * * *"}, []),
    ("CronJob", {"spec/schedule": "TZ=UTC 0 * * * *"}, {"spec/schedule": "TZ=UTC 5 * * * *", "spec/timeZone": "Etc/UTC"}, ['spec.schedule: Invalid value: "TZ=UTC 5 * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule']),
    ("PodDisruptionBudget", {}, {"spec/minAvailable": 2}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "before", "after", "want"), UPDATES, ids=[f"{row[0]}: {''.join(row[3])[:50]}" for row in UPDATES]
)
def test_an_update_may_change_only_what_may_change(
    kind: str, before: dict[str, Any], after: dict[str, Any], want: list[str]
) -> None:
    """Immutable fields, and those that may change."""
    assert judging.updated(kind, GOOD[kind], before, after) == want


def test_a_job_that_runs_keeps_its_template() -> None:
    """The field is named; its value is shown as JSON."""
    after = MANUAL | {"spec/template/spec/nodeSelector": {"a": "b"}}

    (found,) = judging.updated("Job", JOB, MANUAL, after)

    assert found.startswith("spec.template: Invalid value: {")
    assert found.endswith("}: field is immutable")


def done(*kinds: str) -> list[dict[str, str]]:
    """Return conditions that are True."""
    return [{"type": kind, "status": "True"} for kind in kinds]


TIMES = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z"}
COMPLETE = {"conditions": done("SuccessCriteriaMet", "Complete"), "succeeded": 1, **TIMES}

STATUSES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("ReplicationController", {}, {"replicas": 1, "readyReplicas": 2}, ["status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"]),
    ("ResourceQuota", {}, {"used": {"pods": "-1"}}, ['status.used[pods]: Invalid value: "-1": must be greater than or equal to 0']),
    ("StatefulSet", {}, {"replicas": 2, "availableReplicas": 2, "readyReplicas": 1}, ["status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas"]),
    ("Deployment", {}, {"replicas": 2, "availableReplicas": 3, "unavailableReplicas": -1, "observedGeneration": -1}, [
        "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0",
        "status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas",
    ]),
    ("StatefulSet", {"collisionCount": 2}, {"collisionCount": 1}, ["status.collisionCount: Invalid value: 1: cannot be decremented"]),
    ("DaemonSet", {}, {"numberReady": -1}, ["status.numberReady: Invalid value: -1: must be greater than or equal to 0"]),
    ("Job", {}, {"active": 1}, []),
    ("Job", {"ready": 2, "active": 1}, {"ready": 2, "active": 1, "failed": 1}, []),
    ("Job", {}, {"conditions": done("Complete", "Failed")}, [
        "status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions",
        "status.completionTime: Required value: completionTime is required for Complete jobs",
        "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition",
        "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        "status.startTime: Required value: startTime is required for finished job",
    ]),
    ("Job", {}, TIMES, ["status.completionTime: Invalid value: 2026-01-01 00:01:00 +0000 UTC: cannot set completionTime when there is no Complete=True condition"]),
    ("Job", {"startTime": TIMES["startTime"]}, {"startTime": TIMES["completionTime"]}, ["status.startTime: Required value: startTime cannot be removed for unsuspended job"]),
    ("Job", COMPLETE, COMPLETE | {"terminating": 1}, ["status.terminating: Invalid value: 1: terminating>0 is invalid for finished job"]),
    ("Job", {"succeeded": 2}, {"succeeded": 1}, ["status.succeeded: Invalid value: 1: cannot decrease the succeeded counter"]),
    ("Job", {}, COMPLETE, []),
    ("Job", {}, COMPLETE | {"active": 1}, ["status.active: Invalid value: 1: active>0 is invalid for finished job"]),
    ("Job", {}, {"conditions": done("Complete"), **TIMES}, ["status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"]),
    ("Job", {}, {"conditions": done("SuccessCriteriaMet", "Complete"), "startTime": TIMES["startTime"]}, ["status.completionTime: Required value: completionTime is required for Complete jobs"]),
    ("Job", COMPLETE, COMPLETE | {"conditions": done("SuccessCriteriaMet"), "completionTime": None}, ["status.conditions: Invalid value: cannot disable the terminal Complete=True condition"]),
    ("Job", {"failed": 2}, {"failed": 1}, ["status.failed: Invalid value: 1: cannot decrease the failed counter"]),
    ("Job", {}, {"ready": 2, "active": 1}, ["status.ready: Invalid value: 2: cannot set more ready pods than active"]),
    ("Job", {}, {"completedIndexes": "0"}, ['status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode']),
    ("HorizontalPodAutoscaler", {}, {"currentReplicas": -1, "desiredReplicas": 0}, ["status.currentReplicas: Invalid value: -1: must be greater than or equal to 0"]),
    ("PodDisruptionBudget", {}, {"disruptionsAllowed": -1, "conditions": [{"type": "a b", "status": "Perhaps", "reason": "_"}, {"type": "a b"}]}, [
        f'status.conditions[0].type: Invalid value: "a b": {QUALIFIED}',
        'status.conditions[0].status: Unsupported value: "Perhaps": supported values: "False", "True", "Unknown"',
        "status.conditions[0].lastTransitionTime: Required value: must be set",
        f'status.conditions[0].reason: Invalid value: "_": {REASON}',
        'status.conditions[1].type: Duplicate value: "a b"',
        f'status.conditions[1].type: Invalid value: "a b": {QUALIFIED}',
        'status.conditions[1].status: Unsupported value: "": supported values: "False", "True", "Unknown"',
        "status.conditions[1].lastTransitionTime: Required value: must be set",
        "status.conditions[1].reason: Required value: must be set",
        "status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0",
    ]),
    ("PodDisruptionBudget", {}, {"disruptionsAllowed": -1}, ["status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "before", "after", "want"), STATUSES, ids=[f"{row[0]}: {''.join(row[3])[:50]}" for row in STATUSES]
)
def test_a_status_is_judged(kind: str, before: dict[str, Any], after: dict[str, Any], want: list[str]) -> None:
    """Counts, conditions that exclude each other, what never goes back."""
    assert judging.status_updated(kind, GOOD[kind], before, after) == want


def test_an_elastic_job_that_is_scaled_down_takes_successes_back() -> None:
    """An indexed one whose parallelism is its completions."""
    elastic = JOB.replace("spec: {", "spec: {completionMode: Indexed, completions: 2, parallelism: 2, ", 1)

    assert judging.status_updated("Job", elastic, {"succeeded": 2}, {"succeeded": 1}) == []


def has_status(kind: str) -> bool:
    """Say whether a kind has a status."""
    return "status" in judging.STRATEGIES[kind].message.DESCRIPTOR.fields_by_name


@pytest.mark.parametrize("kind", [kind for kind in GOOD if has_status(kind)])
def test_an_update_leaves_the_status_and_a_status_update_the_spec(kind: str) -> None:
    """Neither can be smuggled in with the other."""
    strategy = judging.STRATEGIES[kind]
    old = judging.prepared(kind, GOOD[kind])
    new = judging.prepared(kind, GOOD[kind])
    new.status.Clear()
    new.status.SetInParent()
    strategy.prepare_for_update(new, old)
    assert new.status == old.status

    new.spec.Clear()
    strategy.prepare_for_status_update(new, old)
    assert new.spec == old.spec


def test_a_new_jobs_pods_are_labelled_and_selected_by_its_uid() -> None:
    """The labels of both names, old and new; a selector of the uid alone."""
    job = judging.prepared("Job", JOB)

    assert dict(job.spec.selector.matchLabels) == {"batch.kubernetes.io/controller-uid": "u-1"}
    assert dict(job.spec.template.metadata.labels) == {
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "web",
        "controller-uid": "u-1",
        "job-name": "web",
    }
    spec = job.spec
    assert (spec.parallelism, spec.completions, spec.backoffLimit, spec.completionMode) == (1, 1, 6, "NonIndexed")
    assert (spec.suspend, spec.manualSelector, spec.podReplacementPolicy) == (False, False, "TerminatingOrFailed")


def test_a_volumes_phase_is_stamped_when_it_changes() -> None:
    """By the server, unless whoever writes the status has stamped it."""
    strategy = judging.STRATEGIES["PersistentVolume"]
    old = judging.prepared("PersistentVolume", GOOD["PersistentVolume"])
    old.status.lastPhaseTransitionTime.seconds = 5
    new = judging.prepared("PersistentVolume", GOOD["PersistentVolume"])
    new.status.lastPhaseTransitionTime.seconds = 5
    new.status.phase = "Bound"

    strategy.prepare_for_status_update(new, old)

    assert new.status.lastPhaseTransitionTime.seconds == judging.NOW
