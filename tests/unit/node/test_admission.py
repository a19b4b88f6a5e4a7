"""What the node refuses to run."""

from __future__ import annotations

import pytest

from node.pods import admission
from node.pods.admission import Refusal
from tests.support import pods


@pytest.mark.parametrize(
    ("name", "allowed", "want"),
    [
        ("kernel.shm_rmid_forced", (), ""),
        ("net/ipv4/tcp_syncookies", (), ""),
        ("net.ipv4.tcp_wmem", (), ""),
        ("kernel.msgmax", (), "not allowlisted"),
        ("kernel.msgmax", ("kernel.msg*",), ""),
        ("net.core.somaxconn", ("net.core.somaxconn",), ""),
        ("net.core.somaxconn", ("net.core.some",), "not allowlisted"),
        ("vm.swappiness", ("vm.*",), "not allowlisted"),
    ],
)
def test_sysctls_that_could_harm_others_are_refused(name: str, allowed: tuple[str, ...], want: str) -> None:
    """Unless the node allows them; what has no namespace is nobody's to set."""
    pod = pods.pod()
    pod.spec.securityContext.sysctls.add(name=name, value="1")
    refused = Refusal("SysctlForbidden", f'forbidden sysctl: "{name}" {want}')
    assert admission.refusal(pod, allowed) == (refused if want else None)


def test_sysctls_of_the_hosts_namespaces_are_refused() -> None:
    """Also the safe ones: they would be the node's own."""
    pod = pods.pod()
    pod.spec.hostNetwork = True
    pod.spec.securityContext.sysctls.add(name="net.ipv4.tcp_syncookies", value="1")
    text = 'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled'
    assert admission.refusal(pod) == Refusal("SysctlForbidden", text)
    pod.spec.securityContext.sysctls[0].name = "kernel.shm_rmid_forced"
    assert admission.refusal(pod) is None
    pod.spec.hostIPC = True
    text = 'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled'
    assert admission.refusal(pod) == Refusal("SysctlForbidden", text)


def test_pods_of_another_system_are_refused() -> None:
    """A pod may say which system it is for."""
    pod = pods.pod()
    pod.spec.os.name = "linux"
    assert admission.refusal(pod) is None
    pod.spec.os.name = "windows"
    want = Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    assert admission.refusal(pod) == want
