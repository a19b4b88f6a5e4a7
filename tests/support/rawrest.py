"""The API as plain HTTPS and JSON: statuses, headers and events one by one, which clients do not show."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import kubernetes
import orjson
import urllib3

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back: the body as JSON where it is JSON, else as bytes."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Events:
    """The events of a watch, in order; a wait of more than some seconds is an error."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._lines = _lines(response)

    def next(self) -> tuple[str, Any]:
        """Return the next event: its type and its object."""
        event = orjson.loads(next(self._lines))
        return event["type"], event["object"]

    def take(self, count: int) -> list[tuple[str, str]]:
        """Return types and names of the next events."""
        return [(kind, found["metadata"]["name"]) for kind, found in (self.next() for _ in range(count))]

    def until(self, wanted: Callable[[str, Any], bool]) -> list[tuple[str, Any]]:
        """Return the events up to the first that is wanted, which is the last of them."""
        seen = []
        for kind, found in iter(self.next, None):
            seen.append((kind, found))
            if wanted(kind, found):
                break
        return seen


class Rest:
    """The administrator's connection, or another's."""

    def __init__(self, client: kubernetes.client.ApiClient, headers: Mapping[str, str] | None = None) -> None:
        self._pool = client.rest_client.pool_manager
        self._url = client.configuration.host
        self._headers = dict(headers or {})

    def ask(
        self, method: str, path: str, body: Any = None, *, sent: str = JSON, accept: str = JSON, **query: Any
    ) -> Answer:
        """Carry out a request; a body that is no text is written as JSON, None leaves a parameter out."""
        written = body if body is None or isinstance(body, str | bytes) else orjson.dumps(body)
        headers = {"Accept": accept, "Content-Type": sent, **self._headers}
        url = self._url + path + _query(query)
        answer = self._pool.request(method, url, body=written, headers=headers, timeout=SECONDS, retries=False)
        is_json = answer.headers.get("Content-Type", "").startswith(JSON)
        return Answer(answer.status, answer.headers, orjson.loads(answer.data) if is_json else answer.data)

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Carry out a request that must succeed and return its body."""
        answer = self.ask(method, path, body, **more)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.body}"
        return answer.body

    def refused(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> str:
        """Carry out a request that must be refused with a status and return the message."""
        answer = self.ask(method, path, body, **more)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.body}"
        message: str = answer.body["message"]
        return message

    @contextlib.contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Events]:
        """Watch a collection for the time of the block."""
        with self._streamed(path, {**query, "watch": "true"}, JSON) as response:
            yield Events(response)

    @contextlib.contextmanager
    def _streamed(self, path: str, query: Mapping[str, Any], accept: str) -> Iterator[urllib3.BaseHTTPResponse]:
        headers = {**self._headers, "Accept": accept}
        response = self._pool.request(
            "GET",
            self._url + path + _query(query),
            headers=headers,
            preload_content=False,
            timeout=SECONDS,
            retries=False,
        )
        try:
            assert response.status == 200, response.read()
            yield response
        finally:
            response.close()

    def until(self, path: str, wanted: Callable[[Any], bool], **query: Any) -> Any:
        """Watch a collection until an object in it is as wanted; returns that."""
        with self.watch(path, **query) as events:
            return events.until(lambda kind, found: kind != "DELETED" and wanted(found))[-1][1]

    def until_gone(self, path: str, name: str) -> None:
        """Watch a collection until an object of a name is not in it, be it that it never was."""
        listed = self("GET", path, fieldSelector=f"metadata.name={name}")
        if listed["items"]:
            query = {
                "fieldSelector": f"metadata.name={name}",
                "resourceVersion": listed["metadata"]["resourceVersion"],
            }
            with self.watch(path, **query) as events:
                events.until(lambda kind, _: kind == "DELETED")


def _query(query: Mapping[str, Any]) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return "?" + urllib.parse.urlencode(given) if given else ""


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for piece in response.stream(amt=None, decode_content=False):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
