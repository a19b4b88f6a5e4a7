"""The conversion webhook of a definition: ConversionReview over HTTPS, and what its answer must be.

Source: Kubernetes' documentation, "Versions in CustomResourceDefinitions", webhook conversion.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from control.apiserver.custom import views
from control.apiserver.webhooks import caller
from fairlead.api import codec, custom, errors, objects, scheme
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1

TIMEOUT_SECONDS = 30  # Kubernetes' for conversion webhooks
REVIEW_OBJECTS = 500  # in one request; a page of a list, so that answers stay bounded
REVIEW_VERSIONS = ("v1", "v1beta1")
GROUP = "apiextensions.k8s.io"
KEPT = ("name", "namespace", "uid")  # of the metadata, which a webhook must not change


class _Failure(Exception):
    """Why a conversion failed, in the words that follow `conversion webhook for … `."""


def converter_of(definition: custom.Definition, calls: caller.Caller) -> views.Converter:
    """Return the converter that a definition asks for."""
    conversion = definition.spec.conversion
    return Webhook(conversion.webhook, calls) if conversion.strategy == "Webhook" else views.Renaming()


class Webhook:
    """The conversion strategy Webhook: the objects of a read go together, a page in each request."""

    def __init__(self, webhook: apiextensionsv1.WebhookConversion, calls: caller.Caller) -> None:
        self._config: Any = webhook.clientConfig  # has the same fields as those of admission webhooks
        self._calls = calls
        offered = [version for version in webhook.conversionReviewVersions if version in REVIEW_VERSIONS]
        self._version = f"{GROUP}/{offered[0]}" if offered else ""

    async def convert(
        self, some: Sequence[objects.Unstructured], kind: scheme.Kind
    ) -> Sequence[objects.Unstructured]:
        """Return fresh objects of the kind's version; errors.InternalError with what went wrong, as Kubernetes."""
        before = some[0].kind
        if len(some) > REVIEW_OBJECTS:
            first, rest = some[:REVIEW_OBJECTS], some[REVIEW_OBJECTS:]
            return [*(await self.convert(first, kind)), *(await self.convert(rest, kind))]
        try:
            answer = await self._ask(some, kind.api_version)
            if len(answer) != len(some):
                raise _Failure(f"returned {len(answer)} objects, expected {len(some)}")
            pairs = enumerate(zip(some, answer, strict=True))
            return [_restored(index, old, new, kind) for index, (old, new) in pairs]
        except _Failure as error:
            subject = f"conversion webhook for {before.api_version}, Kind={before.kind}"
            raise errors.InternalError(f"Internal error occurred: {subject} {error}") from None

    async def _ask(self, some: Sequence[objects.Unstructured], desired: str) -> list[Any]:
        uid = str(uuid.uuid4())
        review = {
            "apiVersion": self._version,
            "kind": "ConversionReview",
            "request": {
                "uid": uid,
                "desiredAPIVersion": desired,
                "objects": [codec.to_json(each) for each in some],
            },
        }
        try:
            answer = await self._calls.post(self._config, review, TIMEOUT_SECONDS)
        except caller.Failure as error:
            raise _Failure(f"failed: {error}") from None
        return _converted(answer, uid, self._version)


def _converted(answer: Any, uid: str, version: str) -> list[Any]:
    """Return the objects of a ConversionReview; _Failure where it is none, or says that it failed."""
    answer = answer if isinstance(answer, dict) else {}
    if (answer.get("kind"), answer.get("apiVersion")) != ("ConversionReview", version):
        got = f"{answer.get('apiVersion', '')}, Kind={answer.get('kind', '')}"
        raise _Failure(f"failed: expected webhook response of {version}, Kind=ConversionReview, got {got}")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise _Failure("failed: no response provided")
    if response.get("uid") != uid:
        raise _Failure(f'failed: expected response.uid="{uid}", got "{response.get("uid", "")}"')
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "Success":
        message = result.get("message") or f"response.result.status was '{result.get('status', '')}', not 'Success'"
        raise _Failure(f"failed: {message}")
    converted = response.get("convertedObjects")
    return converted if isinstance(converted, list) else []


def _restored(index: int, old: objects.Unstructured, new: Any, kind: scheme.Kind) -> objects.Unstructured:
    """Return a converted object with its metadata as it was, but for labels and annotations."""
    wrong = f"returned invalid converted object at index {index}"
    if not isinstance(new, dict):
        raise _Failure(f"{wrong}: expected an object")
    if new.get("apiVersion") != kind.api_version:
        got = new.get("apiVersion")
        raise _Failure(f"{wrong}: invalid groupVersion (expected {kind.api_version}, received {got})")
    if new.get("kind") != kind.kind:
        raise _Failure(f"{wrong}: invalid kind (expected {kind.kind}, received {new.get('kind')})")
    try:
        made = codec.decode_custom(new, kind)
    except codec.DecodeError as error:
        raise _Failure(f"{wrong}: {error}") from None
    for name in KEPT:
        expected, got = getattr(old.metadata, name), getattr(made.metadata, name)
        if expected != got:
            raise _Failure(f"{wrong}: must have the same {name}: {expected} != {got}")
    metadata = old.copied().metadata
    for name in ("labels", "annotations"):
        getattr(metadata, name).clear()
        getattr(metadata, name).update(getattr(made.metadata, name))
    made.metadata = metadata
    return made
