"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: judges outside of the server, asked over HTTPS.

Mutating webhooks are called one after the other, by their configurations' names, and may change the object by JSON
patches; validating ones are called at once, on what will be stored. Source: Kubernetes' documentation, "Dynamic
Admission Control".
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from google.protobuf.message import Message

from control.apiserver import authz, patching, warnings
from control.apiserver.admission import lookup, plugin
from control.apiserver.audit import event as audit
from control.apiserver.audit import policy as policies
from control.apiserver.webhooks import caller, conditions, matching, reviews
from control.store import cache as caches
from fairlead.api import codec, errors, scheme
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Patch, PatchType

DEFAULT_TIMEOUT_SECONDS = 10
IGNORE = "Ignore"
IF_NEEDED = "IfNeeded"
HARMLESS = frozenset({"None", "NoneOnDryRun"})
# Domains of what the audit log is told.
MUTATION = "mutation.webhook.admission.k8s.io"
VALIDATING = "validating.webhook.admission.k8s.io"
PATCH = "patch.webhook.admission.k8s.io"
SEEN = "webhooks"  # under which a request notes what each webhook has last seen


_log = logging.getLogger(__name__)


class Versions(Protocol):
    """The versions of kinds: the API server's catalogue."""

    def served(self) -> Sequence[scheme.Kind]:
        """Return the row of every version that is served."""
        ...

    async def convert(self, obj: Any, kind: scheme.Kind) -> Any:
        """Return an object at another version; what a subresource carries as it is."""
        ...

    def default(self, kind: scheme.Kind, obj: Any) -> None:
        """Fill in an object's defaults."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A webhook that a request concerns, and the version of the object that it wants.

    `index` counts all webhooks of all configurations, as the audit log does.
    """

    configuration: str
    index: int
    key: str
    hook: matching.Hook
    kind: scheme.Kind

    def place(self, request: plugin.Request) -> str:
        """Return how the audit log tells the call from others of a request: `round_0_index_2`."""
        return f"round_{int(request.reinvoked)}_index_{self.index}"


class Webhooks:
    """What both plugins do: find the webhooks of a request, and ask one; `domain` is theirs in the audit log."""

    def __init__(
        self,
        cache: caches.Cache,
        calls: caller.Caller,
        authorizer: authz.Authorizer,
        versions: Versions,
        domain: str,
    ) -> None:
        self.domain = domain
        self.versions = versions
        self._authorizer = authorizer
        self._namespaces = lookup.Lookup(cache, corev1.Namespace)
        self._calls = calls

    async def concerned(self, request: plugin.Request, configurations: Iterator[Any]) -> list[Call]:
        """Return the webhooks that a request concerns, in the order of their configurations' names."""
        if not matching.may_concern(request):
            return []
        found: list[Call] = []
        labels: Any = None
        others: list[scheme.Kind] | None = None
        index = -1
        for configuration in configurations:
            for hook in configuration.Webhooks:
                index += 1
                kind = matching.own_version(hook, request)
                if kind is None and hook.matchPolicy != matching.EXACT:
                    if others is None:
                        others = matching.other_versions(request, self.versions.served())
                    kind = matching.equivalent(hook, request, others)
                if kind is None:
                    continue
                if labels is None:
                    labels = [(await lookup.namespace_of(request, self._namespaces))[1]]
                if matching.selects(hook, request, labels[0]):
                    meta = configuration.metadata
                    found.append(Call(meta.name, index, f"{meta.uid}/{hook.name}", hook, kind))
        return found

    async def ask(self, request: plugin.Request, call: Call) -> reviews.Verdict | None:
        """Return a webhook's verdict; None where it gave none: its conditions do not hold, or it fails and may.

        What it says against the request, and a failure that is not to be ignored, is raised.
        """
        hook = call.hook
        shown = [await self._shown(one, call.kind) for one in (request.obj, request.old)]
        if not conditions.hold(hook, request, call.kind, shown, self._authorizer):
            return None
        if request.dry_run and hook.sideEffects not in HARMLESS:
            raise errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        uid = str(uuid.uuid4())
        seconds = hook.timeoutSeconds if hook.HasField("timeoutSeconds") else DEFAULT_TIMEOUT_SECONDS
        try:
            body = reviews.review(request, call.kind, uid, shown)
            verdict = reviews.verdict(await self._calls.post(hook.clientConfig, body, seconds), uid)
        except caller.Failure as error:
            self._let_pass(request, call, f"failed to call webhook: {error}")
            return None
        except reviews.BadAnswer as error:
            self._let_pass(request, call, f"received invalid webhook response: {error}")
            return None
        for key, value in verdict.annotations.items():
            audit.annotate(f"{hook.name}/{key}", value)
        for text in verdict.warnings:
            warnings.add(text)
        if not verdict.allowed:
            raise reviews.denial(hook.name, verdict.status)
        return verdict

    async def _shown(self, obj: Any, kind: scheme.Kind) -> Any:
        return await self.versions.convert(obj, kind) if obj is not None else None

    def _let_pass(self, request: plugin.Request, call: Call, why: str) -> None:
        """Let a failure pass that the webhook's configuration says to ignore, raise another."""
        hook = call.hook
        text = f'failed calling webhook "{hook.name}": {why}'
        if hook.failurePolicy != IGNORE:
            raise errors.InternalError(f"Internal error occurred: {text}", causes=[errors.Cause("", text, "")])
        _log.warning("ignored a webhook's failure", extra={"webhook": hook.name, "error": why})
        audit.annotate(f"failed-open.{self.domain}/{call.place(request)}", hook.name)


