"""Rules on CustomResourceDefinitions: names, versions, conversion, subresources, columns. Pure.

Where all versions have the same schema, subresources or columns, Kubernetes speaks of them at the top of the spec
(`spec.validation`), and so does this. Source: Kubernetes' documentation, "CustomResourceDefinition versioning".
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from control.apiserver import field
from control.apiserver.validation import structural
from fairlead.api import codec, custom, names
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1

Definition = apiextensionsv1.CustomResourceDefinition
Version = apiextensionsv1.CustomResourceDefinitionVersion

REVIEW_VERSIONS = ("v1", "v1beta1")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = (
    "byte", "date", "date-time", "double", "float", "int32", "int64", "password",
)  # fmt: skip
_SIMPLE_PATH = re.compile(r"(\.[A-Za-z0-9_$-]+|\['[^']*'\])+", re.ASCII)
_IMMUTABLE = "field is immutable"


def validate(definition: Definition) -> field.Faults:
    """Judge a new definition."""
    spec = definition.spec
    faults: field.Faults = []
    if definition.metadata.name != f"{spec.names.plural}.{spec.group}":
        text = 'must be spec.names.plural+"."+spec.group'
        faults.append(field.invalid("metadata.name", definition.metadata.name, text))
    faults += _approval(definition)
    faults += _group_and_scope(spec)
    faults += _versions(spec)
    faults += _names(spec.names, "spec.names", complete=True)
    faults += _conversion(spec)
    if spec.preserveUnknownFields:
        text = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        faults.append(field.invalid("spec.preserveUnknownFields", True, text))
    faults += _schemas(spec)
    for place, version in _places(spec, "subresources", lambda each: each.subresources):
        faults += _subresources(version, place)
    for place, version in _places(spec, "additionalPrinterColumns", lambda each: list(each.additionalPrinterColumns)):
        faults += _columns(version, place)
    for place, version in _places(spec, "selectableFields", lambda each: list(each.selectableFields)):
        faults += _selectable(version, place)
    return faults


def validate_update(definition: Definition, old: Definition) -> field.Faults:
    """Judge a changed definition."""
    faults = validate(definition)
    spec, before = definition.spec, old.spec
    compared = [("group", spec.group, before.group), ("names.plural", spec.names.plural, before.names.plural)]
    if custom.is_true(old, custom.ESTABLISHED):
        compared += [("scope", spec.scope, before.scope), ("names.kind", spec.names.kind, before.names.kind)]
    for name, now, then in compared:
        if now != then:
            faults.append(field.invalid(f"spec.{name}", now, _IMMUTABLE))
    return faults + stored_versions(definition)


def validate_status(definition: Definition) -> field.Faults:
    """Judge a changed status."""
    faults = _names(definition.status.acceptedNames, "status.acceptedNames", complete=False)
    return faults + stored_versions(definition)


def stored_versions(definition: Definition) -> field.Faults:
    """Judge that no version goes at which objects may lie in etcd."""
    known = {version.name for version in definition.spec.versions}
    return [
        field.invalid(f"status.storedVersions[{index}]", version, "must appear in spec.versions")
        for index, version in enumerate(definition.status.storedVersions)
        if version not in known
    ]


def _approval(definition: Definition) -> field.Faults:
    """Judge that a group of Kubernetes' own is meant: a URL of the approval, or a word on why there is none."""
    if not custom.is_protected(definition.spec.group):
        return []
    path = f"metadata.annotations[{custom.APPROVAL}]"
    value = definition.metadata.annotations.get(custom.APPROVAL, "")
    if not value:
        text = (
            f'protected groups must have approval annotation "{custom.APPROVAL}",'
            " see https://github.com/kubernetes/enhancements/pull/1111"
        )
        return [field.required(path, text)]
    parsed = urllib.parse.urlsplit(value)
    if value.startswith("unapproved") or (parsed.scheme and parsed.netloc):
        return []
    text = (
        f'protected groups must have approval annotation "{custom.APPROVAL}" with either a URL or a reason starting'
        ' with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
    )
    return [field.invalid(path, value, text)]


