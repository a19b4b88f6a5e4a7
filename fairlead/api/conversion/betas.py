"""PodDisruptionBudgets of policy/v1beta1 and EndpointSlices of discovery/v1beta1, which mean other than v1. Pure."""

from __future__ import annotations

from fairlead.api.conversion import renaming
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import discovery_v1beta1_pb2 as discoveryv1beta1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.api.pb import policy_v1beta1_pb2 as policyv1beta1

# An empty selector selects every pod in v1 and none in v1beta1; this key says which of the two is meant.
EMPTY_MATCH = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"


def _selector(operator: str) -> metav1.LabelSelector:
    return metav1.LabelSelector(matchExpressions=[{"key": EMPTY_MATCH, "operator": operator}])


_V1_NONE = _selector("Exists")
_V1BETA1_ALL = _selector("DoesNotExist")
_EMPTY = metav1.LabelSelector()


def budget_to_hub(obj: policyv1beta1.PodDisruptionBudget) -> policyv1.PodDisruptionBudget:
    """Return a budget as v1 has it: an empty selector becomes one that selects nothing."""
    hub = renaming.rewired(obj, policyv1.PodDisruptionBudget)
    if not hub.spec.HasField("selector"):
        return hub
    selector = hub.spec.selector
    if selector == _EMPTY:
        selector.CopyFrom(_V1_NONE)
    elif selector == _V1BETA1_ALL:
        selector.CopyFrom(_EMPTY)
    else:
        others = [one for one in selector.matchExpressions if one.key != EMPTY_MATCH]
        if len(others) != len(selector.matchExpressions):
            fresh = metav1.LabelSelector(matchLabels=selector.matchLabels, matchExpressions=others)
            selector.CopyFrom(fresh)
    return hub


def budget_from_hub(obj: policyv1.PodDisruptionBudget) -> policyv1beta1.PodDisruptionBudget:
    """Return a budget as v1beta1 has it."""
    made = renaming.rewired(obj, policyv1beta1.PodDisruptionBudget)
    if made.spec.HasField("selector"):
        if made.spec.selector == _V1_NONE:
            made.spec.selector.CopyFrom(_EMPTY)
        elif made.spec.selector == _EMPTY:
            made.spec.selector.CopyFrom(_V1BETA1_ALL)
    return made


def slice_to_hub(obj: discoveryv1beta1.EndpointSlice) -> discoveryv1.EndpointSlice:
    """Return a slice as v1 has it: zone and node stand in fields, the rest of the topology is deprecated."""
    hub = discoveryv1.EndpointSlice(addressType=obj.addressType)
    if obj.HasField("metadata"):
        hub.metadata.CopyFrom(obj.metadata)
    for port in obj.ports:
        hub.ports.append(renaming.rewired(port, discoveryv1.EndpointPort))
    for endpoint in obj.endpoints:
        made = hub.endpoints.add(addresses=endpoint.addresses)
        for name in ("conditions", "hostname", "targetRef", "nodeName", "hints"):
            renaming.carry(endpoint, name, made)
        topology = dict(endpoint.topology)
        if ZONE in topology:
            made.zone = topology.pop(ZONE)
        if endpoint.HasField("nodeName") and topology.get(HOSTNAME) == endpoint.nodeName:
            del topology[HOSTNAME]
        made.deprecatedTopology.update(topology)
    return hub


def slice_from_hub(obj: discoveryv1.EndpointSlice) -> discoveryv1beta1.EndpointSlice:
    """Return a slice as v1beta1 has it: zone and node are labels of the topology."""
    made = discoveryv1beta1.EndpointSlice(addressType=obj.addressType)
    if obj.HasField("metadata"):
        made.metadata.CopyFrom(obj.metadata)
    for port in obj.ports:
        made.ports.append(renaming.rewired(port, discoveryv1beta1.EndpointPort))
    for endpoint in obj.endpoints:
        old = made.endpoints.add(addresses=endpoint.addresses)
        for name in ("conditions", "hostname", "targetRef", "nodeName", "hints"):
            renaming.carry(endpoint, name, old)
        old.topology.update(endpoint.deprecatedTopology)
        if endpoint.HasField("zone"):
            old.topology[ZONE] = endpoint.zone
        if endpoint.HasField("nodeName") and HOSTNAME not in old.topology:
            old.topology[HOSTNAME] = endpoint.nodeName
    return made