class MutatingAdmissionWebhook(plugin.Plugin):
    """Lets webhooks change what is written."""

    def __init__(
        self, cache: caches.Cache, calls: caller.Caller, authorizer: authz.Authorizer, versions: Versions
    ) -> None:
        self._webhooks = Webhooks(cache, calls, authorizer, versions, MUTATION)
        self._configurations = lookup.Lookup(cache, registrationv1.MutatingWebhookConfiguration)
        self._versions = versions

    async def admit(self, request: plugin.Request) -> None:
        """Ask each; the second time only those that want to see what has changed since."""
        for call in await self._webhooks.concerned(request, self._configurations.all()):
            seen: dict[str, Any] = request.notes.setdefault(SEEN, {})
            before = _state(request.obj)
            if request.reinvoked and not (_wants_again(call.hook) and seen.get(call.key, before) != before):
                continue
            verdict = await self._webhooks.ask(request, call)
            if verdict is not None and verdict.patch:
                await self._apply(request, call, verdict.patch)
            seen[call.key] = _state(request.obj)
            changed = seen[call.key] != before
            request.reinvoke = request.reinvoke or changed
            _note(f"{MUTATION}/{call.place(request)}", call, {"mutated": changed}, policies.Level.METADATA)

    async def _apply(self, request: plugin.Request, call: Call, patch: bytes) -> None:
        """Change the object as a webhook wants it, and give it the defaults of what that added."""
        if request.obj is None:
            text = f'admission webhook "{call.hook.name}" attempted to modify the object'
            raise errors.InternalError(f"Internal error occurred: {text}, which is not supported for this operation")
        presented = await self._versions.convert(request.obj, call.kind)
        try:
            patched = patching.apply(Patch(PatchType.JSON, patch), presented)
            changed = await self._versions.convert(patched, request.kind)
        except errors.ApiError as error:
            raise errors.InternalError(f"Internal error occurred: {error.message}") from None
        _replace(request.obj, changed)
        told = {"patch": orjson.loads(patch), "patchType": "JSONPatch"}
        _note(f"{PATCH}/{call.place(request)}", call, told, policies.Level.REQUEST)
        if not request.subresource:
            self._versions.default(request.kind, request.obj)


def _note(key: str, call: Call, told: dict[str, Any], level: policies.Level) -> None:
    """Let the audit log know what a mutating webhook did."""
    value = {"configuration": call.configuration, "webhook": call.hook.name, **told}
    audit.annotate(key, orjson.dumps(value).decode(), level)


def _wants_again(hook: matching.Hook) -> bool:
    return isinstance(hook, registrationv1.MutatingWebhook) and hook.reinvocationPolicy == IF_NEEDED


def _replace(obj: Any, changed: Any) -> None:
    """Make an object equal to another: the registry holds on to the one that it asked about."""
    if isinstance(obj, Message):
        obj.CopyFrom(changed)
    else:
        obj.metadata, obj.content = changed.metadata, changed.content


def _state(obj: Any) -> Any:
    return codec.dumps(obj) if obj is not None else None


class ValidatingAdmissionWebhook(plugin.Plugin):
    """Lets webhooks refuse what is written."""

    def __init__(
        self, cache: caches.Cache, calls: caller.Caller, authorizer: authz.Authorizer, versions: Versions
    ) -> None:
        self._webhooks = Webhooks(cache, calls, authorizer, versions, VALIDATING)
        self._configurations = lookup.Lookup(cache, registrationv1.ValidatingWebhookConfiguration)

    async def validate(self, request: plugin.Request) -> None:
        """Ask all at once; of several refusals the first configuration's is given."""
        concerned = await self._webhooks.concerned(request, self._configurations.all())
        asked = [self._webhooks.ask(request, call) for call in concerned]
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
