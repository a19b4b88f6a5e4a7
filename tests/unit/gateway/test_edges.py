"""What the gRPC edge adds: TLS identities, bearer tokens, joining, error details, reflection, health."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from control import pki
from control.apiserver import authn, relay
from control.apiserver.server import ApiServer
from control.gateway import bootstrap, calls, cluster, identity, listening
from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1
from fairlead.api.pb import cluster_pb2, cluster_pb2_grpc
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client import channel, kubeconfig
from fairlead.client import grpc as clients
from fairlead.testing import control
from tests.support import hooks
from tests.unit.apiserver.admission import test_webhooks

TOKEN = "abcdef.0123456789abcdef"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server with a bootstrap token."""
    async with control.memory_api() as made:
        secret = corev1.Secret(type=authn.TOKEN_SECRET_TYPE)
        secret.metadata.name, secret.metadata.namespace = "bootstrap-token-abcdef", "kube-system"
        secret.data.update(
            {"token-id": b"abcdef", "token-secret": b"0123456789abcdef", "usage-bootstrap-authentication": b"true"}
        )
        await made.as_user(*control.ADMIN).create(secret)
        yield made


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    """The cluster's authority."""
    return pki.create_authority("test")


class Ports:
    """The two ports of a control process."""

    def __init__(self, mutual: int, open_to_all: int, authority: pki.Authority) -> None:
        self.mutual = f"127.0.0.1:{mutual}"
        self.open_to_all = f"127.0.0.1:{open_to_all}"
        self.authority = authority

    def connect(self, endpoint: str, name: str = "", *groups: str) -> grpc.aio.Channel:
        """Return a channel, with a certificate for a name if one is given."""
        if not name:
            return channel.connect([endpoint], self.authority.pem)
        pem, key = self.authority.issue(pki.Subject(name, groups, client=True))
        return channel.connect([endpoint], self.authority.pem, pem, key)


@pytest.fixture
async def ports(api: ApiServer, authority: pki.Authority) -> AsyncIterator[Ports]:
    """The API on both ports, as a control process has them."""
    admin = api.as_user(*control.ADMIN)

    async def secret(name: str) -> corev1.Secret | None:
        try:
            return await admin.get(corev1.Secret, name, "kube-system")
        except errors.NotFound:
            return None

    tokens = authn.TokenAuthenticator(secret, lambda: NOW)
    certificate, key = authority.issue(pki.Subject("control", hosts=("kubernetes",), server=True))
    joining = bootstrap.BootstrapService(tokens, authority, lambda: ["10.0.0.1:7443"], pki.PkiError)
    mutual = await listening.serve(
        "127.0.0.1:0",
        [listening.cluster(cluster.ClusterService(api, relay.NoRelay(), identity.Identifier()))],
        listening.credentials(certificate, key, authority.pem, require_client=True),
    )
    open_to_all = await listening.serve(
        "127.0.0.1:0",
        [
            listening.cluster(cluster.ClusterService(api, relay.NoRelay(), identity.Identifier(tokens))),
            listening.bootstrap(joining),
        ],
        listening.credentials(certificate, key, authority.pem, require_client=False),
    )
    yield Ports(mutual.port, open_to_all.port, authority)
    await mutual.stop(0)
    await open_to_all.stop(0)


def pods() -> cluster_pb2.ListRequest:
    """A list of the pods of `default`."""
    return cluster_pb2.ListRequest(resource=cluster_pb2.Resource(version="v1", resource="pods"), namespace="default")


