"""The `Runtime` of a Podman service.

Made by the node's program for one socket. Short calls go through podman-py in threads (`calls`), streams and
whatever takes long through aiohttp (`streams`).
"""

from __future__ import annotations

import asyncio
import base64
import urllib.parse
from collections.abc import AsyncIterator, Mapping, Sequence

import orjson

from node.runtime import interface
from node.runtime.podman import calls, records, spec, streams

_OURS = orjson.dumps({"label": [interface.UID_LABEL]}).decode()
# After SIGKILL a process may still hang in the kernel: then the caller tries again.
_KILLED_SECONDS = 10.0
_EXEC_POLL_SECONDS = 0.05
# What a process that has gone with its container would have said: SIGKILL's status.
_GONE_CODE = 137
# Podman leaves a stream at a sequence of keys, by default Ctrl-P, Ctrl-Q, and holds back each that might begin it
# until the next. Kubernetes has none; an exec has to name one: of a key that nearly nobody types.
_NO_KEYS = ",".join(["ctrl-^"] * 32)
# libpod's word where a call does not fit a container's state.
_NOT_RUNNING = "container state improper"


class PodmanRuntime:
    """Containers of a Podman service; `socket` is a path, usually /run/podman/podman.sock."""

    scheme = "podman"

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._query = calls.Calls(socket, calls.QUERY)
        self._lifecycle = calls.Calls(socket, calls.LIFECYCLE)
        self._removal = calls.Calls(socket, calls.REMOVAL)
        self._stats = calls.Calls(socket, calls.STATS)
        self._process = calls.Calls(socket, calls.PROCESS)
        self._http = streams.Http(socket)

    async def version(self) -> str:
        """Return the service's version."""
        answer = await self._query.call("get", "/version")
        return str(answer["Components"][0]["Version"])

    async def image(self, reference: str) -> interface.Image | None:
        """Return an image by name or id."""
        try:
            path = f"/images/{urllib.parse.quote(reference, safe='')}/json"
            return records.image(await self._query.call("get", path, missing=interface.NoSuchImage))
        except interface.NoSuchImage:
            return None

    async def images(self) -> Sequence[interface.Image]:
        """Return every image on the node."""
        return [records.image(one) for one in await self._query.call("get", "/images/json")]

    async def pull(self, reference: str, credentials: interface.Credentials | None = None) -> interface.Image:
        """Fetch an image; cancelling the call ends the transfer."""
        headers = {"X-Registry-Auth": _auth(credentials)} if credentials else {}
        found = ""
        pulling = self._http.lines(
            "POST", "images/pull", {"reference": reference}, headers=headers, missing=interface.NoSuchImage
        )
        async for line in pulling:
            report = orjson.loads(line) if line else {}
            if text := report.get("error"):
                raise _pull_fault(text)
            found = report.get("id") or found
        image = await self.image(found or reference)
        if image is None:
            raise interface.NoSuchImage(f"{reference}: image not known")
        return image

    async def create(self, spec_: interface.ContainerSpec) -> str:
        """Create a container."""
        body = spec.libpod(spec_)
        answer = await self._lifecycle.call("post", "/containers/create", body=body, missing=interface.NoSuchImage)
        return str(answer["Id"])

    async def start(self, container: str) -> None:
        """Start a created container."""
        await self._lifecycle.call("post", f"/containers/{container}/start")

    async def stop(self, container: str, grace_seconds: float) -> None:
        """Send the stop signal, wait, kill.

        libpod's own `stop` would hold a thread for the whole grace.
        """
        body = await self._query.call("get", f"/containers/{container}/json")
        if records.container(body).state != "running":
            return
        if grace_seconds > 0:
            await self.kill(container, str(body["Config"].get("StopSignal") or "SIGTERM"))
            if await self._http.wait(container, grace_seconds):
                return
        await self.kill(container)
        if not await self._http.wait(container, _KILLED_SECONDS):
            raise interface.Unavailable(f"container {container} is still there after SIGKILL")

    async def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal."""
        try:
            await self._removal.call("post", f"/containers/{container}/kill", params={"signal": signal})
        except interface.Refused as error:
            if _NOT_RUNNING not in str(error):
                raise

    async def remove(self, container: str) -> None:
        """Remove a container, its log and its anonymous volumes."""
        params = {"force": "true", "v": "true", "timeout": "0"}
        answer = await self._removal.call("delete", f"/containers/{container}", params=params, accept=(404,))
        for report in answer or ():
            if text := report.get("Err"):
                raise interface.Refused(str(text))

    async def containers(self) -> Sequence[interface.Container]:
        """Return every container that carries our labels."""
        listed = await self._query.call("get", "/containers/json", params={"all": "true", "filters": _OURS})
        found = await asyncio.gather(*(self.inspect(one["Id"]) for one in listed))
        return [one for one in found if one is not None]

    async def inspect(self, container: str) -> interface.Container | None:
        """Return one container."""
        try:
            return records.container(await self._query.call("get", f"/containers/{container}/json"))
        except interface.NoSuchContainer:
            return None

    async def events(self) -> AsyncIterator[interface.Event]:
        """Iterate over the changes of our containers."""
        async for event in streams.events(self._http):
            yield event

    async def logs(self, container: str, options: interface.LogOptions) -> AsyncIterator[interface.Chunk]:
        """Iterate over what the container wrote."""
        params = {"stdout": "true", "stderr": "true", "follow": _flag(options.follow)}
        params["timestamps"] = _flag(options.timestamps)
        if options.tail is not None:
            params["tail"] = str(options.tail)
        if options.since:
            params["since"] = f"{options.since:.9f}"
        async for chunk in self._http.chunks(f"containers/{container}/logs", params, raw=False):
            yield chunk

    async def exec(self, container: str, options: interface.ExecOptions) -> interface.Stream:
        """Run a command in a running container."""
        body = {
            "Cmd": list(options.command),
            "AttachStdin": options.stdin,
            "AttachStdout": options.stdout,
            "AttachStderr": options.stderr,
            "Tty": options.tty,
            "DetachKeys": _NO_KEYS,
        }
        created = await self._process.call("post", f"/containers/{container}/exec", body=body)
        session = str(created["Id"])
        start = {"Detach": False, "Tty": options.tty}
        connection = await streams.hijack(self._socket, f"exec/{session}/start", start)

        async def resize(width: int, height: int) -> None:
            await self._resize(f"/exec/{session}/resize", width, height)

        async def exit_code() -> int:
            return await self._exec_code(session)

        return streams.Hijacked(connection, raw=options.tty, resize=resize, exit_code=exit_code)

    async def attach(self, container: str, *, stdin: bool, tty: bool) -> interface.Stream:
        """Connect to the main process' streams."""
        # Podman makes one that has ended anew, without a word, and its exit code and log are gone.
        found = await self.inspect(container)
        if found is None or found.state != "running":
            raise interface.Refused(interface.NOT_ATTACHABLE)
        query = f"stream=true&stdout=true&stderr=true&stdin={_flag(stdin)}&detachKeys="
        connection = await streams.hijack(self._socket, f"containers/{container}/attach?{query}")

        async def resize(width: int, height: int) -> None:
            await self._resize(f"/containers/{container}/resize", width, height)

        async def exit_code() -> int:
            found = await self.inspect(container)
            return found.exit_code if found else 0

        return streams.Hijacked(connection, raw=tty, resize=resize, exit_code=exit_code)

    async def stats(self) -> Mapping[str, interface.Stats]:
        """Return what each running container uses."""
        return records.stats(await self._stats.call("get", "/containers/stats", params={"stream": "false"}))

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()
        for kind in (self._query, self._lifecycle, self._removal, self._stats, self._process):
            kind.close()

    async def _resize(self, path: str, width: int, height: int) -> None:
        params = {"w": str(width), "h": str(height)}
        await self._process.call("post", path, params=params, accept=(404, 409, 500))

    async def _exec_code(self, session: str) -> int:
        # The streams end a moment before libpod has noted the status, and with a container that is removed.
        async with asyncio.timeout(calls.PROCESS.seconds):
            while True:
                try:
                    answer = await self._process.call("get", f"/exec/{session}/json")
                except interface.NoSuchContainer:
                    return _GONE_CODE
                if not answer["Running"]:
                    return int(answer["ExitCode"])
                await asyncio.sleep(_EXEC_POLL_SECONDS)


def _auth(credentials: interface.Credentials) -> str:
    fields = {"username": credentials.username, "password": credentials.password}
    return base64.urlsafe_b64encode(orjson.dumps(fields)).decode()


def _pull_fault(text: str) -> interface.RuntimeFault:
    unknown = "manifest unknown" in text or "name unknown" in text or "not found" in text
    return interface.NoSuchImage(text) if unknown else interface.Refused(text)


def _flag(value: bool) -> str:
    return "true" if value else "false"
