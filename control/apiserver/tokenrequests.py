"""TokenRequests: tokens for service accounts, signed once the account and what they are bound to are found.

The subresource `token` comes here once plugins have changed what was posted; they may refuse it once it is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from control.apiserver import field, registry, tokens
from control.apiserver.admission import plugin
from control.store.entry import Entry
from fairlead.api import errors, scheme
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import core_v1_pb2 as corev1

KIND = ("authentication.k8s.io", "TokenRequest")


class TokenRequests:
    """Issues tokens; without an issuer every request is refused."""

    def __init__(
        self,
        registries: Callable[[scheme.Kind], registry.Registry],
        admission: plugin.Chain,
        now: Callable[[], float],
        issuer: tokens.Issuer | None,
    ) -> None:
        self._registries = registries
        self._admission = admission
        self._now = now
        self._issuer = issuer

    async def issue(self, request: plugin.Request) -> Entry:
        """Sign a token for a service account, bound to an object if the request names one."""
        if self._issuer is None:
            raise errors.NotImplementedByServer("this server has no service-account key")
        namespace, name, answer = request.namespace, request.name, request.obj
        assert isinstance(answer, authenticationv1.TokenRequest)
        _check_place(answer, namespace, name)
        entry = await self._registries(request.kind).get(namespace, name)
        account = entry.object
        assert isinstance(account, corev1.ServiceAccount)
        if not answer.spec.audiences:
            answer.spec.audiences.append(self._issuer.issuer)
        answer.metadata.name, answer.metadata.namespace = name, namespace
        answer.metadata.creationTimestamp.seconds = int(self._now())
        answer.ClearField("status")
        field.refuse(tokens.judge(answer), *KIND)
        await self._admission.validate(request)
        bound = await self._bound(namespace, name, answer.spec.boundObjectRef)
        seconds = answer.spec.expirationSeconds
        token, expires = self._issuer.issue(account, bound, list(answer.spec.audiences), seconds)
        answer.status.token = token
        answer.status.expirationTimestamp.seconds = expires
        return Entry(entry.key, entry.kind, answer, 0)

    async def _bound(
        self, namespace: str, account: str, reference: authenticationv1.BoundObjectReference
    ) -> tokens.Bound:
        """Return the object that a token is to be bound to."""
        if not reference.kind:
            return tokens.Bound()
        kinds = {"Pod": corev1.Pod, "Secret": corev1.Secret, "Node": corev1.Node}
        group, _, version = reference.apiVersion.rpartition("/")
        if group or reference.kind not in kinds:
            text = f"{group}/{version}, Kind={reference.kind}"
            raise errors.BadRequest(f"cannot bind token to object of type {text}")
        kind = scheme.DEFAULT.of(kinds[reference.kind])
        entry = await self._registries(kind).get(namespace if kind.namespaced else "", reference.name)
        obj: Any = entry.object
        if reference.uID and reference.uID != obj.metadata.uid:
            why = (
                f"the UID in the bound object reference ({reference.uID}) does not match the UID in record."
                " The object might have been deleted and then recreated"
            )
            raise errors.conflict("", kind.kind, reference.name, why)
        match obj:
            case corev1.Node():
                return tokens.Bound(node=obj)
            case corev1.Secret():
                return tokens.Bound(secret=obj)
        if obj.spec.serviceAccountName != account:
            text = (
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
            raise errors.BadRequest(text)
        return tokens.Bound(pod=obj, node=await self._node(obj.spec.nodeName))

    async def _node(self, name: str) -> corev1.Node | None:
        """Return the node that a pod is on, by its name alone where its object is gone."""
        if not name:
            return None
        try:
            entry = await self._registries(scheme.DEFAULT.of(corev1.Node)).get("", name, "0")
        except errors.NotFound:
            node = corev1.Node()
            node.metadata.name = name
            return node
        assert isinstance(entry.object, corev1.Node)
        return entry.object


def _check_place(request: authenticationv1.TokenRequest, namespace: str, name: str) -> None:
    """Refuse a request that says that it is for another account than the path does."""
    for key, own, place in (
        ("name", request.metadata.name, name),
        ("namespace", request.metadata.namespace, namespace),
    ):
        if own not in ("", place):
            fault = field.invalid(f"metadata.{key}", own, f"must match the service account {key} if specified")
            field.refuse([fault], *KIND, name)