async def failure(call: Any) -> grpc.aio.AioRpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_without_a_certificate_the_mutual_port_answers_nobody(ports: Ports) -> None:
    """The handshake fails; not even reflection is reached."""
    async with ports.connect(ports.mutual) as made:
        error = await failure(cluster_pb2_grpc.ClusterStub(made).Create(cluster_pb2.CreateRequest(), timeout=5))

    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_another_authority_is_refused(ports: Ports) -> None:
    """Its bearer may be anybody."""
    pem, key = pki.create_authority("other").issue(pki.Subject("admin", ("system:masters",), client=True))
    async with channel.connect([ports.mutual], ports.authority.pem, pem, key) as made:
        error = await failure(cluster_pb2_grpc.ClusterStub(made).Create(cluster_pb2.CreateRequest(), timeout=5))

    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_groups_are_the_organisations_of_the_certificate(ports: Ports) -> None:
    """A master lists, a stranger does not."""
    async with ports.connect(ports.mutual, "jane", "staff", "system:masters") as made:
        answer = await cluster_pb2_grpc.ClusterStub(made).List(pods())
    async with ports.connect(ports.mutual, "joe", "staff") as made:
        error = await failure(cluster_pb2_grpc.ClusterStub(made).List(pods()))

    assert list(answer.items) == []
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_error_carries_kubernetes_status_in_its_details(ports: Ports) -> None:
    """google.rpc.Status with a meta.v1.Status, in the trailer that gRPC tools decode."""
    request = cluster_pb2.GetRequest(
        resource=cluster_pb2.Resource(version="v1", resource="pods"), namespace="default"
    )
    request.name = "web"
    async with ports.connect(ports.mutual, "jane", "system:masters") as made:
        error = await failure(cluster_pb2_grpc.ClusterStub(made).Get(request))

    trailers = dict(error.trailing_metadata() or ())
    carried = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])  # type: ignore[arg-type]
    status = metav1.Status()
    assert carried.details[0].Unpack(status)
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, 'pods "web" not found')
    assert (status.reason, status.code, status.details.kind, status.details.name) == ("NotFound", 404, "pods", "web")


async def test_a_resource_that_is_not_served_is_not_found(ports: Ports) -> None:
    """As in REST."""
    request = cluster_pb2.ListRequest(resource=cluster_pb2.Resource(version="v1", resource="gadgets"))
    async with ports.connect(ports.mutual, "jane", "system:masters") as made:
        error = await failure(cluster_pb2_grpc.ClusterStub(made).List(request))

    assert (error.code(), error.details()) == (
        grpc.StatusCode.NOT_FOUND,
        "the server could not find the requested resource",
    )


async def test_what_is_no_object_is_a_bad_request(ports: Ports) -> None:
    """An Any of something else, or of damaged bytes."""
    request = cluster_pb2.CreateRequest(resource=cluster_pb2.Resource(version="v1", resource="pods"))
    request.object.type_url = "type.googleapis.com/k8s.io.api.core.v1.Pod"
    request.object.value = b"\xff\xff"
    async with ports.connect(ports.mutual, "jane", "system:masters") as made:
        error = await failure(cluster_pb2_grpc.ClusterStub(made).Create(request))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_many_faults_fit_into_the_trailers(ports: Ports) -> None:
    """An object with a hundred faults is still refused as invalid."""
    pod = corev1.Pod()
    pod.metadata.name, pod.metadata.namespace = "web", "default"
    for n in range(100):
        pod.spec.containers.add(name=f"Bad_{n}")
    pem, key = ports.authority.issue(pki.Subject("jane", ("system:masters",), client=True))
    async with clients.GrpcClient(kubeconfig.Connection([ports.mutual], ports.authority.pem, pem, key)) as client:
        with pytest.raises(errors.Invalid) as caught:
            await client.create(pod)

    assert caught.value.message.startswith('Pod "web" is invalid: [spec.containers[0].name')


async def test_a_question_is_answered_at_once(ports: Ports) -> None:
    """Who one is, and what one may do: kinds without storage, as over REST."""
    pem, key = ports.authority.issue(pki.Subject("jane", ("devs",), client=True))
    review = authorizationv1.SelfSubjectAccessReview()
    review.spec.resourceAttributes.verb, review.spec.resourceAttributes.resource = "list", "pods"
    async with clients.GrpcClient(kubeconfig.Connection([ports.mutual], ports.authority.pem, pem, key)) as client:
        who = await client.create(authenticationv1.SelfSubjectReview())
        may = await client.create(review)

    assert list(who.status.userInfo.groups) == ["devs", "system:authenticated"]
    assert not may.status.allowed


async def test_the_open_port_takes_bootstrap_tokens_and_nobody_without(ports: Ports) -> None:
    """A good token is somebody, who may do nothing; a bad one is nobody."""
    async with ports.connect(ports.open_to_all) as made:
        stub = cluster_pb2_grpc.ClusterStub(made)
        without = await failure(stub.List(pods()))
        bad = await failure(stub.List(pods(), metadata=(("authorization", "Bearer abcdef.fedcba9876543210"),)))
        good = await failure(stub.List(pods(), metadata=(("authorization", f"Bearer {TOKEN}"),)))

    assert without.code() is bad.code() is grpc.StatusCode.UNAUTHENTICATED
    assert good.code() is grpc.StatusCode.PERMISSION_DENIED
    assert 'User "system:bootstrap:abcdef" cannot list resource "pods"' in (good.details() or "")


