"""The gate before the gRPC edge."""

from __future__ import annotations

import grpc
import pytest

from control import pki
from control.apiserver import authn, authz, relay
from control.gateway import cluster, identity, listening
from control.gateway.fairness import gate as gates
from fairlead.api.pb import cluster_pb2, cluster_pb2_grpc
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.client import channel, rpcerrors
from fairlead.testing import control

RBAC = "rbac.authorization.k8s.io"


def _resource(name: str) -> cluster_pb2.Resource:
    return cluster_pb2.Resource(version="v1", resource=name)


async def test_a_flood_is_turned_away_while_others_are_served() -> None:
    """RESOURCE_EXHAUSTED with Kubernetes' Status; administrators are exempt, and a watch that runs has no seat."""
    authority = pki.create_authority("test")
    certificate, key = authority.issue(pki.Subject("control", hosts=("kubernetes",), server=True))
    tls = listening.credentials(certificate, key, authority.pem, require_client=True)
    granted = rbacv1.ClusterRoleBinding()
    granted.metadata.name = "all"
    granted.roleRef.apiGroup, granted.roleRef.kind, granted.roleRef.name = RBAC, "ClusterRole", "cluster-admin"
    granted.subjects.add(kind="User", name="alice", apiGroup=RBAC)
    asked = authz.Attributes(authn.user("alice"), "list", "", "pods", "", "default")
    pods = cluster_pb2.ListRequest(resource=_resource("pods"), namespace="default")

    def connect(name: str, *groups: str) -> grpc.aio.Channel:
        pair = authority.issue(pki.Subject(name, groups, client=True))
        return channel.connect([f"127.0.0.1:{served.port}"], authority.pem, *pair)

    async with control.memory_api() as api:
        await api.as_user(*control.ADMIN).create(granted)
        await api.as_user(*control.ADMIN).delete(flowcontrolv1.FlowSchema, "global-default")
        await api.cache.fresh()
        gate = gates.Gate(api.cache, seats=1)
        service = cluster.ClusterService(api, relay.NoRelay(), identity.Identifier(), gate)
        served = await listening.serve("127.0.0.1:0", [listening.cluster(service)], tls)
        async with connect("alice") as alice, connect("root", "system:masters") as root:
            stub = cluster_pb2_grpc.ClusterStub(alice)
            watch = stub.Watch(cluster_pb2.WatchRequest(resource=_resource("namespaces")))
            begun = await watch.read()
            held = await gate.enter(asked)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.List(pods, timeout=5)
            exempt = await cluster_pb2_grpc.ClusterStub(root).List(pods, timeout=5)
            held.leave()
            again = await stub.List(pods, timeout=5)
            watch.cancel()
        await served.stop(0)

    assert len(begun.events) == 4
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    error = rpcerrors.from_error(caught.value)
    assert (error.code, error.message, error.retry_after_seconds) == (429, gates.TOO_MANY, 1)
    assert exempt.resource_version == again.resource_version
