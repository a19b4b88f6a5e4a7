"""What admission makes of a new pod: account and token, priority; and of a new node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from control.apiserver import tokens
from control.apiserver.settings import Settings
from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from tests.unit.apiserver import yamls

KEY = certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture
async def admin() -> AsyncIterator[Any]:
    """An administrator's client of a server that issues tokens, with the account `robot`."""
    async with control.memory_api(issuer=tokens.Issuer(KEY, lambda: 1000.0)) as api:
        client = api.as_user(*control.ADMIN)
        account = "{metadata: {name: robot, namespace: default}, imagePullSecrets: [{name: regcred}]}"
        await client.create(yamls.read(account, corev1.ServiceAccount))
        yield client


def pod(spec: str = "", **annotations: str) -> corev1.Pod:
    """Return a pod of the account `robot`, with more of a spec."""
    text = "{name: a, image: web}"
    made = corev1.Pod(spec=yamls.read(f"{{serviceAccountName: robot, containers: [{text}]{spec}}}", corev1.PodSpec))
    made.metadata.name, made.metadata.namespace = "web", "default"
    made.metadata.annotations.update(annotations)
    return made


async def test_a_pod_gets_its_accounts_token_where_libraries_look(admin: Any) -> None:
    """One projected volume with token, CA and namespace, in every container that has nothing there; pull secrets."""
    made = await admin.create(
        pod(
            ", initContainers: [{name: i, image: web, volumeMounts: [{name: own, mountPath:"
            " /var/run/secrets/kubernetes.io/serviceaccount}]}], volumes: [{name: own, emptyDir: {}}]"
        )
    )

    volume = made.spec.volumes[1]
    assert volume.name.startswith("kube-api-access-")
    assert len(volume.name) == len("kube-api-access-") + 5
    assert yamls.parsed(volume.volumeSource) == {
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [
                            {
                                "path": "namespace",
                                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                            }
                        ]
                    }
                },
            ],
        }
    }
    assert yamls.parsed(made.spec.containers[0].volumeMounts[0]) == {
        "name": volume.name,
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    assert [mount.name for mount in made.spec.initContainers[0].volumeMounts] == ["own"]
    assert [one.name for one in made.spec.imagePullSecrets] == ["regcred"]
    assert made.spec.serviceAccount == "robot"


@pytest.mark.parametrize(("on_pod", "on_account", "mounted"), [
    (None, None, True), (False, None, False), (None, False, False), (True, False, True), (False, True, False),
])  # fmt: skip
async def test_automount_is_the_pods_then_the_accounts_choice(
    admin: Any, on_pod: bool | None, on_account: bool | None, mounted: bool
) -> None:
    """Neither says anything: mounted."""
    account = corev1.ServiceAccount()
    account.metadata.name, account.metadata.namespace = "chosen", "default"
    if on_account is not None:
        account.automountServiceAccountToken = on_account
    await admin.create(account)
    wanted = pod()
    wanted.spec.serviceAccountName = "chosen"
    if on_pod is not None:
        wanted.spec.automountServiceAccountToken = on_pod

    made = await admin.create(wanted)

    assert bool(made.spec.volumes) == mounted


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (", volumes: [{name: v, secret: {secretName: mine}}]", ""),
        (
            ", volumes: [{name: v, secret: {secretName: other}}]",
            'volume with secret.secretName="other" is not allowed because service account strict does not reference'
            " that secret",
        ),
        (
            ", initContainers: [{name: i, image: i, env: [{name: A, valueFrom: {secretKeyRef: {name: o, key: k}}}]}]",
            'init container i with envVar A referencing secret.secretName="o" is not allowed because service'
            " account strict does not reference that secret",
        ),
        (
            ", initContainers: [{name: i, image: i, envFrom: [{secretRef: {name: mine}}, {secretRef: {name: o}}]}]",
            'init container i with envFrom referencing secret.secretName="o" is not allowed because service'
            " account strict does not reference that secret",
        ),
        (
            ", imagePullSecrets: [{name: regcred}, {name: mine}]",
            'imagePullSecrets[1].name="mine" is not allowed because service account strict does not reference that'
            " imagePullSecret",
        ),
        (", imagePullSecrets: [{name: regcred}]", ""),
    ],
)
async def test_an_account_may_limit_the_secrets_of_its_pods(admin: Any, spec: str, why: str) -> None:
    """By its annotation, to those that it lists; its token comes along all the same."""
    account = """
    metadata: {name: strict, namespace: default, annotations: {kubernetes.io/enforce-mountable-secrets: "true"}}
    secrets: [{name: mine}]
    imagePullSecrets: [{name: regcred}]
    """
    await admin.create(yamls.read(account, corev1.ServiceAccount))
    wanted = pod(spec)
    assert (await admin.create(wanted, dry_run=True)).spec.serviceAccountName == "robot"  # whose account says nothing
    wanted.spec.serviceAccountName = "strict"

    if why:
        with pytest.raises(errors.Forbidden) as refused:
            await admin.create(wanted)
        assert refused.value.message == f'pods "web" is forbidden: {why}'
    else:
        assert (await admin.create(wanted)).spec.serviceAccountName == "strict"