async def test_a_node_joins_with_a_token(ports: Ports) -> None:
    """It gets a certificate that the mutual port takes, the authority and the endpoints."""
    request, key = certificates.node_request("node-1")
    join = cluster_pb2.JoinRequest(token=TOKEN, node_name="node-1", csr=request)
    async with ports.connect(ports.open_to_all) as made:
        answer = await cluster_pb2_grpc.BootstrapStub(made).Join(join)
    async with channel.connect([ports.mutual], ports.authority.pem, answer.certificate, key) as made:
        error = await failure(cluster_pb2_grpc.ClusterStub(made).List(pods()))

    assert (answer.ca, list(answer.endpoints)) == (ports.authority.pem, ["10.0.0.1:7443"])
    assert 'User "system:node:node-1" cannot list resource "pods"' in (error.details() or "")


@pytest.mark.parametrize("token", ["", "abcdef.fedcba9876543210", "zzzzzz.0123456789abcdef"])
async def test_nobody_joins_without_a_good_token(ports: Ports, token: str) -> None:
    """UNAUTHENTICATED, without a reason."""
    request, _ = certificates.node_request("node-1")
    join = cluster_pb2.JoinRequest(token=token, node_name="node-1", csr=request)
    async with ports.connect(ports.open_to_all) as made:
        error = await failure(cluster_pb2_grpc.BootstrapStub(made).Join(join))

    assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "Unauthorized")


async def test_a_request_for_another_name_is_not_signed(ports: Ports) -> None:
    """The CSR must be for the node that joins."""
    request, _ = certificates.node_request("node-2")
    join = cluster_pb2.JoinRequest(token=TOKEN, node_name="node-1", csr=request)
    async with ports.connect(ports.open_to_all) as made:
        error = await failure(cluster_pb2_grpc.BootstrapStub(made).Join(join))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "must be for O=system:nodes, CN=system:node:node-1" in (error.details() or "")


async def test_joining_is_not_offered_on_the_mutual_port(ports: Ports) -> None:
    """UNIMPLEMENTED."""
    async with ports.connect(ports.mutual, "joe") as made:
        error = await failure(cluster_pb2_grpc.BootstrapStub(made).Join(cluster_pb2.JoinRequest()))

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_health_and_reflection_are_on(ports: Ports) -> None:
    """SERVING, and the names of the services."""
    async with ports.connect(ports.open_to_all) as made:
        health = await health_pb2_grpc.HealthStub(made).Check(health_pb2.HealthCheckRequest())
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        reflected = [
            service.name
            async for answer in reflection_pb2_grpc.ServerReflectionStub(made).ServerReflectionInfo(asked)
            for service in answer.list_services_response.service
        ]

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert {"fairlead.v1.Cluster", "fairlead.v1.Bootstrap", "grpc.health.v1.Health"} <= set(reflected)


async def test_a_taken_port_is_an_error(ports: Ports) -> None:
    """A second process does not share it silently."""
    with pytest.raises(OSError, match="cannot listen on"):
        await listening.serve(ports.mutual, [])


async def test_a_large_collection_comes_in_pages_that_fit(ports: Ports, api: ApiServer) -> None:
    """Also without a limit; together they are the whole, at one revision."""
    admin = api.as_user(*control.ADMIN)
    for n in range(12):
        large = corev1.ConfigMap()
        large.metadata.name, large.metadata.namespace = f"c{n:02}", "default"
        large.data["key"] = "x" * 1_000_000
        await admin.create(large)
    request = cluster_pb2.ListRequest(resource=cluster_pb2.Resource(version="v1", resource="configmaps"))
    request.namespace = "default"

    async with ports.connect(ports.mutual, "jane", "system:masters") as made:
        first = await cluster_pb2_grpc.ClusterStub(made).List(request)
        setattr(request, "continue", getattr(first, "continue"))
        second = await cluster_pb2_grpc.ClusterStub(made).List(request)

    assert (len(first.items), first.remaining_item_count, len(second.items)) == (8, 4, 4)
    assert (getattr(second, "continue"), second.resource_version) == ("", first.resource_version)


