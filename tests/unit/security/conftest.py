"""An API on HTTPS with two namespaces, two nodes and their pods, for attackers of every kind.

`attack.as_user(name, *groups)` gives a caller with that certificate. What a test checks is the answer and, where a
write was tried, that nothing was written.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from control.apiserver import tokens
from control.apiserver.server import ApiServer
from fairlead import certificates
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.client.interface import Client
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.support import extension
from tests.unit.gateway.rest.conftest import Caller

KEY = certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
MINE, VICTIM = "mine", "victim"
RBAC = "rbac.authorization.k8s.io"


class Attack:
    """The server under attack, and whoever attacks it."""

    def __init__(self, api: ApiServer, server: testing.Server, stack: contextlib.AsyncExitStack) -> None:
        self.api = api
        self.server = server
        self._stack = stack

    @property
    def admin(self) -> Client:
        """An administrator of this process."""
        return self.api.as_user(*control.ADMIN)

    async def as_user(self, name: str = "", *groups: str) -> Caller:
        """A caller over HTTPS with a certificate, or with nothing."""
        connector = aiohttp.TCPConnector(ssl=self.server.tls(name, *groups))
        session = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, auto_decompress=False)
        )
        return Caller(session, self.server.url)

    async def node(self, name: str = "node-1") -> Caller:
        """A node's agent."""
        return await self.as_user(f"system:node:{name}", "system:nodes")

    async def grant(self, user: str, role: str, namespace: str = MINE) -> None:
        """Bind a user to a ClusterRole in a namespace, or with "" everywhere."""
        binding: Any = rbacv1.RoleBinding() if namespace else rbacv1.ClusterRoleBinding()
        binding.metadata.name, binding.metadata.namespace = f"{user}-{role}".replace(":", "-"), namespace
        binding.roleRef.CopyFrom(rbacv1.RoleRef(apiGroup=RBAC, kind="ClusterRole", name=role))
        binding.subjects.add(kind="User", apiGroup=RBAC, name=user)
        await self.admin.create(binding)
        await self.api.cache.fresh()

    async def administer(self, user: str) -> None:
        """Give a user what the role `admin` has: the parts of it, because nobody aggregates them here."""
        for part in ("admin", "edit", "view"):
            await self.grant(user, f"system:aggregate-to-{part}")

    async def allow(self, user: str, *rules: str, namespace: str = MINE) -> None:
        """Let a user do something: `get,list of secrets in core`, then perhaps `named a,b`."""
        role = rbacv1.ClusterRole()
        role.metadata.name = f"{user}-may"
        for text in rules:
            verbs, _, resources, _, group, *names = text.split(" ")
            rule = role.rules.add(verbs=verbs.split(","), resources=resources.split(","))
            rule.apiGroups.append("" if group == "core" else group)
            rule.resourceNames.extend(names[1].split(",") if names else ())
        await self.admin.create(role)
        await self.grant(user, role.metadata.name, namespace)

    async def stored(self) -> dict[str, bytes]:
        """Everything that is stored, but for what changes by itself."""
        return {item.key: item.value for item in (await self.api.store.list("/")).items}


async def furnish(admin: Client) -> None:
    """Make namespaces, nodes, and in each namespace a pod on a node of its own, with all that it names."""
    for namespace in (MINE, VICTIM):
        space = corev1.Namespace()
        space.metadata.name = namespace
        await admin.create(space)
    for name, namespace, node in (("web", MINE, "node-1"), ("db", VICTIM, "node-2")):
        host, account, secret = corev1.Node(), corev1.ServiceAccount(), corev1.Secret()
        for one in (account, secret):
            one.metadata.name, one.metadata.namespace = name, namespace
        host.metadata.name = node
        for made in (host, account, secret, _volume(name, namespace), _pod(name, namespace, node)):
            await admin.create(made)


def _volume(name: str, namespace: str) -> corev1.PersistentVolume:
    made = corev1.PersistentVolume()
    made.metadata.name = name
    made.spec.capacity["storage"].string = "1Gi"
    made.spec.accessModes.append("ReadWriteOnce")
    made.spec.persistentVolumeSource.nfs.CopyFrom(corev1.NFSVolumeSource(server="x", path="/x"))
    made.spec.claimRef.namespace, made.spec.claimRef.name = namespace, name
    return made


def _pod(name: str, namespace: str, node: str) -> corev1.Pod:
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace = name, namespace
    made.metadata.labels["app"] = name
    made.spec.serviceAccountName, made.spec.nodeName = name, node
    made.spec.containers.add(name="main", image="x")
    made.spec.volumes.add(name="s").volumeSource.secret.secretName = name
    made.spec.volumes.add(name="c").volumeSource.persistentVolumeClaim.claimName = name
    return made


@pytest.fixture
async def attack() -> AsyncIterator[Attack]:
    """The scene."""
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(control.memory_api(issuer=tokens.Issuer(KEY, time.time)))
        await furnish(api.as_user(*control.ADMIN))
        await api.cache.fresh()
        server = await stack.enter_async_context(testing.serve(api))
        yield Attack(api, server, stack)


@pytest.fixture
async def backend() -> AsyncIterator[extension.Backend]:
    """Another API server, for APIServices."""
    async with extension.serving() as made:
        yield made
