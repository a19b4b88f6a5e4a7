"""ServiceAccount: whom a pod acts as, and the token by which it proves that.

A pod gets the account `default` unless it names one, the account's pull secrets unless it names its own, and a volume
with a token, the cluster's CA certificate and its namespace, mounted where client libraries look for them. Source:
Kubernetes' documentation, "Managing Service Accounts".
"""

from __future__ import annotations

import asyncio
import hashlib

from control.apiserver.admission import lookup, mountable, noderestriction, plugin
from control.store import cache as caches
from fairlead.api import hashing, references
from fairlead.api.pb import core_v1_pb2 as corev1

DEFAULT_ACCOUNT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ROOT_CA = "kube-root-ca.crt"
TOKEN_SECONDS = 3607  # an hour and a little: Kubernetes' sign that a program may use the token beyond its renewal
VOLUME_MODE = 0o644
# The account `default` is made by a controller, soon after its namespace.
ATTEMPTS = 10
PAUSE_SECONDS = 0.15


class ServiceAccount(plugin.Plugin):
    """Completes new pods by their service account.

    Where the server issues no tokens, a pod is only given its account's name.
    """

    def __init__(self, cache: caches.Cache, *, issues_tokens: bool) -> None:
        self._accounts = lookup.Lookup(cache, corev1.ServiceAccount)
        self._issues_tokens = issues_tokens

    async def admit(self, request: plugin.Request) -> None:
        """Name the service account of a new pod, and give the pod what comes with it."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            return
        if noderestriction.MIRROR in pod.metadata.annotations:
            why = _mirror_fault(pod)
            if why:
                raise request.forbidden(why)
            return
        name = pod.spec.serviceAccountName = pod.spec.serviceAccountName or DEFAULT_ACCOUNT
        pod.spec.serviceAccount = name
        if not self._issues_tokens:
            return
        account = await self._find(request.namespace, name)
        if account is None:
            why = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
            raise request.forbidden(why)
        if _wants_token(pod, account):
            mount_token(pod, account)
        if not pod.spec.imagePullSecrets:
            pod.spec.imagePullSecrets.extend(account.imagePullSecrets)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse Secrets that a pod's account does not list, where it is told to look at that."""
        pod, judge = plugin.created(request, corev1.Pod), mountable.fault
        if request.subresource == "ephemeralcontainers" and isinstance(request.obj, corev1.Pod):
            pod, judge = request.obj, mountable.ephemeral_fault
        if pod is None or noderestriction.MIRROR in pod.metadata.annotations:
            return
        account = self._accounts.get(pod.spec.serviceAccountName, request.namespace)
        if account is not None and mountable.is_enforced(account) and (why := judge(account, pod)):
            raise request.forbidden(why)

    async def _find(self, namespace: str, name: str) -> corev1.ServiceAccount | None:
        found = await self._accounts.find(name, namespace)
        for _ in range(ATTEMPTS - 1 if name == DEFAULT_ACCOUNT else 0):
            if found is not None:
                break
            await asyncio.sleep(PAUSE_SECONDS)
            found = await self._accounts.find(name, namespace)
        return found


def _mirror_fault(pod: corev1.Pod) -> str:
    """Return why a pod that only mirrors a static one is refused, "" if it is not."""
    if pod.spec.serviceAccountName:
        return "a mirror pod may not reference service accounts"
    if references.secrets(pod.spec):
        return "a mirror pod may not reference secrets"
    for volume in pod.spec.volumes:
        if any(source.HasField("serviceAccountToken") for source in volume.volumeSource.projected.sources):
            return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def _wants_token(pod: corev1.Pod, account: corev1.ServiceAccount) -> bool:
    for one in (pod.spec, account):
        if one.HasField("automountServiceAccountToken"):
            return one.automountServiceAccountToken
    return True


def mount_token(pod: corev1.Pod, account: corev1.ServiceAccount) -> None:
    """Mount the account's volume in every container that has nothing at its place yet."""
    present = next((one.name for one in pod.spec.volumes if one.name.startswith(VOLUME_PREFIX)), "")
    name = present or _volume_name(pod, account)
    mounted = False
    for container in (*pod.spec.initContainers, *pod.spec.containers):
        if not any(mount.mountPath == MOUNT_PATH for mount in container.volumeMounts):
            container.volumeMounts.add(name=name, readOnly=True, mountPath=MOUNT_PATH)
            mounted = True
    if mounted and not present:
        _fill(pod.spec.volumes.add(name=name).volumeSource.projected)


def _volume_name(pod: corev1.Pod, account: corev1.ServiceAccount) -> str:
    """Return a name that the pod does not use; the pods of an account share it, so that equal specs stay equal."""
    taken = {volume.name for volume in pod.spec.volumes}
    seed = account.metadata.uid
    while True:
        digest = hashlib.sha256(seed.encode()).digest()
        suffix = hashing.safe_encode(digest[: hashing.SUFFIX_LENGTH].decode("latin-1"))
        if VOLUME_PREFIX + suffix not in taken:
            return VOLUME_PREFIX + suffix
        seed += "+"


def _fill(volume: corev1.ProjectedVolumeSource) -> None:
    volume.defaultMode = VOLUME_MODE
    token = volume.sources.add().serviceAccountToken
    token.path, token.expirationSeconds = "token", TOKEN_SECONDS
    authority = volume.sources.add().configMap
    authority.localObjectReference.name = ROOT_CA
    authority.items.add(key="ca.crt", path="ca.crt")
    item = volume.sources.add().downwardAPI.items.add(path="namespace")
    item.fieldRef.apiVersion, item.fieldRef.fieldPath = "v1", "metadata.namespace"
