"""AdmissionReview: what a webhook is asked, and what its answer means. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from control.apiserver import authn
from control.apiserver.admission import plugin
from fairlead.api import codec, conversion, errors, scheme
from fairlead.api.pb import meta_v1_pb2 as metav1

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


class BadAnswer(Exception):
    """An answer that is no AdmissionReview to the question; worded as Kubernetes words it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A webhook's answer: `status` says why not; `patch` is a JSON patch, empty for none."""

    allowed: bool
    status: metav1.Status
    patch: bytes = b""
    warnings: Sequence[str] = ()


def review(request: plugin.Request, kind: scheme.Kind, uid: str) -> dict[str, Any]:
    """Return the AdmissionReview of a request, its objects in the version that a webhook wants."""
    options: dict[str, Any] = {"apiVersion": "meta.k8s.io/v1", "kind": OPTIONS.get(request.operation, "")}
    if request.dry_run:
        options["dryRun"] = ["All"]
    asked = {
        "uid": uid,
        "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "resource": {"group": kind.group, "version": kind.version, "resource": kind.resource},
        "requestKind": {"group": request.kind.group, "version": request.kind.version, "kind": request.kind.kind},
        "requestResource": {
            "group": request.kind.group,
            "version": request.kind.version,
            "resource": request.kind.resource,
        },
        "name": request.name,
        "operation": request.operation,
        "userInfo": _user(request.user),
        "object": presented(request.obj, kind),
        "oldObject": presented(request.old, kind),
        "dryRun": request.dry_run,
        "options": options,
    }
    if request.namespace:
        asked["namespace"] = request.namespace
    if request.subresource:
        asked["subResource"] = asked["requestSubResource"] = request.subresource
    return {"apiVersion": API_VERSION, "kind": KIND, "request": asked}


def _user(user: authn.User) -> dict[str, Any]:
    told: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        told["uid"] = user.uid
    if user.extra:
        told["extra"] = {key: list(values) for key, values in user.extra}
    return told


def presented(obj: Any, kind: scheme.Kind) -> dict[str, Any] | None:
    """Return an object's JSON in a version, with what says what it is; None for no object."""
    if obj is None:
        return None
    converted = conversion.from_hub(obj, kind)
    return {"apiVersion": kind.api_version, "kind": kind.kind, **codec.to_json(converted)}


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
    return Verdict(response.get("allowed") is True, status, patch, warnings)


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
    if not status.reason and status.code < 500 and isinstance(known, errors.InternalError):
        return errors.BadRequest(told.message, causes=known.causes)
    return known
