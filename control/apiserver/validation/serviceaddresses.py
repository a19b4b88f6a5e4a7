"""Rules on the addresses of Services, in a cluster of one address family, IPv4. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from control.apiserver import field, notation
from control.apiserver.validation import names
from fairlead.api.pb import core_v1_pb2 as corev1

HEADLESS = "None"
FAMILY = "IPv4"
FAMILIES = frozenset({"IPv4", "IPv6"})
SINGLE, PREFER_DUAL, REQUIRE_DUAL = "SingleStack", "PreferDualStack", "RequireDualStack"
POLICIES = frozenset({SINGLE, PREFER_DUAL, REQUIRE_DUAL})
UNCHANGED = "may not change once set"


def is_headless(spec: corev1.ServiceSpec) -> bool:
    """Say whether a Service has no address of its own."""
    return list(spec.clusterIPs) == [HEADLESS]


def complete(spec: corev1.ServiceSpec, before: corev1.ServiceSpec | None) -> None:
    """Fill in the families and their policy; nothing more where what is given is not in order."""
    if spec.type == "ExternalName":
        return
    if not spec.HasField("ipFamilyPolicy"):
        spec.ipFamilyPolicy = _policy(spec, before)
    if related(spec):
        return
    if before is not None and spec.ipFamilyPolicy == SINGLE:
        if spec.clusterIPs == before.clusterIPs:
            del spec.clusterIPs[1:]
        if spec.ipFamilies == before.ipFamilies:
            del spec.ipFamilies[1:]
    if served(spec, before):
        return
    if not spec.ipFamilies:
        spec.ipFamilies.append(FAMILY)
    if _leads_nowhere(spec) and spec.ipFamilyPolicy != SINGLE and len(spec.ipFamilies) == 1:
        spec.ipFamilies.extend(FAMILIES - set(spec.ipFamilies))


def _policy(spec: corev1.ServiceSpec, before: corev1.ServiceSpec | None) -> str:
    if before is not None and before.HasField("ipFamilyPolicy"):
        return before.ipFamilyPolicy
    return REQUIRE_DUAL if _leads_nowhere(spec) else SINGLE


def _leads_nowhere(spec: corev1.ServiceSpec) -> bool:
    """Say whether a Service has neither an address nor a selector: its families are whatever its user says."""
    return spec.clusterIP == HEADLESS and not spec.selector


def related(spec: corev1.ServiceSpec) -> field.Faults:
    """Judge addresses, families and policy by themselves and by each other."""
    if spec.type == "ExternalName":
        return []
    path, shown = "spec.clusterIPs", notation.strings(spec.clusterIPs)
    faults: field.Faults = []
    if spec.clusterIP and not spec.clusterIPs:
        faults.append(field.required(path))
    elif spec.clusterIP and spec.clusterIPs[0] != spec.clusterIP:
        faults.append(field.invalid(path, shown, "first value must match `clusterIP`"))
    elif spec.clusterIPs and not spec.clusterIP:
        faults.append(field.invalid(path, shown, "must be empty when `clusterIP` is not specified"))
    again = field.repeats(spec.ipFamilies)
    for index, family in enumerate(spec.ipFamilies):
        at = f"spec.ipFamilies[{index}]"
        if family not in FAMILIES:
            faults.append(field.unsupported(at, family, FAMILIES))
        if index in again:
            faults.append(field.duplicate(at, family))
    if spec.HasField("ipFamilyPolicy") and spec.ipFamilyPolicy not in POLICIES:
        faults.append(field.unsupported("spec.ipFamilyPolicy", spec.ipFamilyPolicy, POLICIES))
    bad: field.Faults = []
    for index, address in enumerate(spec.clusterIPs):
        if index or address != HEADLESS:
            bad += field.invalids(f"{path}[{index}]", address, names.ip(address))
        elif len(spec.clusterIPs) > 1:
            bad.append(field.invalid(path, shown, "'None' must be the first and only value"))
    faults += bad
    if len(spec.clusterIPs) > 2:
        faults.append(field.invalid(path, shown, "may only hold up to 2 values"))
    if not bad:
        faults += _of_families(spec, path, shown)
    return faults


def _of_families(spec: corev1.ServiceSpec, path: str, shown: field.Value) -> field.Faults:
    faults: field.Faults = []
    if len(spec.clusterIPs) > 1 and len(set(map(family_of, spec.clusterIPs))) < 2:
        faults.append(field.invalid(path, shown, "may specify no more than one IP for each IP family"))
    if not is_headless(spec):
        for index, (address, family) in enumerate(zip(spec.clusterIPs, spec.ipFamilies, strict=False)):
            if family in FAMILIES and family_of(address) != family:
                text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                faults.append(field.invalid(f"{path}[{index}]", address, text))
    return faults


def family_of(address: str) -> str:
    """Return the family of a well-formed address."""
    return f"IPv{ipaddress.ip_address(address).version}"


def served(spec: corev1.ServiceSpec, before: corev1.ServiceSpec | None) -> field.Faults:
    """Judge what is in order by itself by what this cluster has; the policy and one family may be filled in."""
    if spec.type == "ExternalName":
        return []
    path, policy = "spec.ipFamilyPolicy", spec.ipFamilyPolicy
    faults: field.Faults = []
    if policy == SINGLE:
        needed = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
        if len(spec.clusterIPs) == 2:
            faults.append(field.invalid(path, policy, f"{needed} cluster IPs are specified"))
        if len(spec.ipFamilies) == 2:
            faults.append(field.invalid(path, policy, f"{needed} IP families are specified"))
    elif before is not None:
        if _reduced(spec.clusterIPs, before.clusterIPs):
            faults.append(field.invalid(path, policy, "must be 'SingleStack' to release the secondary cluster IP"))
        if _reduced(spec.ipFamilies, before.ipFamilies):
            faults.append(field.invalid(path, policy, "must be 'SingleStack' to release the secondary IP family"))
    if not is_headless(spec):
        for index, address in enumerate(spec.clusterIPs):
            if index >= len(spec.ipFamilies) and family_of(address) != FAMILY:
                text = f"{family_of(address)} is not configured on this cluster"
                faults.append(field.invalid(f"spec.clusterIPs[{index}]", notation.strings(spec.clusterIPs), text))
    if faults or _leads_nowhere(spec):
        return faults
    if policy == REQUIRE_DUAL:
        faults.append(field.invalid(path, policy, "this cluster is not configured for dual-stack services"))
    return faults + [
        field.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        for index, family in enumerate(spec.ipFamilies)
        if family != FAMILY
    ]


def _reduced(values: Sequence[str], before: Sequence[str]) -> bool:
    return len(before) == 2 and list(values) == [before[0]]


def changed(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> field.Faults:
    """Judge what changes of the addresses and families."""
    if "ExternalName" in (spec.type, before.type) or (is_headless(spec) and is_headless(before)):
        return []
    faults = _changed_addresses(spec, before)
    if is_headless(spec) or is_headless(before):
        return faults
    families, had = spec.ipFamilies, before.ipFamilies
    path, shown = "spec.ipFamilies[0]", notation.typed_strings("core.IPFamily", families)
    if len(families) == len(had):
        faults += [
            field.invalid(path, shown, UNCHANGED) for one, old in zip(families, had, strict=True) if one != old
        ]
    elif families and had and families[0] != had[0]:
        faults.append(field.invalid(path, notation.strings(spec.clusterIPs), UNCHANGED))
    return faults


def _changed_addresses(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> field.Faults:
    listed, had = spec.clusterIPs, before.clusterIPs
    shown = notation.strings(listed)
    if len(listed) == len(had):
        return [
            field.invalid(f"spec.clusterIPs[{index}]", shown, UNCHANGED)
            for index, (address, old) in enumerate(zip(listed, had, strict=True))
            if address != old
        ]
    path = "spec.clusterIPs[0]"
    if not listed:
        return [field.invalid(path, shown, "primary clusterIP can not be unset")]
    return [field.invalid(path, shown, UNCHANGED)] if had and listed[0] != had[0] else []
