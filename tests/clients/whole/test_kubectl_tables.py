"""The tables that people look at: columns and cells of each kind, wide, as kubectl prints them."""

from __future__ import annotations

import itertools
import re

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import EVERY_KIND

# Title and rows of each kind: cells as texts or patterns; those that are empty do not show.
TABLES = r"""
NAME|TYPE|CLUSTER-IP|EXTERNAL-IP|PORT(S)|AGE|SELECTOR
service/kubernetes|ClusterIP|10\.96\.0\.1|<none>|443/TCP|AGE|<none>
service/web|NodePort|10\.\S+|<none>|80:30011/TCP|AGE|app=web
NAME|READY|UP-TO-DATE|AVAILABLE|AGE|CONTAINERS|IMAGES|SELECTOR
deployment.apps/web|2/2|2|2|AGE|web|web:1|app=web
NAME|READY|AGE|CONTAINERS|IMAGES
statefulset.apps/db|0/0|AGE|db|db:1
NAME|DESIRED|CURRENT|READY|UP-TO-DATE|AVAILABLE|NODE SELECTOR|AGE|CONTAINERS|IMAGES|SELECTOR
daemonset.apps/agent|0|0|0|0|0|disk=none|AGE|agent|agent:1|app=agent
NAME|DESIRED|CURRENT|READY|AGE|CONTAINERS|IMAGES|SELECTOR
replicationcontroller/old|0|0|0|AGE|old|old:1|app=old
NAME|DESIRED|CURRENT|READY|AGE|CONTAINERS|IMAGES|SELECTOR
replicaset.apps/web-\w+|2|2|2|AGE|web|web:1|app=web,pod-template-hash=\w+
NAME|READY|STATUS|RESTARTS|AGE|IP|NODE|NOMINATED NODE|READINESS GATES
pod/web-\w+-\w+|1/1|Running|0|AGE|\S+|node-[12]|<none>|<none>
pod/web-\w+-\w+|1/1|Running|0|AGE|\S+|node-[12]|<none>|<none>
NAME|STATUS|COMPLETIONS|DURATION|AGE|CONTAINERS|IMAGES|SELECTOR
job.batch/once|\w+|0/1|AGE|once|once:1|batch.kubernetes.io/controller-uid=\S+
NAME|SCHEDULE|TIMEZONE|SUSPEND|ACTIVE|LAST SCHEDULE|AGE|CONTAINERS|IMAGES|SELECTOR
cronjob.batch/often|0 0 1 1 \*|<none>|False|0|<none>|AGE|often|often:1|<none>
NAME|REFERENCE|TARGETS|MINPODS|MAXPODS|REPLICAS|AGE
horizontalpodautoscaler.autoscaling/web|Deployment/web|cpu: \S+/50%|2|3|[02]|AGE
NAME|MIN AVAILABLE|MAX UNAVAILABLE|ALLOWED DISRUPTIONS|AGE
poddisruptionbudget.policy/web|1|N/A|1|AGE
NAME|CONTROLLER|PARAMETERS|AGE
ingressclass.networking.k8s.io/front|example.com/front|<none>|AGE
NAME|CLASS|HOSTS|ADDRESS|PORTS|AGE
ingress.networking.k8s.io/web|front|web.example|80|AGE
NAME|POD-SELECTOR|AGE
networkpolicy.networking.k8s.io/web|app=web|AGE
NAME|PROVISIONER|RECLAIMPOLICY|VOLUMEBINDINGMODE|ALLOWVOLUMEEXPANSION|AGE
storageclass.storage.k8s.io/slow|example.com/slow|Delete|Immediate|false|AGE
NAME|CAPACITY|ACCESS MODES|RECLAIM POLICY|STATUS|CLAIM|STORAGECLASS|VOLUMEATTRIBUTESCLASS|REASON|AGE|VOLUMEMODE
persistentvolume/disk|1Gi|RWO|Retain|\w+|slow|<unset>|AGE|Filesystem
NAME|STATUS|VOLUME|CAPACITY|ACCESS MODES|STORAGECLASS|VOLUMEATTRIBUTESCLASS|AGE|VOLUMEMODE
persistentvolumeclaim/data|Pending|fast|<unset>|AGE|Filesystem
NAME|DATA|AGE
configmap/kube-root-ca.crt|1|AGE
configmap/one|1|AGE
NAME|SECRETS|AGE
serviceaccount/default|1|AGE
serviceaccount/robot|1|AGE
NAME|REQUEST|LIMIT|AGE
resourcequota/few|pods: 2/20|AGE
NAME|CREATED AT
limitrange/small|TIME
NAME|ENDPOINTS|AGE
endpoints/outside|192.0.2.1:80|AGE
endpoints/web|\S+|AGE
NAME|ADDRESSTYPE|PORTS|ENDPOINTS|AGE
endpointslice.discovery.k8s.io/outside|IPv4|80|192.0.2.1|AGE
endpointslice.discovery.k8s.io/web-\w+|IPv4|\S+|\S+|AGE
NAME|CONTAINERS|IMAGES|POD LABELS
podtemplate/shape|shape|shape:1|app=shape
NAME|HANDLER|AGE
runtimeclass.node.k8s.io/fast|crun|AGE
NAME|CREATED AT
role.rbac.authorization.k8s.io/reader|TIME
NAME|ROLE|AGE|USERS|GROUPS|SERVICEACCOUNTS
rolebinding.rbac.authorization.k8s.io/readers|Role/reader|AGE|ada
NAME|HOLDER|AGE
lease.coordination.k8s.io/turn|me|AGE
NAME|ATTACHREQUIRED|PODINFOONMOUNT|STORAGECAPACITY|TOKENREQUESTS|REQUIRESREPUBLISH|MODES|AGE
csidriver.storage.k8s.io/csi.example.com|true|false|false|<unset>|false|Persistent|AGE
NAME|DRIVERS|AGE
csinode.storage.k8s.io/node-1|1|AGE
NAME|ATTACHER|PV|NODE|ATTACHED|AGE
volumeattachment.storage.k8s.io/attached|csi.example.com|disk|node-1|false|AGE
NAME|WEBHOOKS|AGE
validatingwebhookconfiguration.admissionregistration.k8s.io/judges|0|AGE
NAME|STATUS|AGE
namespace/default|Active|AGE
namespace/kube-node-lease|Active|AGE
namespace/kube-public|Active|AGE
namespace/kube-system|Active|AGE
NAME|STATUS|MESSAGE|ERROR
componentstatus/etcd-0|Healthy|ok
NAME|STATUS|ROLES|AGE|VERSION|INTERNAL-IP|EXTERNAL-IP|OS-IMAGE|KERNEL-VERSION|CONTAINER-RUNTIME
node/node-1|Ready|<none>|AGE|v1\.32\.\S+|127.0.0.1|<none>|\S+|\S+|memory://\S+
node/node-2|Ready|<none>|AGE|v1\.32\.\S+|127.0.0.1|<none>|\S+|\S+|memory://\S+
""".strip().splitlines()
KINDS = (
    "svc,deploy,sts,ds,rc,rs,pods,job,cronjob,hpa,pdb,ingressclass,ingress,netpol,sc,pv,pvc,cm,sa,quota,limits,ep,"
    "endpointslices,podtemplates,runtimeclass,role,rolebinding,lease,csidriver,csinode,volumeattachment,"
    "validatingwebhookconfigurations,namespaces,componentstatuses,nodes"
)


