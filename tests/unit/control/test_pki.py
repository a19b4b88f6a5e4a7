"""The cluster's certificates."""

from __future__ import annotations

import pathlib

import pytest
from cryptography import x509

from control import config as configs
from control import init, pki
from fairlead import certificates


def make_config(tmp_path: pathlib.Path, name: str = "control-1", address: str = "10.0.0.1") -> configs.Config:
    return configs.Config(
        name=name,
        advertiseAddress=address,
        controlPlaneAddresses=["10.0.0.1", "10.0.0.2"],
        etcdEndpoints=["https://10.0.0.1:2379"],
        pkiDir=str(tmp_path / "pki"),
    )


def make_paths(tmp_path: pathlib.Path) -> init.Paths:
    return init.Paths(tmp_path / "control.yaml", tmp_path / "admin.conf")


def snapshot(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_init_changes_nothing(tmp_path: pathlib.Path) -> None:
    """Provisioning may run init at every boot."""
    config, paths = make_config(tmp_path), make_paths(tmp_path)
    assert init.initialise(config, paths)
    before = snapshot(tmp_path)

    assert init.initialise(configs.load(paths.config), paths) == []

    assert snapshot(tmp_path) == before


def test_another_control_host_with_the_shared_files_gets_leaves_of_the_same_authority(tmp_path: pathlib.Path) -> None:
    """Only SHARED_FILES are copied between control hosts."""
    first, second = tmp_path / "a", tmp_path / "b"
    init.initialise(make_config(first), make_paths(first))
    for name in init.SHARED_FILES:
        certificates.write_file(second / "pki" / name, (first / "pki" / name).read_bytes())

    init.initialise(make_config(second, "control-2", "10.0.0.2"), make_paths(second))

    authority = x509.load_pem_x509_certificate((first / "pki" / "ca.crt").read_bytes())
    leaf = x509.load_pem_x509_certificate((second / "pki" / "server.crt").read_bytes())
    leaf.verify_directly_issued_by(authority)


def test_an_incomplete_copy_of_the_shared_files_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    """Making the missing authority anew would split the cluster."""
    init.initialise(make_config(tmp_path), make_paths(tmp_path))
    (tmp_path / "pki" / "etcd" / "ca.crt").unlink()
    (tmp_path / "pki" / "etcd" / "ca.key").unlink()

    with pytest.raises(pki.PkiError, match="copy the others too: etcd/ca.crt, etcd/ca.key"):
        init.initialise(make_config(tmp_path), make_paths(tmp_path))


def test_keys_are_readable_by_their_owner_alone(tmp_path: pathlib.Path) -> None:
    """Every file that holds a private key has mode 0600."""
    init.initialise(make_config(tmp_path), make_paths(tmp_path))

    secrets = [path for path in tmp_path.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]

    assert len(secrets) == 9
    assert {path.stat().st_mode & 0o777 for path in [*secrets, tmp_path / "admin.conf"]} == {0o600}


def test_a_nodes_request_is_signed_for_its_name_and_group() -> None:
    """What the authority signs is a client certificate of O=system:nodes, CN=system:node:<name>."""
    authority = pki.create_authority("test")
    csr, _ = certificates.node_request("node-1")

    certificate = x509.load_pem_x509_certificate(authority.sign_node("node-1", csr))

    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject.rfc4514_string() == "CN=system:node:node-1,O=system:nodes"


@pytest.mark.parametrize(
    ("name", "csr", "fault"),
    [
        ("node-2", certificates.node_request("node-1")[0], "must be for O=system:nodes, CN=system:node:node-2"),
        ("Node_1", certificates.node_request("Node_1")[0], "not a lowercase RFC 1123 subdomain"),
        ("node-1", b"nonsense", "is not PEM"),
    ],
)
def test_a_request_for_anyone_else_is_not_signed(name: str, csr: bytes, fault: str) -> None:
    """A joiner gets its own identity or none."""
    with pytest.raises(pki.PkiError, match=fault):
        pki.create_authority("test").sign_node(name, csr)


def test_a_configuration_with_faults_names_each_of_them() -> None:
    """One run of the program tells all that is wrong."""
    document = {"name": 3, "advertiseAddress": "10.0.0.1", "controlPlaneAddresses": ["10.0.0.1"], "extra": 1}

    with pytest.raises(configs.ConfigError) as caught:
        configs.parse(document, "control.yaml")

    assert str(caught.value) == (
        'control.yaml: unknown field "extra"; etcdEndpoints: required value; name: expected a string, got 3'
    )


def test_overlapping_ranges_are_refused(tmp_path: pathlib.Path) -> None:
    """A Service address that is also a pod's would reach neither."""
    document = {
        "name": "a",
        "advertiseAddress": "10.0.0.1",
        "controlPlaneAddresses": ["10.0.0.1"],
        "etcdEndpoints": ["x"],
        "clusterCIDR": "10.96.0.0/11",
    }
    with pytest.raises(configs.ConfigError, match="serviceCIDR: 10.96.0.0/12 overlaps clusterCIDR 10.96.0.0/11"):
        configs.parse(document, "control.yaml")


def test_a_release_that_cannot_be_served_is_refused() -> None:
    """Only clients of Kubernetes 1.20 have a compatibility of their own."""
    document = {
        "name": "a",
        "advertiseAddress": "10.0.0.1",
        "controlPlaneAddresses": ["10.0.0.1"],
        "etcdEndpoints": ["x"],
    }
    assert configs.parse({**document, "apiCompat": "1.20"}, "control.yaml").apiCompat == "1.20"
    with pytest.raises(configs.ConfigError, match=r"apiCompat: '1.19' is not one of 1.20"):
        configs.parse({**document, "apiCompat": "1.19"}, "control.yaml")
