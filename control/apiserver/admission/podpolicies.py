"""What is asked of a namespace's pods: by its labels, by the cluster's defaults, and of whom nothing is asked. Pure.

Source: Kubernetes' documentation, "Pod Security Admission" and "Enforce Pod Security Standards by Configuring the
Built-in Admission Controller".
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from control.apiserver import field
from control.apiserver.admission import securitychecks
from fairlead.api import errors, names
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

PREFIX = "pod-security.kubernetes.io/"
LEVELS = (securitychecks.PRIVILEGED, securitychecks.BASELINE, securitychecks.RESTRICTED)
MODES = ("enforce", "audit", "warn")
KIND = "PodSecurityConfiguration"
VERSIONS = tuple(f"pod-security.admission.config.k8s.io/{one}" for one in ("v1", "v1beta1", "v1alpha1"))
_VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)")
_NO_LEVEL = f"must be one of {', '.join(LEVELS)}"
_NO_VERSION = 'must be "latest" or "v1.x"'


@dataclass(frozen=True, slots=True)
class Level:
    """A level and the minor version whose standard is meant."""

    level: str = securitychecks.PRIVILEGED
    version: int = securitychecks.LATEST

    def __str__(self) -> str:
        """Return `restricted:latest` or `baseline:v1.29`."""
        version = "latest" if self.version == securitychecks.LATEST else f"v1.{self.version}"
        return f"{self.level}:{version}"

    def judge(self, meta: metav1.ObjectMeta, spec: corev1.PodSpec) -> list[securitychecks.Violation]:
        """Return what a pod does that this level forbids."""
        return securitychecks.violations(self.level, self.version, meta, spec)

    @property
    def is_free(self) -> bool:
        """Whether everything is allowed."""
        return self.level == securitychecks.PRIVILEGED


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of a namespace's pods."""

    enforce: Level = Level()
    audit: Level = Level()
    warn: Level = Level()

    @property
    def is_free(self) -> bool:
        """Whether nothing is refused, logged or warned of."""
        return self.enforce.is_free and self.audit.is_free and self.warn.is_free


@dataclass(frozen=True, slots=True)
class Configuration:
    """What holds where no label says otherwise, and of whom nothing is asked."""

    defaults: Policy = Policy()
    usernames: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()


NOTHING = Configuration()


def of_labels(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, field.Faults]:
    """Return a namespace's policy and what is wrong with its labels.

    A level that cannot be read is restricted for what is enforced, and privileged otherwise.
    """
    if not any(key.startswith(PREFIX) for key in labels):
        return defaults, []
    faults: field.Faults = []
    found = {}
    for mode in MODES:
        level: Level = getattr(defaults, mode)
        key, version_key = PREFIX + mode, f"{PREFIX}{mode}-version"
        if key in labels:
            named = labels[key]
            if named not in LEVELS:
                faults.append(field.invalid(f"metadata.labels[{key}]", named, _NO_LEVEL))
                named = securitychecks.RESTRICTED if mode == "enforce" else securitychecks.PRIVILEGED
            level = dataclasses.replace(level, level=named)
        if version_key in labels:
            version = _version(labels[version_key])
            if version is None:
                faults.append(field.invalid(f"metadata.labels[{version_key}]", labels[version_key], _NO_VERSION))
            level = dataclasses.replace(level, version=securitychecks.LATEST if version is None else version)
        found[mode] = level
    return Policy(**found), faults


def told(policy: Policy, labels: Mapping[str, str]) -> str:
    """Return what labels ask for, as `enforce=baseline:latest, warn=restricted:v1.29`."""
    asked = [(mode, getattr(policy, mode)) for mode in MODES]
    return ", ".join(
        f"{mode}={level}"
        for mode, level in asked
        if not level.is_free and (PREFIX + mode in labels or f"{PREFIX}{mode}-version" in labels)
    )


def parse(document: Any) -> Configuration:
    """Return what a PodSecurityConfiguration says; ValueError for what is wrong with it."""
    if not isinstance(document, Mapping):
        raise ValueError(f"expected a {KIND}")
    if document.get("apiVersion") not in VERSIONS or document.get("kind") != KIND:
        raise ValueError(f"expected kind {KIND} of {VERSIONS[0]}")
    _known(document, ("apiVersion", "kind", "defaults", "exemptions"), "")
    defaults, exemptions = _part(document, "defaults"), _part(document, "exemptions")
    _known(defaults, [name for mode in MODES for name in (mode, f"{mode}-version")], "defaults.")
    _known(exemptions, ("usernames", "runtimeClasses", "namespaces"), "exemptions.")
    asked = Policy(**{mode: _level(defaults, mode) for mode in MODES})
    return Configuration(
        asked,
        _exempt(exemptions, "usernames", lambda name: [] if name else ["must not be empty"]),
        _exempt(exemptions, "runtimeClasses", names.dns_subdomain),
        _exempt(exemptions, "namespaces", names.dns_label),
    )


def _level(defaults: Mapping[str, Any], mode: str) -> Level:
    level = str(defaults.get(mode) or securitychecks.PRIVILEGED)
    told_version = str(defaults.get(f"{mode}-version") or "latest")
    version = _version(told_version)
    if level not in LEVELS:
        raise _wrong(field.invalid(f"defaults.{mode}", level, _NO_LEVEL))
    if version is None:
        raise _wrong(field.invalid(f"defaults.{mode}-version", told_version, _NO_VERSION))
    return Level(level, version)


def _wrong(cause: errors.Cause) -> ValueError:
    return ValueError(f"{cause.field}: {cause.message}")


def _version(text: str) -> int | None:
    """Return the minor version that a text says; None for none."""
    if text == "latest":
        return securitychecks.LATEST
    found = _VERSION.fullmatch(text)
    return int(found[1]) if found else None


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name) or {}
    if not isinstance(found, Mapping):
        raise ValueError(f"{name}: expected a mapping")
    return found


def _exempt(exemptions: Mapping[str, Any], name: str, judge: Callable[[str], list[str]]) -> frozenset[str]:
    found = exemptions.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"exemptions.{name}: expected a list of strings")
    again = field.repeats(found)
    for index, one in enumerate(found):
        path = f"exemptions.{name}[{index}]"
        if wrong := judge(one):
            raise _wrong(field.invalid(path, one, wrong[0]))
        if index in again:
            raise _wrong(field.duplicate(path, one))
    return frozenset(found)


def _known(value: Mapping[str, Any], known: Sequence[str], prefix: str) -> None:
    unknown = sorted(set(map(str, value)) - set(known))
    if unknown:
        raise ValueError(f'unknown field "{prefix}{unknown[0]}"')
