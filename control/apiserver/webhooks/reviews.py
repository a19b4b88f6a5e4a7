"""AdmissionReview: what a webhook is asked, and what its answer means. Pure.

A request for a subresource names the resource as `resource` and the kind of what it carries as `kind`: a Scale of
apps/v1 deployments, the PodExecOptions of a connection.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control.apiserver import authn, wishes
from control.apiserver.admission import plugin
from fairlead.api import codec, errors, scheme, subresources
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
CODES = range(400, 600)  # with which a webhook may refuse; another is 400


class BadAnswer(Exception):
    """An answer that is no AdmissionReview to the question; worded as Kubernetes words it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A webhook's answer: `status` says why not; `patch` is a JSON patch, empty for none."""

    allowed: bool
    status: metav1.Status
    patch: bytes = b""
    warnings: Sequence[str] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


def review(request: plugin.Request, kind: scheme.Kind, uid: str, shown: Sequence[Any]) -> dict[str, Any]:
    """Return the AdmissionReview of a request; `shown` are its object and old object at the version of `kind`."""
    subresource, asked_as = request.subresource, request.asked or request.kind
    obj, old = (_presented(one, kind, subresource) for one in shown)
    asked = {
        "uid": uid,
        "kind": _kind(kind, subresource),
        "resource": _resource(kind),
        "requestKind": _kind(asked_as, subresource),
        "requestResource": _resource(asked_as),
        "name": request.name,
        "operation": request.operation,
        "userInfo": authn.info(request.user),
        "object": obj,
        "oldObject": old,
        "dryRun": request.dry_run,
        "options": _options(request),
    }
    itself = request.name if request.kind.message is corev1.Namespace else ""  # a namespace lies in itself
    if namespace := request.namespace or itself:
        asked["namespace"] = namespace
    if subresource:
        asked["subResource"] = asked["requestSubResource"] = subresource
    return {"apiVersion": API_VERSION, "kind": KIND, "request": asked}


def _kind(kind: scheme.Kind, subresource: str) -> dict[str, str]:
    api_version, named = subresources.carried(kind, subresource)
    group, _, version = api_version.rpartition("/")
    return {"group": group, "version": version, "kind": named}


def _resource(kind: scheme.Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "resource": kind.resource}


def _options(request: plugin.Request) -> dict[str, Any] | None:
    """Return a write's options; a connection has none beside its object."""
    if request.operation not in OPTIONS:
        return None
    told = codec.to_json(request.options) if request.options is not None else wishes.told()
    options = {**told, "apiVersion": "meta.k8s.io/v1", "kind": OPTIONS[request.operation]}
    if request.dry_run:
        options["dryRun"] = ["All"]
    return options


def _presented(obj: Any, kind: scheme.Kind, subresource: str) -> dict[str, Any] | None:
    """Return the JSON of what a request carries, with what says what it is; None for no object."""
    if obj is None:
        return None
    api_version, named = subresources.carried(kind, subresource)
    return {"apiVersion": api_version, "kind": named, **codec.to_json(obj)}


def verdict(answer: Any, uid: str) -> Verdict:
    """Return what an answer says; BadAnswer where it is none to this question."""
    answer = answer if isinstance(answer, dict) else {}
    if (answer.get("apiVersion"), answer.get("kind")) != (API_VERSION, KIND):
        got = f"{answer.get('apiVersion', '')}, Kind={answer.get('kind', '')}"
        raise BadAnswer(f"expected webhook response of {API_VERSION}, Kind={KIND}, got {got}")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise BadAnswer("webhook response was absent")
    if response.get("uid") != uid:
        raise BadAnswer(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    try:
        status = codec.from_json(response.get("status") or {}, metav1.Status, strict=False)
        patch = base64.b64decode(response.get("patch") or "", validate=True)
    except (codec.DecodeError, binascii.Error, TypeError) as error:
        raise BadAnswer(str(error)) from None
    type_ = response.get("patchType")
    if patch and not type_:
        raise BadAnswer("webhook returned response.patch but not response.patchType")
    if type_ and not patch:
        raise BadAnswer("webhook returned response.patchType but not response.patch")
    if type_ not in (None, "", "JSONPatch"):
        raise BadAnswer(f'webhook returned invalid response.patchType of "{type_}"')
    told = response.get("warnings")
    warnings = [str(one) for one in told] if isinstance(told, list) else []
    noted = response.get("auditAnnotations")
    annotations = {str(key): str(value) for key, value in noted.items()} if isinstance(noted, dict) else {}
    return Verdict(response.get("allowed") is True, status, patch, warnings, annotations)


def denial(name: str, status: metav1.Status) -> errors.ApiError:
    """Return the error of a request that a webhook denied."""
    subject = f'admission webhook "{name}" denied the request'
    told = metav1.Status()
    told.CopyFrom(status)
    if status.message:
        told.message = f"{subject}: {status.message}"
    elif status.reason:
        told.message = f"{subject}: {status.reason}"
    else:
        told.message = f"{subject} without explanation"
    known = errors.from_status(told)
    code = status.code if status.code in CODES else errors.BadRequest.code
    if not status.reason and code < 500 and isinstance(known, errors.InternalError):
        known = errors.BadRequest(told.message, causes=known.causes)
    # its own words, also where they fit to no class of ours
    known.code, known.reason = code, status.reason  # type: ignore[misc]
    return known
