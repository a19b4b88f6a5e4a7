"""Rules on CustomResourceDefinitions: names, versions, conversion, subresources, columns. Pure.

Where all versions have the same schema, subresources or columns, Kubernetes speaks of them at the top of the spec
(`spec.validation`), and so does this. Source: Kubernetes' documentation, "CustomResourceDefinition versioning".
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any

from control.apiserver import field, notation
from control.apiserver.structural import paths
from control.apiserver.structural import schema as schemas
from control.apiserver.validation import structural, webhooks
from fairlead.api import codec, custom, names
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1

Definition = apiextensionsv1.CustomResourceDefinition
Version = apiextensionsv1.CustomResourceDefinitionVersion

MAX_SELECTABLE = 8
MAX_WARNING_BYTES = 256
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = (
    "byte", "date", "date-time", "double", "float", "int32", "int64", "password",
)  # fmt: skip
_SIMPLE_PATH = re.compile(r"(\.[A-Za-z0-9_$-]+|\['[^']*'\])+", re.ASCII)
_IMMUTABLE = "field is immutable"


def validate(definition: Definition) -> field.Faults:
    """Judge a new definition."""
    faults: field.Faults = []
    if definition.metadata.name != f"{definition.spec.names.plural}.{definition.spec.group}":
        text = 'must be spec.names.plural+"."+spec.group'
        faults.append(field.invalid("metadata.name", definition.metadata.name, text))
    return faults + _spec(definition.spec) + _rest(definition)


def validate_update(definition: Definition, old: Definition) -> field.Faults:
    """Judge a changed definition."""
    faults = _spec(definition.spec, judges_bundle=not may_have_bad_bundle(old))
    spec, before = definition.spec, old.spec
    compared = [("group", spec.group, before.group), ("names.plural", spec.names.plural, before.names.plural)]
    if custom.is_true(old, custom.ESTABLISHED):
        kept = [("scope", spec.scope, before.scope), ("names.kind", spec.names.kind, before.names.kind)]
        compared = kept + compared
    for name, now, then in compared:
        if now != then:
            faults.append(field.invalid(f"spec.{name}", now, _IMMUTABLE))
    return faults + _rest(definition)


def validate_status(definition: Definition) -> field.Faults:
    """Judge a changed status: the names; Kubernetes leaves the stored versions to who migrates them."""
    return _names(definition.status.acceptedNames, "status.acceptedNames", complete=False)


def may_have_bad_bundle(old: Definition) -> bool:
    """Say whether a definition's webhook may have certificates that none can read: it had, or is not served yet."""
    bundle = old.spec.conversion.webhook.clientConfig.caBundle
    return not custom.is_true(old, custom.ESTABLISHED) or bool(bundle and webhooks.bundle(bundle, ""))


def _rest(definition: Definition) -> field.Faults:
    """Judge what stands outside of the spec, and what it needs of that."""
    faults = validate_status(definition) + stored_versions(definition) + _approval(definition)
    if definition.spec.preserveUnknownFields:
        text = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        faults.append(field.invalid("spec.preserveUnknownFields", True, text))
    return faults


def stored_versions(definition: Definition) -> field.Faults:
    """Judge that no version goes at which objects may lie in etcd."""
    stored, path = list(definition.status.storedVersions), "status.storedVersions"
    if not stored:
        return [field.invalid(path, notation.strings(stored), "must have at least one stored version")]
    faults: field.Faults = []
    for version in definition.spec.versions:
        if version.storage and version.name not in stored:
            text = f"must have the storage version {version.name}"
            faults.append(field.invalid(path, notation.strings(stored), text))
    known = {version.name for version in definition.spec.versions}
    for index, name in enumerate(stored):
        if name not in known:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in"
                f" spec.versions until a storage migration ensures no data remains persisted in {name} and removes"
                f" {name} from status.storedVersions"
            )
            faults.append(field.invalid(f"{path}[{index}]", name, text))
    return faults


def _spec(spec: Any, *, judges_bundle: bool = False) -> field.Faults:
    """Judge a spec: what versions share is spoken of once, after them and the names."""
    faults = _group_and_scope(spec)
    for index, version in enumerate(spec.versions):
        if not version.schema.HasField("openAPIV3Schema"):
            at = f"spec.versions[{index}].schema.openAPIV3Schema"
            faults.append(field.required(at, "schemas are required"))
    shared = [part for part in _PARTS if _is_shared(spec, part)]
    own = [part for part in _PARTS if part not in shared]
    for index, version in enumerate(spec.versions):
        at = f"spec.versions[{index}]"
        if found := names.dns_1035_label(version.name):
            faults.append(field.invalid(f"{at}.name", version.name, ",".join(found)))
        if version.HasField("deprecationWarning"):
            faults += _deprecation(version, f"{at}.deprecationWarning")
        for part in own:
            place = f"{at}.schema" if part == "validation" else f"{at}.{part}"
            faults += _part(part, version, place, has_status=version.subresources.HasField("status"))
    faults += _versions(spec) + _names(spec.names, "spec.names", complete=True)
    has_status = any(version.subresources.HasField("status") for version in spec.versions)
    for part in shared:
        faults += _part(part, spec.versions[0], f"spec.{part}", has_status=has_status)
    return faults + _conversion(spec, judges_bundle)


_PARTS = ("validation", "subresources", "additionalPrinterColumns", "selectableFields")


