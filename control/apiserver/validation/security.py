"""Rules on what containers may do: security contexts of pods and containers, and profiles that they name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from control.apiserver import field, notation
from control.apiserver.validation import mounts, names, numbers
from fairlead.api.pb import core_v1_pb2 as corev1

PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
FS_GROUP_CHANGES = frozenset({"Always", "OnRootMismatch"})
APPARMOR_PATH_MAX = 4095
SYSCTL_MAX = 253
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"^({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}$"
_OF_IPC = ("kernel.shm", "kernel.msg", "fs.mqueue.")

Ids = tuple[str, ...]


def _ids(context: Any, parts: Ids, path: str) -> field.Faults:
    faults: field.Faults = []
    for part in parts:
        if context.HasField(part):
            faults += numbers.between(f"{path}.{part}", getattr(context, part), 0, numbers.MAX_INT32)
    return faults


def container(context: corev1.SecurityContext, path: str) -> field.Faults:
    """Judge a container's security context."""
    faults = _ids(context, ("runAsUser", "runAsGroup"), path)
    faults += _seccomp(context, f"{path}.seccompProfile")
    if context.HasField("allowPrivilegeEscalation") and not context.allowPrivilegeEscalation:
        shown, text = notation.struct(context), "cannot set `allowPrivilegeEscalation` to false and"
        if context.privileged:
            faults.append(field.invalid(path, shown, f"{text} `privileged` to true"))
        for name in context.capabilities.add:
            if name == "CAP_SYS_ADMIN":
                faults.append(field.invalid(path, shown, f"{text} `capabilities.Add` CAP_SYS_ADMIN"))
    if context.HasField("windowsOptions"):
        faults += _windows(context.windowsOptions, f"{path}.windowsOptions")
    return faults + _apparmor(context, f"{path}.appArmorProfile")


def pod(spec: corev1.PodSpec, path: str) -> field.Faults:
    """Judge a pod's security context."""
    context = spec.securityContext
    faults = _ids(context, ("fsGroup", "runAsUser", "runAsGroup"), path)
    for index, group in enumerate(context.supplementalGroups):
        faults += numbers.between(f"{path}.supplementalGroups[{index}]", group, 0, numbers.MAX_INT32)
    if spec.shareProcessNamespace and spec.hostPID:
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        faults.append(field.invalid(f"{path}.shareProcessNamespace", True, text))
    faults += _sysctls(spec, f"{path}.sysctls")
    if context.HasField("fsGroupChangePolicy") and context.fsGroupChangePolicy not in FS_GROUP_CHANGES:
        policy = context.fsGroupChangePolicy
        faults.append(field.unsupported(f"{path}.fsGroupChangePolicy", policy, FS_GROUP_CHANGES))
    faults += _seccomp(context, f"{path}.seccompProfile")
    if context.HasField("windowsOptions"):
        faults += _windows(context.windowsOptions, f"{path}.windowsOptions")
    return faults + _apparmor(context, f"{path}.appArmorProfile")


def _sysctls(spec: corev1.PodSpec, path: str) -> Iterator[field.Cause]:
    seen: set[str] = set()
    for index, sysctl in enumerate(spec.securityContext.sysctls):
        at, name = f"{path}[{index}].name", sysctl.name
        if not name:
            yield field.required(at)
        elif len(name) > SYSCTL_MAX or not re.fullmatch(_SYSCTL, name):
            text = f"must have at most {SYSCTL_MAX} characters and match regex {_SYSCTL}"
            yield field.invalid(at, name, text)
        elif name in seen:
            yield field.duplicate(at, name)
        seen.add(name)
        dotted = name.replace("/", ".")
        if spec.hostNetwork and dotted.startswith("net."):
            yield field.invalid(at, name, "may not be specified when 'hostNetwork' is true")
        elif spec.hostIPC and (dotted == "kernel.sem" or dotted.startswith(_OF_IPC)):
            yield field.invalid(at, name, "may not be specified when 'hostIPC' is true")


