"""Acting as somebody else: what the Impersonate headers ask for, and whether the caller may.

The gateway calls this for a caller that it has identified; from then on the request is the other user's. The rules
are those of Kubernetes' documentation, "User impersonation": the verb `impersonate` on users, groups,
serviceaccounts, uids and userextras. Pure but for the authorizer that is asked.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from control.apiserver import authn, authz
from fairlead.api import errors

USER = "impersonate-user"
GROUP = "impersonate-group"
UID = "impersonate-uid"
EXTRA = "impersonate-extra-"
AUTHENTICATION = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom a request wants to be."""

    name: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def account(self) -> tuple[str, str] | None:
        """Return (namespace, name) where it is a service account."""
        parts = self.name.split(":")
        is_one = len(parts) == 4 and self.name.startswith(authn.SERVICE_ACCOUNT_PREFIX)
        return (parts[2], parts[3]) if is_one else None


def wished(headers: Iterable[tuple[str, str]]) -> Wish | None:
    """Return what a request's headers ask for, None if nothing; errors.BadRequest where they name no user."""
    name, uid = "", ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for header, value in headers:
        key = header.lower()
        if key == USER:
            name = value
        elif key == UID:
            uid = value
        elif key == GROUP:
            groups.append(value)
        elif key.startswith(EXTRA):
            extra.setdefault(urllib.parse.unquote(key.removeprefix(EXTRA)), []).append(value)
    if not (name or uid or groups or extra):
        return None
    if not name:
        raise errors.BadRequest("requested groups, a uid or extras without impersonating a user")
    return Wish(name, tuple(groups), uid, tuple((key, tuple(values)) for key, values in sorted(extra.items())))


def granted(caller: authn.User, wish: Wish, authorizer: authz.Authorizer) -> authn.User:
    """Return the user that the caller acts as; errors.Forbidden for the first thing that it may not be."""
    for asked in _asked(caller, wish):
        decision = authorizer.authorize(asked)
        if not decision.allowed:
            raise authz.refusal(asked, decision.reason)
    return authn.User(wish.name, _groups(wish), wish.uid, wish.extra)


def _asked(caller: authn.User, wish: Wish) -> Iterator[authz.Attributes]:
    """Iterate over what the caller must be allowed to do."""
    if wish.account:
        namespace, name = wish.account
        yield authz.Attributes(caller, "impersonate", "", "serviceaccounts", "", namespace, name)
    else:
        yield authz.Attributes(caller, "impersonate", "", "users", name=wish.name)
    for group in wish.groups:
        yield authz.Attributes(caller, "impersonate", "", "groups", name=group)
    for key, values in wish.extra:
        for value in values:
            yield authz.Attributes(caller, "impersonate", AUTHENTICATION, "userextras", key, "", value)
    if wish.uid:
        yield authz.Attributes(caller, "impersonate", AUTHENTICATION, "uids", name=wish.uid)


def _groups(wish: Wish) -> tuple[str, ...]:
    """Return the groups that go with a wish: a service account's own, if none are named, and that of all users."""
    groups = wish.groups
    if wish.account and not groups:
        groups = authn.user(wish.name).groups
    known = authn.UNAUTHENTICATED if wish.name == authn.ANONYMOUS else authn.AUTHENTICATED
    if authn.UNAUTHENTICATED in groups:
        known = authn.UNAUTHENTICATED
    return tuple(dict.fromkeys([*groups, known]))