def _is_shared(spec: Any, part: str) -> bool:
    """Say whether a part is the same in all versions: Kubernetes then speaks of it at the top of the spec."""
    name = "schema" if part == "validation" else part
    found = [getattr(version, name) for version in spec.versions]
    return bool(found) and all(each == found[0] for each in found)


def _part(part: str, version: Version, at: str, *, has_status: bool) -> field.Faults:
    if part == "subresources":
        return _subresources(version, at)
    if part == "additionalPrinterColumns":
        return _columns(version, at)
    if part == "selectableFields":
        return _selectable(version, at)
    if not version.schema.HasField("openAPIV3Schema"):
        return []
    written = codec.to_json(version.schema.openAPIV3Schema)
    return structural.validate(written, f"{at}.openAPIV3Schema", has_status=has_status)


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
    listed = [version.name for version in spec.versions]
    shown = field.Raw(json.dumps(listed, separators=(",", ":")))
    if len(set(listed)) != len(listed):
        faults.append(field.invalid("spec.versions", shown, "must contain unique version names"))
    if sum(version.storage for version in spec.versions) != 1:
        text = "must have exactly one version marked as storage version"
        faults.append(field.invalid("spec.versions", shown, text))
    if listed and listed[0] and (found := names.dns_1035_label(listed[0])):
        faults.append(field.invalid("spec.version", listed[0], ",".join(found)))
    return faults


def _deprecation(version: Version, path: str) -> field.Faults:
    text = version.deprecationWarning
    if not version.deprecated:
        return [field.invalid(path, text, "can only be set for deprecated versions")]
    found: list[str] = []
    if len(text.encode()) > MAX_WARNING_BYTES:
        found.append(f"must be <= {MAX_WARNING_BYTES} characters long")
    if not text:
        found.append("must not be an empty string")
    odd = next((index for index, each in enumerate(text) if not each.isprintable()), None)
    if odd is not None:
        at = len(text[:odd].encode())
        found.append(f"must only contain printable UTF-8 characters; non-printable character found at index {at}")
    return field.invalids(path, text, found)


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
    faults += _labels(named.shortNames, f"{path}.shortNames")
    if named.kind and named.kind == named.listKind:
        text = "kind and listKind may not be the same"
        faults.append(field.invalid(f"{path}.listKind", named.listKind, text))
    return faults + _labels(named.categories, f"{path}.categories")


def _labels(values: Iterable[str], path: str) -> field.Faults:
    return [
        field.invalid(f"{path}[{index}]", value, ",".join(found))
        for index, value in enumerate(values)
        if (found := names.dns_1035_label(value))
    ]


def _conversion(spec: Any, judges_bundle: bool) -> field.Faults:
    conversion, path = spec.conversion, "spec.conversion"
    client, reviews = f"{path}.webhookClientConfig", f"{path}.conversionReviewVersions"
    faults: field.Faults = []
    if conversion.strategy != "None" and spec.preserveUnknownFields:
        text = "must be None if spec.preserveUnknownFields is true"
        faults.append(field.invalid(f"{path}.strategy", conversion.strategy, text))
    if not conversion.strategy:
        faults.append(field.required(f"{path}.strategy"))
    elif conversion.strategy not in ("None", "Webhook"):
        faults.append(field.unsupported(f"{path}.strategy", conversion.strategy, ("None", "Webhook")))
    has_client = conversion.webhook.HasField("clientConfig")
    if conversion.strategy != "Webhook":
        text = "should not be set when strategy is not set to Webhook"
        faults += [field.forbidden(client, text)] if has_client else []
        return faults + ([field.forbidden(reviews, text)] if conversion.webhook.conversionReviewVersions else [])
    config = conversion.webhook.clientConfig
    if not has_client:
        faults.append(field.required(client, "required when strategy is set to Webhook"))
    else:
        faults += webhooks.client(config, client)
        if config.caBundle and judges_bundle:
            faults += webhooks.bundle(config.caBundle, f"{client}.caBundle")
    return faults + webhooks.reviews(conversion.webhook.conversionReviewVersions, reviews)


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
            under = "either .spec or .status" if name == "labelSelectorPath" else root
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
            faults.append(field.required(f"{at}.JSONPath"))
        elif not column.jsonPath.startswith("."):
            text = "must be a simple json path starting with ."
            faults.append(field.invalid(f"{at}.JSONPath", column.jsonPath, text))
    return faults


def _selectable(version: Version, path: str) -> field.Faults:
    if version.selectableFields and not version.schema.HasField("openAPIV3Schema"):
        text = "selectableFields may only be set when version.schema.openAPIV3Schema is not included"
        return [field.invalid(path, "", text)]
    schema = schemas.parse(codec.to_json(version.schema.openAPIV3Schema))
    faults: field.Faults = []
    seen: set[str] = set()
    for index, selectable in enumerate(version.selectableFields):
        at, value = f"{path}[{index}].jsonPath", selectable.jsonPath
        if not value:
            faults.append(field.required(at))
            continue
        try:
            found, named = paths.resolved(value, schema, brackets=False)
        except paths.PathError as error:
            faults.append(field.invalid(at, value, f"is an invalid path: {error}"))
            continue
        if found.partition(".")[0] == "metadata":
            faults.append(field.invalid(at, value, "must not point to fields in metadata"))
        if named.type not in ("string", "boolean", "integer"):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with"
                " formats are allowed."
            )
            faults.append(field.invalid(at, value, text))
        if found in seen:
            faults.append(field.duplicate(at, value))
        seen.add(found)
    if len(seen) > MAX_SELECTABLE:
        faults.append(field.too_many(path, len(seen), MAX_SELECTABLE))
    return faults
