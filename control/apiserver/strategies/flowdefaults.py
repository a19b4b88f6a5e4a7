"""The flow schemas and priority levels that every cluster has from the start. Pure.

`bootstrap` makes and keeps them; the strategies hold the mandatory ones to what stands here. Source: Kubernetes'
documentation, "API Priority and Fairness", defaults.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from fairlead.api import codec, objects
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1

EXEMPT = "exempt"
CATCH_ALL = "catch-all"
MANDATORY = (EXEMPT, CATCH_ALL)
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"

Json = dict[str, object]
Flow = TypeVar("Flow", flowcontrolv1.FlowSchema, flowcontrolv1.PriorityLevelConfiguration)
# What Go takes for a truth value.
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}

_EVERY: Json = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}
_WRITES = ["get", "create", "update"]


def _resources(verbs: list[str], group: str, *resources: str, cluster: bool = False) -> Json:
    rule: Json = {"verbs": verbs, "apiGroups": [group], "resources": list(resources), "namespaces": ["*"]}
    return {**rule, "clusterScope": True} if cluster else rule


_LEADING: Json = {"resourceRules": [_resources(_WRITES, "coordination.k8s.io", "leases")]}
_NODE_NEWS: Json = {
    "resourceRules": [
        _resources(["*"], "", "nodes", "nodes/status", cluster=True),
        _resources(["*"], "coordination.k8s.io", "leases"),
    ]
}
_PROBES: Json = {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]}
_ENDPOINTS: Json = {"resourceRules": [_resources(_WRITES, "", "endpoints")]}


def _groups(*names: str) -> list[Json]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Json]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _accounts(*names: str) -> list[Json]:
    return [
        {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}} for name in names
    ]


_EVERYBODY = _groups("system:unauthenticated", "system:authenticated")
_MANAGER, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"

# name, priority level, precedence, what tells flows apart, whose requests, which requests
_SCHEMAS: tuple[tuple[str, str, int, str, list[Json], Json], ...] = (
    (EXEMPT, EXEMPT, 1, "", _groups("system:masters"), _EVERY),
    (CATCH_ALL, CATCH_ALL, 10000, "ByUser", _EVERYBODY, _EVERY),
    ("probes", EXEMPT, 2, "", _EVERYBODY, _PROBES),
    ("system-leader-election", "leader-election", 100, "ByUser",
     [*_users(_MANAGER, _SCHEDULER), *_accounts("*")], _LEADING),
    ("endpoint-controller", "workload-high", 150, "ByUser",
     [*_users(_MANAGER), *_accounts("endpoint-controller", "endpointslicemirroring-controller")], _ENDPOINTS),
    ("workload-leader-election", "leader-election", 200, "ByUser", _accounts("*"), _LEADING),
    ("system-node-high", "node-high", 400, "ByUser", _groups("system:nodes"), _NODE_NEWS),
    ("system-nodes", "system", 500, "ByUser", _groups("system:nodes"), _EVERY),
    ("kube-controller-manager", "workload-high", 800, "ByNamespace", _users(_MANAGER), _EVERY),
    ("kube-scheduler", "workload-high", 800, "ByNamespace", _users(_SCHEDULER), _EVERY),
    ("kube-system-service-accounts", "workload-high", 900, "ByNamespace", _accounts("*"), _EVERY),
    ("service-accounts", "workload-low", 9000, "ByUser", _groups("system:serviceaccounts"), _EVERY),
    ("global-default", "global-default", 9900, "ByUser", _EVERYBODY, _EVERY),
)  # fmt: skip
# name, shares, percent that may be lent, queues, hand size
_LEVELS: tuple[tuple[str, int, int, int, int], ...] = (
    ("system", 30, 33, 64, 6),
    ("node-high", 40, 25, 64, 6),
    ("leader-election", 10, 0, 16, 4),
    ("workload-high", 40, 50, 128, 6),
    ("workload-low", 100, 90, 128, 6),
    ("global-default", 20, 50, 128, 6),
)
_QUEUE_LENGTH = 50
_CATCH_ALL_SHARES = 5


def schemas() -> Sequence[flowcontrolv1.FlowSchema]:
    """Return the flow schemas, mandatory ones first."""
    made = []
    for name, level, precedence, method, subjects, rules in _SCHEMAS:
        spec: Json = {
            "priorityLevelConfiguration": {"name": level},
            "matchingPrecedence": precedence,
            "rules": [{"subjects": subjects, **rules}],
        }
        if method:
            spec["distinguisherMethod"] = {"type": method}
        made.append(codec.from_json({"metadata": _metadata(name), "spec": spec}, flowcontrolv1.FlowSchema))
    return made


def levels() -> Sequence[flowcontrolv1.PriorityLevelConfiguration]:
    """Return the priority levels, mandatory ones first."""
    specs: dict[str, Json] = {
        EXEMPT: {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
        CATCH_ALL: _limited(_CATCH_ALL_SHARES, 0, {"type": "Reject"}),
    }
    for name, shares, lendable, queues, hand in _LEVELS:
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": _QUEUE_LENGTH}
        specs[name] = _limited(shares, lendable, {"type": "Queue", "queuing": queuing})
    return [
        codec.from_json({"metadata": _metadata(name), "spec": spec}, flowcontrolv1.PriorityLevelConfiguration)
        for name, spec in specs.items()
    ]


def revised(current: Flow, wanted: Flow) -> Flow | None:
    """Return what a built-in object becomes that may have been changed; None where it stays as it is.

    A mandatory one is always as it is built in. The others follow as long as their annotation says so or, without a
    word of it, nobody has changed them; then the annotation says that from now on.
    """
    name, annotations = current.metadata.name, current.metadata.annotations
    said = _BOOLEANS.get(annotations.get(AUTO_UPDATE, ""))
    follows = name in MANDATORY or (current.metadata.generation == 1 if said is None else said)
    changed = objects.copy(current)
    if said is not follows:
        changed.metadata.annotations[AUTO_UPDATE] = str(follows).lower()
    if follows:
        changed.spec.CopyFrom(wanted.spec)
        if name == EXEMPT and isinstance(current, flowcontrolv1.PriorityLevelConfiguration):
            changed.spec.exempt.CopyFrom(current.spec.exempt)  # what its level lends is the cluster's to say
    return None if changed == current or codec.to_json(changed) == codec.to_json(current) else changed


def is_left_over(current: Flow, built_in: Collection[str]) -> bool:
    """Say whether an object was built in once: it follows what is built in, and that has it no longer."""
    return current.metadata.name not in built_in and bool(
        _BOOLEANS.get(current.metadata.annotations.get(AUTO_UPDATE, ""))
    )


def _limited(shares: int, lendable: int, response: Json) -> Json:
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return {"type": "Limited", "limited": limited}


def _metadata(name: str) -> Json:
    return {"name": name, "annotations": {AUTO_UPDATE: "true"}}
