"""Custom kinds: what a CustomResourceDefinition adds to a scheme.

The watch cache asks this as definitions come and go, controllers and clients likewise. Pure.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

from fairlead.api import scheme
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1

Definition = apiextensionsv1.CustomResourceDefinition

ESTABLISHED = "Established"
NAMES_ACCEPTED = "NamesAccepted"
TERMINATING = "Terminating"
APPROVED = "KubernetesAPIApprovalPolicyConformant"
APPROVAL = "api-approved.kubernetes.io"
PROTECTED = ("k8s.io", "kubernetes.io")
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
CLUSTER, NAMESPACED = "Cluster", "Namespaced"

_GROUPS = frozenset((kind.group, kind.version) for kind in (*scheme.KINDS, *scheme.VERSIONS))
_PREFIXES = frozenset(kind.prefix for kind in scheme.KINDS)
_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")


def condition(definition: Definition, kind: str) -> apiextensionsv1.CustomResourceDefinitionCondition | None:
    """Return a condition of a definition's status, or None."""
    return next((each for each in definition.status.conditions if each.type == kind), None)


def is_true(definition: Definition, kind: str) -> bool:
    """Say whether a condition holds."""
    found = condition(definition, kind)
    return found is not None and found.status == "True"


def newest_first(version: str) -> tuple[int, int, int, int, str]:
    """Return what sorts versions as Kubernetes prefers them: v2, v1, v1beta2, v1beta1, v1alpha1, others by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return 1, 0, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return 0, stage, -int(match[1]), -int(match[3] or 0), ""


def kind_at(definition: Definition, version: str) -> scheme.Kind:
    """Return the row of a definition's kind at a version."""
    spec = definition.spec
    names = definition.status.acceptedNames if definition.status.acceptedNames.kind else spec.names
    found = next(each for each in spec.versions if each.name == version)
    subresources = [name for name in ("status", "scale") if found.subresources.HasField(name)]
    return scheme.Kind(
        group=spec.group,
        version=version,
        kind=names.kind,
        resource=spec.names.plural,
        namespaced=spec.scope == NAMESPACED,
        message=None,
        prefix=f"{spec.group}/{spec.names.plural}",
        singular=names.singular or names.kind.lower(),
        short_names=tuple(names.shortNames),
        subresources=tuple(subresources),
        categories=tuple(names.categories),
        stored_as_json=True,
        list_kind=names.listKind or f"{names.kind}List",
        columns=tuple(
            scheme.PrinterColumn(each.name, each.type, each.jsonPath, each.priority, each.format, each.description)
            for each in found.additionalPrinterColumns
        ),
    )


def is_protected(group: str) -> bool:
    """Say whether a group belongs to Kubernetes itself."""
    return any(group == domain or group.endswith(f".{domain}") for domain in PROTECTED)


def stores_over_built_in(spec: apiextensionsv1.CustomResourceDefinitionSpec) -> bool:
    """Say whether a definition's objects would lie where those of a built-in kind do."""
    return f"{spec.group}/{spec.names.plural}" in _PREFIXES


def storage_version(definition: Definition) -> str:
    """Return the version that objects are stored at."""
    return next((each.name for each in definition.spec.versions if each.storage), "")


def served_kinds(definition: Definition) -> Sequence[scheme.Kind]:
    """Return the rows that a definition adds, the preferred version first; nothing until it is established.

    What is built in stays as it is: no definition adds to its versions of its groups, nor stores where it stores.
    """
    if not is_true(definition, ESTABLISHED) or stores_over_built_in(definition.spec):
        return ()
    group = definition.spec.group
    free = (each.name for each in definition.spec.versions if each.served and (group, each.name) not in _GROUPS)
    served = sorted(free, key=newest_first)
    rows = [kind_at(definition, version) for version in served]
    return rows[:1] + [dataclasses.replace(row, hub=rows[0].api_version) for row in rows[1:]]


def scheme_with(definitions: Iterable[Definition]) -> scheme.Scheme:
    """Return a scheme of the built-in kinds and those of definitions, for clients that read custom resources."""
    grown = scheme.DEFAULT.copy()
    for definition in definitions:
        for kind in served_kinds(definition):
            grown.add(kind)
    return grown