async def test_debugging_containers_use_no_other_secrets(admin: Any) -> None:
    """An ephemeral container is judged when it joins."""
    account = """
    metadata: {name: strict, namespace: default, annotations: {kubernetes.io/enforce-mountable-secrets: "true"}}
    """
    await admin.create(yamls.read(account, corev1.ServiceAccount))
    wanted = pod()
    wanted.spec.serviceAccountName = "strict"
    made = await admin.create(wanted)
    common = made.spec.ephemeralContainers.add().ephemeralContainerCommon
    common.name, common.image = "d", "d"
    common.envFrom.add().secretRef.localObjectReference.name = "other"

    with pytest.raises(errors.Forbidden) as refused:
        await admin.update(made, subresource="ephemeralcontainers")

    assert 'ephemeral container d with envFrom referencing secret.secretName="other"' in refused.value.message


async def test_pods_of_an_account_stay_alike(admin: Any) -> None:
    """The volume has the same name in each, so that what is known of one spec holds for the next."""
    first, second = pod(), pod()
    second.metadata.name = "web-2"

    assert (await admin.create(first)).spec == (await admin.create(second)).spec


async def test_an_unknown_account_and_mirror_pods(admin: Any) -> None:
    """Refused in Kubernetes' words; a mirror pod gets nothing added."""
    lost = pod()
    lost.spec.serviceAccountName = "nobody"
    with pytest.raises(errors.Forbidden) as unknown:
        await admin.create(lost)
    with pytest.raises(errors.Forbidden) as mirror:
        await admin.create(pod(", nodeName: node-1", **{"kubernetes.io/config.mirror": "x"}))
    plain = pod(", nodeName: node-1", **{"kubernetes.io/config.mirror": "x"})
    plain.spec.ClearField("serviceAccountName")

    assert unknown.value.message == (
        'pods "web" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found'
    )
    assert mirror.value.message == 'pods "web" is forbidden: a mirror pod may not reference service accounts'
    assert not (await admin.create(plain)).spec.volumes


async def test_an_invalid_pod_in_a_namespace_that_is_not_there(admin: Any) -> None:
    """The namespace is told of, which is judged first."""
    wanted = pod()
    wanted.metadata.namespace = "nowhere"
    wanted.spec.containers[0].image = ""

    with pytest.raises(errors.NotFound) as refused:
        await admin.create(wanted)

    assert refused.value.message == 'namespaces "nowhere" not found'


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        (", priorityClassName: system-node-critical", 2_000_001_000),
        ("", 0),
        (", priorityClassName: no-such", 'pods "web" is forbidden: no PriorityClass with name no-such was found'),
        (
            ", priority: 7",
            'pods "web" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority'
            " admission controller computed 0 from the given PriorityClass name",
        ),
        (
            ", preemptionPolicy: Never",
            'pods "web" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec;'
            " priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
        ),
    ],
)
async def test_priority_comes_from_the_class(admin: Any, spec: str, want: int | str) -> None:
    """The pod may say only what its class says."""
    try:
        got: int | str = (await admin.create(pod(spec))).spec.priority
    except errors.Forbidden as error:
        got = error.message

    assert got == want


async def test_a_new_node_takes_no_pods_yet() -> None:
    """It is tainted as not ready, once; settings turn the plugin off by its name."""
    node = corev1.Node()
    node.metadata.name = "node-1"
    async with control.memory_api(settings=Settings()) as api:
        made = await api.as_user(*control.ADMIN).create(node)
    assert [(one.key, one.effect) for one in made.spec.taints] == [("node.kubernetes.io/not-ready", "NoSchedule")]
    async with control.memory_api(
        settings=Settings(disabled_plugins=frozenset({"TaintNodesByCondition"}))
    ) as api:
        assert not (await api.as_user(*control.ADMIN).create(node)).spec.taints


async def test_a_plugin_that_is_not_there_cannot_be_turned_off() -> None:
    """A misspelt name would leave the plugin on."""
    misspelt = Settings(disabled_plugins=frozenset({"PodSecurities"}))
    with pytest.raises(ValueError, match='admission plugin "PodSecurities" is unknown'):
        async with control.memory_api(settings=misspelt):
            pass