def _group_and_scope(spec: Any) -> field.Faults:
    faults: field.Faults = []
    if not spec.group:
        faults.append(field.required("spec.group"))
    elif found := names.dns_subdomain(spec.group):
        faults.append(field.invalid("spec.group", spec.group, ",".join(found)))
    elif "." not in spec.group:
        faults.append(field.invalid("spec.group", spec.group, "should be a domain with at least one dot"))
    elif custom.stores_over_built_in(spec):
        faults.append(field.invalid("spec.names.plural", spec.names.plural, "is a built-in resource of this group"))
    if not spec.scope:
        faults.append(field.required("spec.scope"))
    elif spec.scope not in (custom.CLUSTER, custom.NAMESPACED):
        faults.append(field.unsupported("spec.scope", spec.scope, (custom.CLUSTER, custom.NAMESPACED)))
    return faults


def _versions(spec: Any) -> field.Faults:
    faults: field.Faults = []
    for index, version in enumerate(spec.versions):
        at = f"spec.versions[{index}]"
        if found := names.dns_1035_label(version.name):
            faults.append(field.invalid(f"{at}.name", version.name, ",".join(found)))
        if version.HasField("deprecationWarning"):
            faults += _deprecation(version, at)
    listed = [version.name for version in spec.versions]
    shown = json.dumps(listed, separators=(",", ":"))
    if len(set(listed)) != len(listed):
        text = f"Invalid value: {shown}: must contain unique version names"
        faults.append(field.Cause("FieldValueInvalid", text, "spec.versions"))
    if sum(version.storage for version in spec.versions) != 1:
        text = f"Invalid value: {shown}: must have exactly one version marked as storage version"
        faults.append(field.Cause("FieldValueInvalid", text, "spec.versions"))
    return faults


def _deprecation(version: Version, at: str) -> field.Faults:
    text, path = version.deprecationWarning, f"{at}.deprecationWarning"
    if not version.deprecated:
        return [field.invalid(path, text, "can only be set for deprecated versions")]
    faults: field.Faults = []
    if not text:
        faults.append(field.invalid(path, text, "must not be empty"))
    elif len(text) > 256:
        faults.append(field.invalid(path, text, "must be <= 256 characters long"))
    elif not text.isprintable():
        faults.append(field.invalid(path, text, "must only contain printable UTF-8 characters"))
    return faults


def _names(named: Any, path: str, *, complete: bool) -> field.Faults:
    faults: field.Faults = []
    if complete:
        for name in ("plural", "singular", "kind", "listKind"):
            if not getattr(named, name):
                faults.append(field.required(f"{path}.{name}"))
    for name in ("plural", "singular"):
        value = getattr(named, name)
        if value and (found := names.dns_1035_label(value)):
            faults.append(field.invalid(f"{path}.{name}", value, ",".join(found)))
    for name in ("kind", "listKind"):
        value = getattr(named, name)
        if value and (found := names.dns_1035_label(value.lower())):
            text = f"may have mixed case, but should otherwise match: {','.join(found)}"
            faults.append(field.invalid(f"{path}.{name}", value, text))
    for name in ("shortNames", "categories"):
        for index, value in enumerate(getattr(named, name)):
            if found := names.dns_1035_label(value):
                faults.append(field.invalid(f"{path}.{name}[{index}]", value, ",".join(found)))
    if named.kind and named.kind == named.listKind:
        text = "kind and listKind may not be the same"
        faults.append(field.invalid(f"{path}.listKind", named.listKind, text))
    return faults


