"""The conversion webhook of a definition: ConversionReview over HTTPS, and what its answer must be.

Source: Kubernetes' documentation, "Versions in CustomResourceDefinitions", webhook conversion.
"""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from control.apiserver.custom import views
from control.store import cache as caches
from fairlead.api import codec, custom, errors, objects, scheme
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1
from fairlead.api.pb import core_v1_pb2 as corev1

TIMEOUT_SECONDS = 30.0  # Kubernetes' for conversion webhooks
MAX_ANSWER_BYTES = 64 * 1024 * 1024
REVIEW_VERSIONS = ("v1", "v1beta1")
GROUP = "apiextensions.k8s.io"
KEPT = ("name", "namespace", "uid")  # of the metadata, which a webhook must not change
SERVICES = scheme.DEFAULT.of(corev1.Service)


class _Failure(Exception):
    """Why a conversion failed, in the words that follow `conversion webhook for … `."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a webhook listens: what to connect to, and the name that its certificate must have."""

    url: str
    server_name: str | None = None


def converter_of(definition: custom.Definition, cache: caches.Cache) -> views.Converter:
    """Return the converter that a definition asks for."""
    conversion = definition.spec.conversion
    return Webhook(conversion.webhook, cache) if conversion.strategy == "Webhook" else views.Renaming()


class Webhook:
    """The conversion strategy Webhook: all objects of a read go in one request."""

    def __init__(self, webhook: apiextensionsv1.WebhookConversion, cache: caches.Cache) -> None:
        self._config = webhook.clientConfig
        self._cache = cache
        self._tls: ssl.SSLContext | None = None
        offered = [version for version in webhook.conversionReviewVersions if version in REVIEW_VERSIONS]
        self._version = f"{GROUP}/{offered[0]}" if offered else ""

    async def convert(
        self, some: Sequence[objects.Unstructured], kind: scheme.Kind
    ) -> Sequence[objects.Unstructured]:
        """Return fresh objects of the kind's version; errors.InternalError with what went wrong, as Kubernetes."""
        before = some[0].kind
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
            answer = orjson.loads(await self._post(orjson.dumps(review)))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _Failure(f"failed: {str(error) or 'context deadline exceeded'}") from None
        return _converted(answer, uid, self._version)

    async def _post(self, body: bytes) -> bytes:
        address = self._address()
        if self._tls is None:
            authority = self._config.caBundle.decode() or None
            self._tls = ssl.create_default_context(cadata=authority)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                address.url,
                data=body,
                headers=headers,
                ssl=self._tls,
                server_hostname=address.server_name,
                allow_redirects=False,
            ) as response,
        ):
            content = await response.content.read(MAX_ANSWER_BYTES)
            if response.status != 200:
                raise _Failure(f"failed: the server responded with the status code {response.status}")
            return content

    def _address(self) -> Address:
        """Return where the webhook listens; a Service is reached by its address, under its name in DNS."""
        if not self._config.HasField("service"):
            return Address(self._config.url)
        service = self._config.service
        port = service.port if service.HasField("port") else 443
        entry = self._cache.get(SERVICES, service.namespace, service.name)
        if entry is None:
            raise _Failure(f'failed: service "{service.name}" not found')
        found: Any = entry.object
        host = found.spec.externalName if found.spec.type == "ExternalName" else found.spec.clusterIP
        path = "/" + service.path.lstrip("/")
        return Address(f"https://{host}:{port}{path}", f"{service.name}.{service.namespace}.svc")


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
