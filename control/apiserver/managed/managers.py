"""The names under which writers own fields, and the rules for what a request says of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from control.apiserver import authn, field

MAX_LENGTH = 128
UNKNOWN = "unknown"
# Writers that Kubernetes' own components are, by the users that they are here.
_COMPONENTS = {
    "system:kube-scheduler": "kube-scheduler",
    "system:kube-controller-manager": "kube-controller-manager",
    authn.SERVER.name: "kube-apiserver",
}
_CONTROLLERS = "system:serviceaccount:kube-system:"


def from_agent(user_agent: str) -> str:
    """Return the manager of a request that names none: the User-Agent before its first slash."""
    printable = "".join(one for one in user_agent.split("/")[0] if one.isprintable())
    while len(printable.encode()) > MAX_LENGTH:
        printable = printable[:-1]
    return printable


def of_user(user: authn.User) -> str:
    """Return the manager of a write that came without a name or a User-Agent: the component that the user is."""
    if user.node:
        return "kubelet"
    if user.name.startswith(_CONTROLLERS):
        return "kube-controller-manager"
    return _COMPONENTS.get(user.name, UNKNOWN)


def faults(manager: str) -> Sequence[field.Cause]:
    """Return what is wrong with a manager's name."""
    found = []
    if len(manager.encode()) > MAX_LENGTH:
        found.append(field.too_long("fieldManager", MAX_LENGTH))
    for at, one in enumerate(manager):
        if not one.isprintable():
            why = f"invalid character U+{ord(one):04X} (at position {at})"
            found.append(field.invalid("fieldManager", manager, why))
    return found


def check_apply(manager: str) -> None:
    """Refuse an apply patch without a manager, or with one that is not a name."""
    found = [*faults(manager)]
    if not manager:
        found = [field.required("fieldManager", "is required for apply patch")]
    field.refuse(found, field.META_GROUP, "PatchOptions")


def check_plain(*, force: bool) -> None:
    """Refuse another patch that is to be forced: only an apply can conflict with an owner."""
    if force:
        fault = field.forbidden("force", "may not be specified for non-apply patch")
        field.refuse([fault], field.META_GROUP, "PatchOptions")
