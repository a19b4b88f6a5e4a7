"""Static tokens from a file, in the format of Kubernetes' --token-auth-file.

A line is `token,user,uid` with, optionally, the groups as a fourth column (`"a,b"`). The file is read at start.
"""

from __future__ import annotations

import csv
import hashlib
import pathlib
from collections.abc import Mapping, Sequence

from control.apiserver import authn, bearers


class TokenFileError(ValueError):
    """A file that cannot be used; the text names file and line, and no token."""


def read(path: pathlib.Path) -> Mapping[bytes, authn.User]:
    """Return users by their tokens' hashes, so that what is kept is no token."""
    found: dict[bytes, authn.User] = {}
    try:
        with path.open(newline="") as file:
            for number, row in enumerate(csv.reader(file, skipinitialspace=True), 1):
                if not row or row[0].startswith("#"):
                    continue
                if len(row) < 3:
                    text = "must have at least three columns: token, user name, user uid"
                    raise TokenFileError(f"{path}:{number}: {text}")
                if not row[0]:
                    raise TokenFileError(f"{path}:{number}: the token is empty")
                groups = [group.strip() for group in ",".join(row[3:]).split(",") if group.strip()]
                named = authn.user(row[1], tuple(groups))
                found[_hashed(row[0])] = authn.User(named.name, named.groups, row[2])
    except OSError as error:
        raise TokenFileError(f"{path}: {error.strerror}") from error
    return found


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class StaticTokens:
    """The tokens of a file, as an authenticator among others; `own` are the audiences of this API."""

    def __init__(self, users: Mapping[bytes, authn.User], own: Sequence[str]) -> None:
        self._users = users
        self._own = tuple(own)

    async def authenticate(self, token: str, audiences: Sequence[str]) -> bearers.Authenticated | None:
        """Return the user of a token that the file has."""
        user = self._users.get(_hashed(token))
        return bearers.for_everyone(user, self._own, audiences) if user is not None else None