async def test_a_client_goes_on_at_another_control_process(ports: Ports, api: ApiServer) -> None:
    """Reads and writes, when the one that it used is gone; an endpoint that never was does not matter."""
    certificate, key = ports.authority.issue(pki.Subject("control", hosts=("kubernetes",), server=True))
    tls = listening.credentials(certificate, key, ports.authority.pem, require_client=True)
    service = listening.cluster(cluster.ClusterService(api, relay.NoRelay(), identity.Identifier()))
    second = await listening.serve("127.0.0.1:0", [service], tls)
    pem, private = ports.authority.issue(pki.Subject("jane", ("system:masters",), client=True))
    endpoints = [f"127.0.0.1:{second.port}", "127.0.0.1:9", ports.mutual]
    access = kubeconfig.Connection(endpoints, ports.authority.pem, pem, private)
    async with clients.GrpcClient(access) as client:
        await client.get(corev1.Namespace, "default")

        await second.stop(0)

        assert (await client.get(corev1.Namespace, "default")).metadata.name == "default"
        made = corev1.ConfigMap()
        made.metadata.name, made.metadata.namespace = "after", "default"
        assert (await client.create(made)).metadata.uid


async def test_a_watch_whose_server_goes_ends_as_unavailable(ports: Ports, api: ApiServer) -> None:
    """So that an informer goes on elsewhere from the revision that it has."""
    certificate, key = ports.authority.issue(pki.Subject("control", hosts=("kubernetes",), server=True))
    tls = listening.credentials(certificate, key, ports.authority.pem, require_client=True)
    service = listening.cluster(cluster.ClusterService(api, relay.NoRelay(), identity.Identifier()))
    second = await listening.serve("127.0.0.1:0", [service], tls)
    pem, private = ports.authority.issue(pki.Subject("jane", ("system:masters",), client=True))
    access = kubeconfig.Connection([f"127.0.0.1:{second.port}"], ports.authority.pem, pem, private)
    async with clients.GrpcClient(access) as client:
        watch = client.watch(corev1.Namespace)
        first = await anext(watch)

        await second.stop(0)

        assert [event.type for event in first][:1] == ["ADDED"]
        with pytest.raises(errors.ServiceUnavailable):
            await anext(watch)


async def test_unavailable_etcd_is_told_at_once_and_not_asked_again() -> None:
    """The client repeats reads whose connection breaks, but not one that the server itself has given up."""
    asked = 0

    class Leaderless(cluster_pb2_grpc.ClusterServicer):
        @calls.unary
        async def List(self, request: cluster_pb2.ListRequest, context: Any) -> cluster_pb2.ListResponse:
            nonlocal asked
            asked += 1
            raise errors.ServiceUnavailable("etcdserver: no leader")

    authority = pki.create_authority("test")
    certificate, key = authority.issue(pki.Subject("control", hosts=("kubernetes",), server=True))
    server = grpc.aio.server()
    cluster_pb2_grpc.add_ClusterServicer_to_server(Leaderless(), server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    await server.start()

    async with clients.GrpcClient(kubeconfig.Connection([f"127.0.0.1:{port}"], authority.pem)) as client:
        with pytest.raises(errors.ServiceUnavailable, match="no leader"):
            await client.list(corev1.Pod, "default")
    await server.stop(None)

    assert asked == 1


@pytest.mark.parametrize("method", ["Exec", "Attach", "PortForward"])
async def test_a_webhook_refuses_a_stream(api: ApiServer, ports: Ports, method: str) -> None:
    """gRPC is no way around it: the refusal is the stream's end, before a node hears of it."""
    rule = "{operations: [CONNECT], apiGroups: [''], apiVersions: [v1], resources: ['pods/*']}"
    start = cluster_pb2.StreamStart(namespace="default", pod="web", container="m", stdout=True, port=80)
    async with hooks.serving(hooks.deny(message="stay out", code=403)) as hook:
        kind = registrationv1.ValidatingWebhookConfiguration
        await test_webhooks.configure(api, kind, hook, rules=rule)
        async with ports.connect(ports.mutual, "admin", "system:masters") as made:
            stream = getattr(cluster_pb2_grpc.ClusterStub(made), method)(timeout=5)
            await stream.write(cluster_pb2.ClientFrame(start=start))
            error = await failure(stream.read())

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert error.details() == 'admission webhook "policy.example.com" denied the request: stay out'
    (asked,) = hook.asked
    kinds = {"Exec": "PodExecOptions", "Attach": "PodAttachOptions", "PortForward": "PodPortForwardOptions"}
    assert (asked["operation"], asked["object"]["kind"], asked["name"]) == ("CONNECT", kinds[method], "web")
