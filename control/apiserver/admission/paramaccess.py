"""The guard of parameters: nobody lets a ValidatingAdmissionPolicy read for him what he may not read himself.

What a policy says of a request may quote its parameters. Kubernetes does this in the storage of these kinds; here it
is a plugin of the chain, beside the guard of roles.
"""

from __future__ import annotations

from control.apiserver import authn, authz, field
from control.apiserver.admission import lookup, plugin
from control.store import cache as caches
from fairlead.api import errors, scheme
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

Binding = registrationv1.ValidatingAdmissionPolicyBinding
Policy = registrationv1.ValidatingAdmissionPolicy
ANY = "*"


class ParamAccess(plugin.Plugin):
    """Judges writes of policies with a paramKind and of bindings with a paramRef."""

    def __init__(self, cache: caches.Cache, judge: authz.Authorizer) -> None:
        self._cache = cache
        self._judge = judge
        self._policies = lookup.Lookup(cache, Policy)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse parameters that the writer may not read."""
        if request.subresource or authn.MASTERS in request.user.groups:
            return
        match request.obj:
            case Policy() as policy if policy.spec.HasField("paramKind"):
                self._policy(request, policy.spec.paramKind)
            case Binding() as binding if binding.spec.HasField("paramRef"):
                await self._binding(request, binding)

    def _policy(self, request: plugin.Request, kind: registrationv1.ParamKind) -> None:
        """Ask for all objects of the kind: a binding may choose any."""
        if request.old is not None and request.old.spec.HasField("paramKind") and request.old.spec.paramKind == kind:
            return
        group, resource = self._resource(kind)
        if not self._may(request.user, "get", (group, resource), ANY, ANY):
            text = 'must have "get" permission on all objects of the referenced paramKind'
            why = f"user {_shown(request.user)} {text} (kind={kind.kind}, apiVersion={kind.apiVersion})"
            raise _refusal(request, "spec.paramKind", why)

    async def _binding(self, request: plugin.Request, binding: Binding) -> None:
        """Ask for the object that is named, or for the list that a selector chooses from."""
        spec, old = binding.spec, request.old.spec if request.old is not None else Binding().spec
        if old.policyName == spec.policyName and old.HasField("paramRef") and old.paramRef == spec.paramRef:
            return
        policy, reference = await self._policies.find(spec.policyName), spec.paramRef
        named = policy is not None and policy.spec.HasField("paramKind")
        target = self._resource(policy.spec.paramKind) if policy is not None and named else (ANY, ANY)
        verb = "get" if reference.name else "list"
        if not self._may(request.user, verb, target, reference.namespace, reference.name):
            text = f'does not have "{verb}" permission on the object referenced by paramRef'
            raise _refusal(request, "spec.paramRef", f"user {_shown(request.user)} {text}")

    def _resource(self, kind: registrationv1.ParamKind) -> tuple[str, str]:
        """Return group and resource of a kind; any resource of the group where nothing of the name is served."""
        group = kind.apiVersion.rpartition("/")[0]
        try:
            return group, self._cache.scheme.by_kind(kind.apiVersion, kind.kind).resource
        except scheme.UnknownKind:
            return group, ANY

    def _may(self, user: authn.User, verb: str, target: tuple[str, str], namespace: str, name: str) -> bool:
        group, resource = target
        asked = authz.Attributes(user, verb, group, resource, "", namespace, name)
        return self._judge.authorize(asked).allowed


def _refusal(request: plugin.Request, path: str, why: str) -> errors.ApiError:
    kind = request.kind
    return errors.invalid(kind.group, kind.kind, request.name, [field.forbidden(path, why)])


def _shown(user: authn.User) -> str:
    """Return a user as Go prints it."""
    extra = " ".join(f"{key}:[{' '.join(values)}]" for key, values in sorted(user.extra))
    return f"&{{{user.name} {user.uid} [{' '.join(user.groups)}] map[{extra}]}}"