def _conversion(spec: Any) -> field.Faults:
    conversion, path = spec.conversion, "spec.conversion"
    if not conversion.strategy:
        return [field.required(f"{path}.strategy")]
    if conversion.strategy not in ("None", "Webhook"):
        return [field.unsupported(f"{path}.strategy", conversion.strategy, ("None", "Webhook"))]
    if conversion.strategy == "None":
        if conversion.HasField("webhook") and conversion.webhook.HasField("clientConfig"):
            text = "should not be set when strategy is not set to Webhook"
            return [field.forbidden(f"{path}.webhookClientConfig", text)]
        return []
    config, faults = conversion.webhook.clientConfig, list[field.Cause]()
    if not conversion.webhook.HasField("clientConfig"):
        faults.append(field.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook"))
    elif config.HasField("url") == config.HasField("service"):
        faults.append(field.required(f"{path}.webhookClientConfig", "exactly one of url or service is required"))
    elif config.HasField("url"):
        if not config.url.startswith("https://"):
            scheme = config.url.partition("://")[0] if "://" in config.url else ""
            text = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
            faults.append(field.invalid(f"{path}.webhookClientConfig.url", scheme, text))
    else:
        for name in ("name", "namespace"):
            if not getattr(config.service, name):
                faults.append(field.required(f"{path}.webhookClientConfig.service.{name}"))
    versions = list(conversion.webhook.conversionReviewVersions)
    if not versions:
        faults.append(field.required(f"{path}.conversionReviewVersions"))
    elif not set(versions) & set(REVIEW_VERSIONS):
        text = f"must include at least one of {', '.join(REVIEW_VERSIONS)}"
        shown = json.dumps(versions, separators=(",", ":"))
        fault = f"Invalid value: {shown}: {text}"
        faults.append(field.Cause("FieldValueInvalid", fault, f"{path}.conversionReviewVersions"))
    return faults


def _places(spec: Any, name: str, part: Callable[[Version], Any]) -> Iterator[tuple[str, Version]]:
    """Iterate over versions and where Kubernetes' errors place a part of them: once if all have the same."""
    versions = list(spec.versions)
    if versions and all(part(each) == part(versions[0]) for each in versions):
        yield f"spec.{name}", versions[0]
        return
    for index, each in enumerate(versions):
        yield f"spec.versions[{index}].{name}", each


def _schemas(spec: Any) -> field.Faults:
    faults: field.Faults = []
    missing = [not version.schema.HasField("openAPIV3Schema") for version in spec.versions]
    for index, is_missing in enumerate(missing):
        if is_missing:
            at = f"spec.versions[{index}].schema.openAPIV3Schema"
            faults.append(field.required(at, "schemas are required"))
    if faults:
        return faults
    for place, version in _places(spec, "validation", lambda each: each.schema):
        at = place.replace("].validation", "].schema")
        written = codec.to_json(version.schema.openAPIV3Schema)
        faults += structural.validate(written, f"{at}.openAPIV3Schema")
    return faults


def _subresources(version: Version, path: str) -> field.Faults:
    if not version.subresources.HasField("scale"):
        return []
    faults: field.Faults = []
    scale = version.subresources.scale
    asked = (
        ("specReplicasPath", ".spec", True),
        ("statusReplicasPath", ".status", True),
        ("labelSelectorPath", ".status", False),
    )
    for name, root, is_needed in asked:
        value, at = getattr(scale, name), f"{path}.scale.{name}"
        if not value:
            faults += [field.required(at)] if is_needed else []
        elif found := _simple_path(value, at):
            faults += found
        elif not value.startswith(f"{root}.") and not (name == "labelSelectorPath" and value.startswith(".spec.")):
            under = ".status or .spec" if name == "labelSelectorPath" else root
            faults.append(field.invalid(at, value, f"should be a json path under {under}"))
    return faults


def _simple_path(value: str, path: str) -> field.Faults:
    if not value:
        return [field.invalid(path, value, "must not be empty")]
    if not value.startswith("."):
        return [field.invalid(path, value, "must be a simple json path starting with .")]
    if value != "." and not _SIMPLE_PATH.fullmatch(value):
        return [field.invalid(path, value, "must be a json path in the dot notation")]
    return []


def _columns(version: Version, path: str) -> field.Faults:
    faults: field.Faults = []
    for index, column in enumerate(version.additionalPrinterColumns):
        at = f"{path}[{index}]"
        if not column.name:
            faults.append(field.required(f"{at}.name"))
        if not column.type:
            faults.append(field.required(f"{at}.type", f"must be one of {','.join(COLUMN_TYPES)}"))
        elif column.type not in COLUMN_TYPES:
            text = f"must be one of {','.join(COLUMN_TYPES)}"
            faults.append(field.invalid(f"{at}.type", column.type, text))
        if column.format and column.format not in COLUMN_FORMATS:
            text = f"must be one of {','.join(COLUMN_FORMATS)}"
            faults.append(field.invalid(f"{at}.format", column.format, text))
        if not column.jsonPath:
            faults.append(field.required(f"{at}.jsonPath"))
    return faults


def _selectable(version: Version, path: str) -> field.Faults:
    faults: field.Faults = []
    seen: set[str] = set()
    for index, selectable in enumerate(version.selectableFields):
        at, value = f"{path}[{index}].jsonPath", selectable.jsonPath
        if not value:
            faults.append(field.required(at))
            continue
        if value in seen:
            faults.append(field.duplicate(at, value))
        seen.add(value)
        if not _SIMPLE_PATH.fullmatch(value) or "[" in value:
            text = "is an invalid path: must be a simple json path in the dot notation"
            faults.append(field.invalid(at, value, text))
    return faults