PATTERNS = {"AGE": r"(\d+[hms])+", "TIME": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}


def says(cells: list[str], wanted: str) -> bool:
    """Say whether a row's cells are those of a line above."""
    patterns = wanted.split("|")
    return len(cells) == len(patterns) and all(
        cell == pattern or re.fullmatch(PATTERNS.get(pattern, pattern), cell)
        for cell, pattern in zip(cells, patterns, strict=True)
    )


def test_each_kind_has_its_columns(kubectl: Kubectl) -> None:
    """Rows as kubectl's users know them."""
    kubectl("create", "-f", str(EVERY_KIND))
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")

    rows = [row for row in kubectl.rows("get", KINDS, "-o", "wide") if row != [""]]

    assert [
        "|".join(row) if wanted is None or not says(row, wanted) else wanted
        for row, wanted in itertools.zip_longest(rows, TABLES, fillvalue=None)
        if row is not None
    ] == TABLES


def test_flow_schemas_say_whether_their_level_is_missing(kubectl: Kubectl) -> None:
    """The last column, and what `wait` waits for."""
    kubectl("wait", "--for=condition=Dangling=False", "flowschema", "--all", "--timeout=30s")

    rows = kubectl.rows("get", "flowschemas")

    assert rows[0] == ["NAME", "PRIORITYLEVEL", "MATCHINGPRECEDENCE", "DISTINGUISHERMETHOD", "AGE", "MISSINGPL"]
    assert {row[-1] for row in rows[1:]} == {"False"}


def test_who_asks_for_component_statuses_is_warned(kubectl: Kubectl) -> None:
    """As every kube-apiserver since 1.19 warns."""
    done = kubectl.run("get", "cs")

    assert (done.returncode, done.stderr) == (0, "Warning: v1 ComponentStatus is deprecated in v1.19+\n")
