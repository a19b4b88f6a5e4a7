"""The Pod Security Standards: each check's words, and when a namespace's labels refuse, warn or look back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver import warnings
from control.apiserver.admission import podsecurity, securitychecks
from control.apiserver.server import ApiServer
from fairlead.api import errors, objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from tests.unit.apiserver import yamls

LATEST = securitychecks.LATEST
GOOD = """
securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
containers:
- name: a
  image: web
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""
ALL_FOUR = (
    'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)


def told(level: str, version: int, spec: str, **annotations: str) -> list[str]:
    """Return what a level says of a spec."""
    pod = corev1.Pod(spec=yamls.read(spec, corev1.PodSpec))
    pod.metadata.annotations.update(annotations)
    return [str(one) for one in securitychecks.violations(level, version, pod.metadata, pod.spec)]


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ("{containers: [{name: a}]}", []),
        (
            "{hostNetwork: true, hostIPC: true, containers: [{name: a}]}",
            ["host namespaces (hostNetwork=true, hostIPC=true)"],
        ),
        (
            "{containers: [{name: a, securityContext: {privileged: true}}, {name: b}],"
            " initContainers: [{name: i, securityContext: {privileged: true}}]}",
            ['privileged (containers "i", "a" must not set securityContext.privileged=true)'],
        ),
        (
            "{containers: [{name: a, securityContext: {capabilities: {add: [NET_ADMIN, CHOWN, BPF]}}}]}",
            [
                'non-default capabilities (container "a" must not include "BPF", "NET_ADMIN" in'
                " securityContext.capabilities.add)"
            ],
        ),
        ("{volumes: [{name: x, hostPath: {path: /}}]}", ['hostPath volumes (volume "x")']),
        (
            "{containers: [{name: a, ports: [{hostPort: 80}, {hostPort: 443}]}, {name: b, ports: [{hostPort: 80}]}]}",
            ['hostPort (containers "a", "b" use hostPorts 443, 80)'],
        ),
        (
            "{containers: [{name: a, ports: [{hostPort: 80, containerPort: 1}]}]}",
            ['hostPort (container "a" uses hostPort 80)'],
        ),
        (
            "{securityContext: {appArmorProfile: {type: Unconfined}}}",
            ['forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")'],
        ),
        (
            "{securityContext: {seLinuxOptions: {type: spc_t}},"
            " containers: [{name: a, securityContext: {seLinuxOptions: {user: u, role: r}}}]}",
            [
                'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "spc_t";'
                " user may not be set; role may not be set)"
            ],
        ),
        (
            "{containers: [{name: a, securityContext: {procMount: Unmasked}}]}",
            ['procMount (container "a" must not set securityContext.procMount to "Unmasked")'],
        ),
        (
            "{securityContext: {seccompProfile: {type: Unconfined}}}",
            ['seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'],
        ),
        (
            "{securityContext: {sysctls: [{name: kernel.msgmax}, {name: net.ipv4.tcp_rmem}]}}",
            ["forbidden sysctls (kernel.msgmax)"],
        ),
        (
            "{securityContext: {windowsOptions: {hostProcess: true}}}",
            ["hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"],
        ),
    ],
)
def test_baseline(spec: str, want: list[str]) -> None:
    """Each check of the baseline, in Kubernetes' words."""
    assert told("baseline", LATEST, spec) == want


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        (GOOD, []),
        ("{containers: [{name: a}]}", ALL_FOUR.split("), ")),
        (
            GOOD + "volumes: [{name: x, hostPath: {path: /}}, {name: y, nfs: {path: /}}, {name: z, csi: {}}]",
            ['restricted volume types (volumes "x", "y" use restricted volume types "hostPath", "nfs")'],
        ),
        (
            GOOD + "- {name: b, securityContext: {allowPrivilegeEscalation: false, runAsUser: 0, runAsNonRoot: false,"
            " capabilities: {drop: [ALL], add: [NET_BIND_SERVICE, BPF]}}}",
            [
                'unrestricted capabilities (container "b" must not include "BPF"'
                " in securityContext.capabilities.add)",
                'runAsNonRoot != true (container "b" must not set securityContext.runAsNonRoot=false)',
                'runAsUser=0 (container "b" must not set runAsUser=0)',
            ],
        ),
    ],
)
def test_restricted(spec: str, want: list[str]) -> None:
    """Each check of the restricted standard; what it covers is not told twice."""
    assert [one.rstrip(")") for one in told("restricted", LATEST, spec)] == [one.rstrip(")") for one in want]


@pytest.mark.parametrize(
    ("level", "version", "spec", "want"),
    [
        ("restricted", 7, "{containers: [{name: a, securityContext: {runAsNonRoot: true}}]}", []),
        ("restricted", 24, "{os: {name: windows}, containers: [{name: a}]}", 4),
        ("restricted", 25, "{os: {name: windows}, containers: [{name: a}]}", 1),
        ("baseline", 28, "{securityContext: {sysctls: [{name: net.ipv4.tcp_fin_timeout}]}}", 1),
        ("baseline", 29, "{securityContext: {sysctls: [{name: net.ipv4.tcp_fin_timeout}]}}", []),
        ("baseline", 18, "{securityContext: {seccompProfile: {type: Unconfined}}}", []),
        ("privileged", LATEST, "{hostNetwork: true}", []),
    ],
)
def test_versions(level: str, version: int, spec: str, want: list[str] | int) -> None:
    """A check holds since its version; Windows pods are exempt from some since 1.25."""
    got = told(level, version, spec)
    assert (len(got) if isinstance(want, int) else got) == want


