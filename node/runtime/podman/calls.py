"""Calls of libpod through podman-py, in threads.

A Python thread cannot be cancelled, so each kind of call has a pool and connections of its own: one that hangs
until its socket's timeout holds up its own kind only. Nothing is retried here; the pod workers do that.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import podman.api
import podman.errors
import requests

from node.runtime import interface

# The oldest libpod API that has all that is asked here; newer services serve it too.
API_VERSION = "4.0.0"
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of call: how many may run at once, and how long one may take."""

    name: str
    workers: int
    seconds: float


QUERY = Kind("query", 4, 15.0)
# Creating and starting runs conmon and the OCI runtime: with more at once each only takes longer.
LIFECYCLE = Kind("lifecycle", 4, 60.0)
REMOVAL = Kind("removal", 4, 60.0)
STATS = Kind("stats", 1, 15.0)
PROCESS = Kind("process", 4, 30.0)


class Calls:
    """One kind of call: its threads and its connections to the service."""

    def __init__(self, socket: str, kind: Kind) -> None:
        self._kind = kind
        self._api = podman.api.APIClient(
            base_url=f"unix://{socket}",
            version=API_VERSION,
            timeout=kind.seconds,
            num_pools=1,
            max_pool_size=kind.workers,
        )
        self._threads = concurrent.futures.ThreadPoolExecutor(kind.workers, f"podman-{kind.name}")

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        missing: type[interface.RuntimeFault] = interface.NoSuchContainer,
        accept: tuple[int, ...] = (),
    ) -> Any:
        """Make a call and return the parsed answer; `accept` are further statuses that mean success."""
        work = functools.partial(self._call, method, path, params, body, missing, accept)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: object,
        missing: type[interface.RuntimeFault],
        accept: tuple[int, ...],
    ) -> Any:
        arguments: dict[str, Any] = {"params": params, "timeout": (CONNECT_SECONDS, self._kind.seconds)}
        if method == "post":
            arguments["headers"] = {"Content-Type": "application/json"}
            arguments["data"] = orjson.dumps(body) if body is not None else None
        try:
            answer = getattr(self._api, method)(path, **arguments)
            content = answer.content
        except (requests.RequestException, podman.errors.APIError, OSError) as error:
            raise interface.Unavailable(f"podman: {method} {path}: {error}") from error
        status = answer.status_code
        if status >= 400 and status not in accept:
            raise fault(status, content, missing)
        return orjson.loads(content) if content and status < 400 else None

    def close(self) -> None:
        """Leave the threads to end by themselves and close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._api.close()


def fault(status: int, content: bytes, missing: type[interface.RuntimeFault]) -> interface.RuntimeFault:
    """Return the error that an answer stands for, in the service's words."""
    try:
        text = orjson.loads(content)["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        text = content.decode(errors="replace").strip()
    # libpod answers 500 for these where it finds out late: creating from an image, meeting a removal.
    if "image not known" in text:
        return interface.NoSuchImage(text)
    if "no such container" in text:
        return interface.NoSuchContainer(text)
    return missing(text) if status == 404 else interface.Refused(text)
