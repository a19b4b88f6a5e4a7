"""What a request for a stream says in its path and query, and whether its caller may. Pure, but for authorisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import multidict

from control.apiserver import authn, authz, server
from fairlead.api import errors, times
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1

Query = multidict.MultiMapping[str]

VERBS: Mapping[str, str] = {
    "GET": "get",
    "HEAD": "get",
    "OPTIONS": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_INT64 = 1 << 63


class Place(Protocol):
    """The parts of a path: `rest` is what follows the subresource."""

    @property
    def resource(self) -> str:
        """Return the plural."""
        ...

    @property
    def namespace(self) -> str:
        """Return the namespace."""
        ...

    @property
    def name(self) -> str:
        """Return the object's name, for a proxy with its port and scheme."""
        ...

    @property
    def subresource(self) -> str:
        """Return `exec`, `log`, …"""
        ...

    @property
    def rest(self) -> str:
        """Return the path below a proxy."""
        ...


def authorize(api: server.ApiServer, user: authn.User, method: str, place: Place) -> None:
    """Raise errors.Forbidden where the caller may not have this stream; POST is `create`, as for objects."""
    verb = VERBS.get(method, method.lower())
    api.authorize(authz.Attributes(user, verb, "", place.resource, place.subresource, place.namespace, place.name))


def flag(query: Query, name: str) -> bool:
    """Return a boolean of the query as Kubernetes reads it: all that is neither `0` nor `false` is true."""
    values = query.getall(name, [])
    return bool(values) and values[0].lower() not in ("0", "false")


def start(query: Query, place: Place) -> cluster.StreamStart:
    """Return the first frame of an exec or attach; errors.BadRequest where nothing is asked for."""
    tty = flag(query, "tty")
    found = cluster.StreamStart(
        namespace=place.namespace,
        pod=place.name,
        container=query.get("container", ""),
        stdin=flag(query, "stdin"),
        stdout=flag(query, "stdout"),
        stderr=flag(query, "stderr") and not tty,  # a terminal has one output
        tty=tty,
    )
    if not (found.stdin or found.stdout or found.stderr):
        raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    if place.subresource == "exec":
        found.command.extend(query.getall("command", []))
        if not found.command:
            raise errors.BadRequest("you must specify at least one command for the container")
    return found


def log_options(query: Query, name: str) -> corev1.PodLogOptions:
    """Return how a log is wanted; errors.Invalid or BadRequest for numbers and times that are none."""
    found = corev1.PodLogOptions(container=query.get("container", ""))
    for one in ("follow", "previous", "timestamps", "insecureSkipTLSVerifyBackend"):
        setattr(found, one, flag(query, one))
    faults: list[errors.Cause] = []
    for one, least, why in (
        ("sinceSeconds", 1, "must be greater than 0"),
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("limitBytes", 1, "must be greater than 0"),
    ):
        if query.get(one, "") != "":
            number = _number(query[one])
            if number < least:
                faults.append(errors.Cause("FieldValueInvalid", f"Invalid value: {number}: {why}", one))
            setattr(found, one, number)
    if query.get("sinceTime", ""):
        try:
            found.sinceTime.seconds, found.sinceTime.nanos = times.parse(query["sinceTime"])
        except ValueError as error:
            raise errors.BadRequest(str(error)) from None
        if found.HasField("sinceSeconds"):
            text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            faults.append(errors.Cause("FieldValueForbidden", text, ""))
    _choose_stream(query, found, faults)
    if faults:
        raise errors.invalid("", "PodLogOptions", name, faults)
    return found


def _choose_stream(query: Query, found: corev1.PodLogOptions, faults: list[errors.Cause]) -> None:
    chosen = query.get("stream", "")
    if not chosen:
        return
    found.stream = chosen
    if chosen not in ("All", "Stdout", "Stderr"):
        text = f'Unsupported value: "{chosen}": supported values: "All", "Stderr", "Stdout"'
        faults.append(errors.Cause("FieldValueNotSupported", text, "stream"))
    elif chosen != "All" and found.HasField("tailLines"):
        text = "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"
        faults.append(errors.Cause("FieldValueForbidden", text, ""))


def _number(text: str) -> int:
    digits = text.removeprefix("-").removeprefix("+")
    if not digits.isascii() or not digits.isdigit():
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text[:40])
    if not -_INT64 <= number < _INT64 or len(text) > 40:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text[:80]}": value out of range')
    return number


def ports(query: Query) -> list[int]:
    """Return the ports that a WebSocket forwards: `ports` repeated, or separated by commas."""
    texts = [part for value in query.getall("ports", []) for part in value.split(",")]
    if not texts:
        raise errors.BadRequest('query parameter "port" is required')
    found = []
    for text in texts:
        if not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) <= 0xFFFF:
            raise errors.BadRequest(f'query parameter "port" contains invalid value "{text[:80]}"')
        found.append(int(text))
    return found