def test_annotations_of_old() -> None:
    """AppArmor's annotations are judged in every version, seccomp's until 1.18."""
    key = securitychecks.APPARMOR_PREFIX + "a"
    assert told("baseline", LATEST, "{containers: [{name: a}]}", **{key: "unconfined"}) == [
        f'forbidden AppArmor profile (annotation must not set AppArmor profile type to "{key}="unconfined"")'
    ]
    assert told("baseline", 18, "{}", **{securitychecks.SECCOMP_POD: "unconfined"}) == [
        'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    ]


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with control.memory_api(now=lambda: 1000.0) as made:
        yield made


async def namespace(api: ApiServer, **labels: str) -> Any:
    """Return an administrator's client, after making the namespace `shop` with labels."""
    client = api.as_user(*control.ADMIN)
    made = corev1.Namespace()
    made.metadata.name = "shop"
    made.metadata.labels.update({podsecurity.PREFIX + mode.replace("_", "-"): each for mode, each in labels.items()})
    await client.create(made)
    return client


def pod(name: str, spec: str = "{containers: [{name: a, image: web}]}") -> corev1.Pod:
    """Return a pod of the namespace."""
    made = corev1.Pod(spec=yamls.read(spec, corev1.PodSpec))
    made.metadata.name, made.metadata.namespace = name, "shop"
    return made


async def test_enforce_refuses_pods_and_lets_templates_pass(api: ApiServer) -> None:
    """A pod that breaks the level is forbidden, with all that it breaks; a good one is made."""
    client = await namespace(api, enforce="restricted")

    with pytest.raises(errors.Forbidden) as refused:
        await client.create(pod("web"))
    await client.create(pod("good", GOOD))
    await client.create(deployment())

    assert refused.value.message == f'pods "web" is forbidden: violates PodSecurity "restricted:latest": {ALL_FOUR}'


async def test_warn_warns_of_pods_and_templates(api: ApiServer) -> None:
    """`warn` lets pass and tells, for pods and for what makes pods."""
    client = await namespace(api, warn="restricted", warn_version="v1.32")

    with warnings.collected() as of_pod:
        await client.create(pod("web"))
    with warnings.collected() as of_template:
        await client.create(deployment())

    assert of_pod == of_template == [f'would violate PodSecurity "restricted:v1.32": {ALL_FOUR}']


async def test_a_stricter_label_warns_of_the_pods_that_are_there(api: ApiServer) -> None:
    """Pods with the same faults are told of in one line; an eased label says nothing."""
    client = await namespace(api)
    for name in ("b", "a", "c"):
        await client.create(pod(name))
    await client.create(pod("host", "{hostNetwork: true, containers: [{name: a, image: web}]}"))
    found = objects.copy(await client.get(corev1.Namespace, "shop"))
    found.metadata.labels[podsecurity.PREFIX + "enforce"] = "restricted"

    with warnings.collected() as stricter:
        found = await client.update(found)
    found.metadata.labels[podsecurity.PREFIX + "enforce"] = "baseline"
    with warnings.collected() as eased:
        await client.update(found)

    reasons = "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"
    assert stricter == [
        'existing pods in namespace "shop" violate the new PodSecurity enforce level "restricted:latest"',
        f"a (and 2 other pods): {reasons}",
        f"host: host namespaces, {reasons}",
    ]
    assert eased == []


async def test_labels_must_be_levels_and_versions(api: ApiServer) -> None:
    """Kubernetes' words for a label that is neither."""
    with pytest.raises(errors.Invalid) as refused:
        await namespace(api, enforce="strict", warn_version="1.29")

    assert refused.value.message == (
        'Namespace "shop" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict":'
        " must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]:"
        ' Invalid value: "1.29": must be "latest" or "v1.x"]'
    )


async def test_an_update_that_changes_no_container_is_not_judged(api: ApiServer) -> None:
    """A pod that was there before the label can still be labelled, but gets no new image."""
    client = await namespace(api)
    made = await client.create(pod("web"))
    found = objects.copy(await client.get(corev1.Namespace, "shop"))
    found.metadata.labels[podsecurity.PREFIX + "enforce"] = "restricted"
    await client.update(found)

    made.metadata.labels["a"] = "b"
    made = await client.update(made)
    made.spec.containers[0].image = "other"
    with pytest.raises(errors.Forbidden):
        await client.update(made)


def deployment() -> appsv1.Deployment:
    """Return a Deployment of the namespace."""
    return yamls.read(
        """
        metadata: {name: web, namespace: shop}
        spec:
          selector: {matchLabels: {app: web}}
          template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: web}]}}
        """,
        appsv1.Deployment,
    )