def _seccomp(context: Any, path: str) -> field.Faults:
    if not context.HasField("seccompProfile"):
        return []
    profile, faults, at = context.seccompProfile, list[field.Cause](), f"{path}.localhostProfile"
    if not profile.type:
        faults.append(field.required(f"{path}.type", "type is required when seccompProfile is set"))
    elif profile.type not in PROFILES:
        faults.append(field.unsupported(f"{path}.type", profile.type, PROFILES))
    if profile.type == "Localhost":
        if not profile.HasField("localhostProfile"):
            return [*faults, field.required(at, "must be set when seccomp type is Localhost")]
        return faults + mounts.relative(profile.localhostProfile, at)
    if profile.HasField("localhostProfile"):
        text = "can only be set when seccomp type is Localhost"
        faults.append(field.invalid(at, notation.struct(profile), text))
    return faults


def _apparmor(context: Any, path: str) -> field.Faults:
    if not context.HasField("appArmorProfile"):
        return []
    profile, at = context.appArmorProfile, f"{path}.localhostProfile"
    name = profile.localhostProfile
    if not profile.type:
        return [field.required(f"{path}.type", "type is required when appArmorProfile is set")]
    if profile.type not in PROFILES:
        return [field.unsupported(f"{path}.type", profile.type, PROFILES)]
    if profile.type != "Localhost":
        text = "can only be set when AppArmor type is Localhost"
        return [field.invalid(at, name, text)] if profile.HasField("localhostProfile") else []
    if name != name.strip():
        faults = [field.invalid(at, name, "must not be padded with whitespace")]
    else:
        faults = [] if name else [field.required(at, "must be set when AppArmor type is Localhost")]
    return [*faults, field.too_long(at, APPARMOR_PATH_MAX)] if len(name) > APPARMOR_PATH_MAX else faults


SPEC_MAX_KIB = 64
DOMAIN_MAX, USER_MAX = 256, 104
_NET_BIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")


def _windows(options: corev1.WindowsSecurityContextOptions, path: str) -> field.Faults:
    faults: field.Faults = []
    if options.HasField("gmsaCredentialSpecName"):
        name = options.gmsaCredentialSpecName
        faults += field.invalids(f"{path}.gmsaCredentialSpecName", name, names.subdomain(name))
    if options.HasField("gmsaCredentialSpec"):
        content, at = options.gmsaCredentialSpec, f"{path}.gmsaCredentialSpec"
        if not content:
            faults.append(field.invalid(at, content, "gmsaCredentialSpec cannot be an empty string"))
        elif len(content) > SPEC_MAX_KIB * 1024:
            faults.append(field.invalid(at, content, f"gmsaCredentialSpec size must be under {SPEC_MAX_KIB} KiB"))
    if options.HasField("runAsUserName"):
        user = options.runAsUserName
        faults += [field.invalid(f"{path}.runAsUserName", user, f"runAsUserName{text}") for text in _user(user)]
    return faults


def _user(value: str) -> Iterator[str]:
    """Yield what is wrong with the name of a Windows user, which may follow a domain and a backslash."""
    if not value:
        yield " cannot be an empty string"
        return
    if re.search(r"[\x00-\x1f\x7f]", value):
        yield " cannot contain control characters"
        return
    if value.count("\\") > 1:
        yield " cannot contain more than one backslash"
        return
    domain, backslash, user = value.rpartition("\\")
    if len(domain) >= DOMAIN_MAX:
        yield f"'s Domain length must be under {DOMAIN_MAX} characters"
    if backslash and not _NET_BIOS.fullmatch(domain) and not _DNS.fullmatch(domain):
        yield "'s Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "'s User cannot be empty"
    elif len(user) > USER_MAX:
        yield f"'s User length must not be longer than {USER_MAX} characters"
    if user and not user.strip(". "):
        yield "'s User cannot contain only periods or spaces"
    if re.search(r'["/\\:;|=,+*?<>@\[\]]', user):
        yield r"""'s User cannot contain the following characters: "/\:;|=,+*?<>@[]"""
