"""Rules that webhooks of admission and conversion have in common: where they are, which reviews they read. Pure."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from cryptography import x509

from control.apiserver import field, notation
from control.apiserver.validation import names

REVIEWS = ("v1", "v1beta1")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
URL_FORM = "; desired format: https://host[/path]"


def client(config: Any, path: str) -> field.Faults:
    """Judge how a webhook is reached: by its URL or through a Service."""
    if config.HasField("url") == config.HasField("service"):
        return [field.required(path, "exactly one of url or service is required")]
    if config.HasField("url"):
        return _url(f"{path}.url", config.url)
    return _service(f"{path}.service", config.service)


def _url(path: str, text: str) -> field.Faults:
    try:
        url = urllib.parse.urlsplit(text)
    except ValueError as error:
        return [field.required(path, f"url must be a valid URL: {error}{URL_FORM}")]
    faults: field.Faults = []
    if url.scheme != "https":
        faults.append(field.invalid(path, url.scheme, f"'https' is the only allowed URL scheme{URL_FORM}"))
    user, at, host = url.netloc.rpartition("@")
    if not host:
        faults.append(field.invalid(path, "", f"host must be specified{URL_FORM}"))
    if at:
        faults.append(field.invalid(path, user, "user information is not permitted in the URL"))
    if url.fragment:
        faults.append(field.invalid(path, url.fragment, "fragments are not permitted in the URL"))
    if url.query:
        faults.append(field.invalid(path, url.query, "query parameters are not permitted in the URL"))
    return faults


def _service(path: str, service: Any) -> field.Faults:
    faults: field.Faults = []
    if not service.namespace:  # Kubernetes blames the other of the two (kubernetes/kubernetes#141353)
        faults.append(field.required(f"{path}.name", "service name is required"))
    if not service.name:
        faults.append(field.required(f"{path}.namespace", "service namespace is required"))
    if found := names.port(service.port):
        faults.append(field.invalid(f"{path}.port", service.port, f"port is not valid: {', '.join(found)}"))
    urlpath = service.path if service.HasField("path") else ""
    if urlpath in ("", "/"):
        return faults
    at = f"{path}.path"
    if urlpath == "//":
        return [*faults, field.invalid(at, urlpath, "segment[0] may not be empty")]
    if not urlpath.startswith("/"):
        faults.append(field.invalid(at, urlpath, "must start with a '/'"))
    for index, step in enumerate(urlpath[1:].removesuffix("/").split("/")):
        if not step:
            faults.append(field.invalid(at, urlpath, f"segment[{index}] may not be empty"))
        else:
            faults += field.invalids(at, urlpath, [f"segment[{index}]: {one}" for one in names.subdomain(step)])
    return faults


def bundle(certificates: bytes, path: str) -> field.Faults:
    """Judge certificates of authorities: at least one can be read."""
    blocks = [found for found in _BLOCK.finditer(certificates) if found[1] == b"CERTIFICATE"]
    for found in blocks:
        try:
            x509.load_pem_x509_certificate(found[0])
        except ValueError:
            continue
        return []
    why = "unable to parse bytes as PEM block"
    if blocks:
        why = "failed to parse certificate: x509: malformed certificate"
    shown = field.Raw(f"[]byte{{{', '.join(f'{each:#x}' for each in certificates)}}}")
    return [field.invalid(path, shown, f"unable to load root certificates: {why}")]


def reviews(versions: Sequence[str], path: str, needed: str = "") -> field.Faults:
    """Judge the versions of reviews that a webhook reads; `needed` tells what is said where there are none."""
    if not versions:
        return [field.required(path, needed)]
    faults: field.Faults = []
    again = field.repeats(versions)
    for index, version in enumerate(versions):
        if index in again:
            faults.append(field.invalid(f"{path}[{index}]", version, "duplicate version"))
        else:
            faults += field.invalids(f"{path}[{index}]", version, names.label_1035(version))
    if not set(versions) & set(REVIEWS):
        text = f"must include at least one of {', '.join(REVIEWS)}"
        faults.append(field.invalid(path, notation.strings(versions), text))
    return faults
