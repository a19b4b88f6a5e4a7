"""Token Secrets: filled in, good for authentication, gone with their account, and given to old clients."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from control.apiserver import tokens
from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.apiserver import yamls
from tests.unit.controllers import cluster

SECRET = """
metadata:
  name: robot-token
  namespace: default
  annotations: {kubernetes.io/service-account.name: robot}
type: kubernetes.io/service-account-token
"""


@pytest.fixture(scope="module")
def issuer() -> tokens.Issuer:
    """A signer of tokens."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return tokens.Issuer(pem, time.time)


async def test_a_token_secret_is_filled_in_and_authenticates(issuer: tokens.Issuer) -> None:
    """ca.crt, namespace and token; the account goes, and the Secret with it."""
    async with cluster.cluster(nodes=0, root_ca="CA", issuer=issuer, watched=[corev1.Secret]) as world:
        robot = yamls.read("metadata: {name: robot, namespace: default}", corev1.ServiceAccount)
        await world.client.create(robot)
        await world.client.create(yamls.read(SECRET, corev1.Secret))
        secrets = world.informers.of(corev1.Secret)

        def filled() -> str:
            found = secrets.get("robot-token", "default")
            return "" if found is not None and found.data.get("token") else f"not filled in: {found}"

        await cluster.wait_until(filled)
        secret = secrets.get("robot-token", "default")
        assert secret is not None
        user = await world.api.tokens.authenticate(secret.data["token"].decode())
        assert user.name == "system:serviceaccount:default:robot"
        assert (secret.data["ca.crt"], secret.data["namespace"]) == (b"CA", b"default")

        await world.client.delete(corev1.ServiceAccount, "robot", "default")

        await cluster.wait_until(lambda: "still there" if secrets.get("robot-token", "default") else "")


async def test_a_token_that_its_secret_holds_no_more_is_good_for_nothing(issuer: tokens.Issuer) -> None:
    """Who takes a token out of its Secret gets a new one; the old one, perhaps known to others, is refused."""
    async with cluster.cluster(nodes=0, root_ca="CA", issuer=issuer, watched=[corev1.Secret]) as world:
        await world.client.create(yamls.read("metadata: {name: robot, namespace: default}", corev1.ServiceAccount))
        await world.client.create(yamls.read(SECRET, corev1.Secret))
        secrets = world.informers.of(corev1.Secret)

        def held() -> bytes:
            found = secrets.get("robot-token", "default")
            return found.data.get("token", b"") if found is not None else b""

        await cluster.wait_until(lambda: "" if held() else "no token")
        old = held()
        fresh = objects.copy(secrets.get("robot-token", "default"))
        del fresh.data["token"]
        await world.client.update(fresh)
        await cluster.wait_until(lambda: "" if held() not in (b"", old) else "no other token")

        user = await world.api.tokens.authenticate(held().decode())
        with pytest.raises(errors.Unauthorized):
            await world.api.tokens.authenticate(old.decode())

        assert user.name == "system:serviceaccount:default:robot"


async def test_with_compatibility_each_account_gets_a_token(issuer: tokens.Issuer) -> None:
    """And lists it; one that is deleted goes from the list, and another is given."""
    async with cluster.cluster(
        nodes=0, root_ca="CA", issuer=issuer, give_tokens=True, watched=[corev1.Secret, corev1.ServiceAccount]
    ) as world:
        accounts, secrets = world.informers.of(corev1.ServiceAccount), world.informers.of(corev1.Secret)

        def given() -> str:
            account = accounts.get("default", "default")
            if account is None or not account.secrets:
                return f"nothing is listed: {account}"
            secret = secrets.get(account.secrets[0].name, "default")
            return "" if secret is not None and secret.data.get("token") else f"not filled in: {secret}"

        await cluster.wait_until(given)
        account = accounts.get("default", "default")
        assert account is not None
        (first,) = (one.name for one in account.secrets)

        await world.client.delete(corev1.Secret, first, "default")

        def another() -> str:
            account = accounts.get("default", "default")
            listed = [one.name for one in account.secrets] if account is not None else []
            return "" if len(listed) == 1 and listed != [first] else f"listed: {listed}"

        await cluster.wait_until(another)
