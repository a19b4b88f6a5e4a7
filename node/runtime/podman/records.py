"""What libpod's JSON says, as the runtime's values. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from node.runtime import interface

# The exit status of a container whose end nobody saw, as CRI's runtimes report it.
LOST_EXIT_CODE = 255
_FRACTION = re.compile(r"\.(\d+)")
# What libpod's statuses mean to us; one that is being cleaned up has ended already.
_STATES: Mapping[str, interface.ContainerState] = {
    "configured": "created",
    "created": "created",
    "initialized": "created",
    "running": "running",
    "paused": "running",
    "stopping": "running",
    "stopped": "exited",
    "exited": "exited",
    "removing": "exited",
}
_EVENTS: Mapping[str, interface.EventKind] = {
    "create": "changed",
    "start": "started",
    "died": "exited",
    "remove": "removed",
}


def container(body: Mapping[str, Any]) -> interface.Container:
    """Return a container from `GET /libpod/containers/{name}/json`."""
    state = body["State"]
    started = seconds(state["StartedAt"])
    finished = seconds(state["FinishedAt"])
    found = _STATES.get(state["Status"], "exited")
    exit_code = state["ExitCode"]
    if found == "created" and started and not state["Pid"]:
        # It ran when the machine went down: libpod forgets that, all but the time.
        found, exit_code, finished = "exited", LOST_EXIT_CODE, max(started, finished)
    return interface.Container(
        id=body["Id"],
        name=body["Name"],
        image=body["ImageName"],
        image_id=body["Image"],
        labels=body["Config"].get("Labels") or {},
        state=found,
        created_at=seconds(body["Created"]),
        started_at=started,
        # libpod notes the start after the fact: of a short process sometimes after its end.
        finished_at=max(started, finished) if finished else 0.0,
        exit_code=exit_code,
        oom_killed=state["OOMKilled"],
        pid=state["Pid"],
        error=state["Error"],
    )


def image(body: Mapping[str, Any]) -> interface.Image:
    """Return an image from `GET /libpod/images/{name}/json`, or from one entry of the list."""
    config = body.get("Config") or {}
    return interface.Image(
        id=body["Id"].removeprefix("sha256:"),
        tags=tuple(body.get("RepoTags") or ()),
        digests=tuple(body.get("RepoDigests") or ()),
        size=body.get("Size", 0),
        user=body.get("User") or config.get("User", ""),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
    )


def event(body: Mapping[str, Any]) -> interface.Event | None:
    """Return an event of a container that is ours, None for any other."""
    actor = body.get("Actor") or {}
    kind = _EVENTS.get(body.get("Action", ""))
    if body.get("Type") != "container" or kind is None or interface.UID_LABEL not in (actor.get("Attributes") or {}):
        return None
    return interface.Event(kind, actor["ID"])


def stats(body: Mapping[str, Any]) -> dict[str, interface.Stats]:
    """Return figures by container from `GET /libpod/containers/stats`."""
    return {
        one["ContainerID"]: interface.Stats(one["CPUNano"] / 1e9, one["MemUsage"])
        for one in body.get("Stats") or ()
        if one.get("ContainerID")
    }


def seconds(text: str) -> float:
    """Return the Unix time of an RFC 3339 text, whose fraction may have nine digits; 0.0 for Go's zero time."""
    if not text or text.startswith("0001-"):
        return 0.0
    shortened = _FRACTION.sub(lambda match: "." + match.group(1)[:6].ljust(6, "0"), text)
    return datetime.datetime.fromisoformat(shortened).timestamp()
