"""Who is let in: nobody without a certificate or token of the cluster, and no node to etcd."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import subprocess

import pytest

from control import pki
from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import grpc, kubeconfig
from tests.support import asking
from tests.support import lab as labs

PKI = "/etc/fairlead/pki"
JOIN_PORT = 7444


def attempt(api: asking.Api, connection: kubeconfig.Connection) -> Exception | None:
    """What listing pods fails with under other credentials; None if it succeeds."""

    async def work(_: grpc.GrpcClient) -> Exception | None:
        async with grpc.GrpcClient(connection) as client:
            try:
                await client.list(corev1.Pod, "default")
            except errors.ApiError as error:
                return error
        return None

    return api.ask(work)


def issued(authority: pki.Authority, connection: kubeconfig.Connection, user: str) -> kubeconfig.Connection:
    """The same connection for another user, whose certificate some authority has signed."""
    certificate, key = authority.issue(pki.Subject(user, client=True))
    return dataclasses.replace(connection, endpoints=connection.endpoints[:1], certificate=certificate, key=key)


def test_node_certificate_is_refused_by_etcd(lab: labs.Lab, api: asking.Api) -> None:
    """etcd believes its own authority only: a handshake with a node's certificate fails."""
    node, url = lab.nodes[0], f"https://{lab.address(lab.controls[0])}:2379/health"

    strange = lab.call(node, "curl", "-sSk", "--cert", f"{PKI}/node.crt", "--key", f"{PKI}/node.key", url)
    own = (f"{PKI}/etcd/client.crt", "--key", f"{PKI}/etcd/client.key", "--cacert", f"{PKI}/etcd/ca.crt")
    known = lab.call(lab.controls[0], "curl", "-sS", "--cert", *own, url)

    assert (strange.returncode != 0, strange.stdout) == (True, "")
    assert '"health":"true"' in known.stdout


def test_caller_without_credentials_is_refused(api: asking.Api) -> None:
    """Without a certificate 7443 takes no connection; with a token that nobody gave 7444 answers Unauthorized."""
    connection = dataclasses.replace(api.connection, endpoints=api.connection.endpoints[:1])
    nobody = dataclasses.replace(connection, certificate=b"", key=b"")
    host = connection.endpoints[0].rpartition(":")[0]
    token = dataclasses.replace(nobody, endpoints=[f"{host}:{JOIN_PORT}"], token="abcdef.0123456789abcdef")

    assert isinstance(attempt(api, nobody), errors.ServiceUnavailable)
    assert isinstance(attempt(api, token), errors.Unauthorized)
    assert isinstance(attempt(api, dataclasses.replace(token, token="")), errors.Unauthorized | errors.Forbidden)


def test_certificate_of_another_authority_is_refused(api: asking.Api) -> None:
    """A certificate that says system:masters but is signed by a stranger opens no connection."""
    certificate, key = pki.create_authority("kubernetes").issue(
        pki.Subject("admin", ("system:masters",), client=True)
    )
    connection = dataclasses.replace(
        api.connection, endpoints=api.connection.endpoints[:1], certificate=certificate, key=key
    )

    assert isinstance(attempt(api, connection), errors.ServiceUnavailable)


def test_authenticated_user_without_rights_may_do_nothing(
    lab: labs.Lab, api: asking.Api, tmp_path: pathlib.Path
) -> None:
    """A user whom the cluster's own authority has certified, but who is no administrator, gets Forbidden."""
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).write_text(lab.run(lab.controls[0], "cat", f"{PKI}/{name}"))
    authority = pki.load_authority(tmp_path / "ca.crt", tmp_path / "ca.key")

    error = attempt(api, issued(authority, api.connection, "alice"))

    assert isinstance(error, errors.Forbidden)
    assert 'User "alice" cannot list resource "pods"' in str(error)


def join(lab: labs.Lab, token: str, ca_hash: str, node: str = "") -> subprocess.CompletedProcess[str]:
    """Try to join from a node, into a folder that is removed again."""
    name = node or lab.nodes[0]
    script = (
        'folder=$(mktemp -d); fairlead-node join --server "$1" --token "$2" --ca-hash "$3" --address "$4" '
        "--node-name stranger --config $folder/node.yaml --pki-dir $folder/pki; status=$?; "
        "find $folder -type f; rm -rf $folder; exit $status"
    )
    server = f"{lab.address(lab.controls[0])}:{JOIN_PORT}"
    return lab.call(name, "sh", "-c", script, "sh", server, token, ca_hash, lab.address(name))


def token_secret(token: str, expires: datetime.datetime) -> corev1.Secret:
    """A bootstrap token as Kubernetes stores it."""
    token_id, _, secret = token.partition(".")
    made = corev1.Secret(type="bootstrap.kubernetes.io/token")
    made.metadata.name, made.metadata.namespace = f"bootstrap-token-{token_id}", "kube-system"
    content = {"token-id": token_id, "token-secret": secret, "usage-bootstrap-authentication": "true"}
    content["expiration"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    for key, value in content.items():
        made.data[key] = value.encode()
    return made


@pytest.fixture
def ca_hash(api: asking.Api) -> str:
    """The hash that joiners are told."""
    return certificates.authority_hash(api.connection.authority)


def test_joiner_refuses_a_server_whose_authority_has_another_hash(lab: labs.Lab, api: asking.Api) -> None:
    """With a wrong --ca-hash the joiner sends nothing, says so in one line, and writes nothing."""
    wrong = "sha256:" + "0" * 64
    token = lab.fairlead("token", "create", "--ttl", "1").strip()

    done = join(lab, token, wrong)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"do not include an authority with hash {wrong}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("case", ["unknown", "expired"])
def test_join_with_a_token_that_does_not_count_is_refused(
    lab: labs.Lab, api: asking.Api, ca_hash: str, case: str
) -> None:
    """An unknown and an expired token are refused in one line, and nothing is written."""
    token = "fedcba.0123456789abcdef"
    if case == "expired":
        past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
        api.create(token_secret(token, past))

    done = join(lab, token, ca_hash)

    api.delete(corev1.Secret, "bootstrap-token-fedcba", "kube-system")
    assert (done.returncode, done.stdout) == (1, "")
    assert "UNAUTHENTICATED" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert api.find(corev1.Node, "stranger") is None


def test_node_may_not_read_what_its_pods_do_not_need(lab: labs.Lab, api: asking.Api, tmp_path: pathlib.Path) -> None:
    """With its own certificate a node gets its Node and its pods, but no Secret that none of them names."""
    node = lab.nodes[0]
    certificate, key = (lab.run(node, "cat", f"{PKI}/{name}").encode() for name in ("node.crt", "node.key"))
    connection = dataclasses.replace(api.connection, certificate=certificate, key=key)
    secret = corev1.Secret()
    secret.metadata.name, secret.metadata.namespace = "not-yours", "default"
    api.create(secret)

    async def work(_: grpc.GrpcClient) -> tuple[str, Exception | None]:
        async with grpc.GrpcClient(connection) as client:
            own = await client.get(corev1.Node, node)
            try:
                await client.get(corev1.Secret, "not-yours", "default")
            except errors.ApiError as error:
                return own.metadata.name, error
        return own.metadata.name, None

    name, error = api.ask(work)

    api.delete(corev1.Secret, "not-yours", "default")
    assert name == node
    assert isinstance(error, errors.Forbidden)
