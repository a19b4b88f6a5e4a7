"""A pod's folder on the node: volumes, its name files, its termination messages.

The pod worker calls it in a thread. Volumes of files are replaced as a whole by the turn of one symbolic link
(`..data`), so that a container sees either all of the old or all of the new.
"""

from __future__ import annotations

import os
import pathlib
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence

from fairlead.api.pb import core_v1_pb2 as corev1
from node import mounts
from node.pods import environment
from node.pods.volumes import EmptyVolume, File, FilesVolume, HostVolume, Volume
from node.runtime.interface import Mount

MESSAGE_BYTES = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DEFAULT_FILE_MODE = 0o644
PODS = "pods"
# POSIX shared memory (/dev/shm), one for all containers of the pod, of the size that container runtimes give it.
SHARED_MEMORY = "shm"
SHARED_MEMORY_BYTES = 64 * 1024 * 1024
_DATA = "..data"
_GROUP_READS, _GROUP_ENTERS = 0o440, stat.S_ISGID | 0o550
_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}
_CHECKS: Mapping[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "is not a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "is not a directory"),
    "File": (stat.S_ISREG, "is not a file"),
    "FileOrCreate": (stat.S_ISREG, "is not a file"),
    "Socket": (stat.S_ISSOCK, "is not a socket file"),
    "CharDevice": (stat.S_ISCHR, "is not a character device"),
    "BlockDevice": (stat.S_ISBLK, "is not a block device"),
}


class FolderFault(Exception):
    """A volume or file that cannot be made; the text says why."""


class PodFolder:
    """The folder of one pod under the node's root (`<root>/pods/<uid>`)."""

    def __init__(self, root: str, uid: str) -> None:
        self._pods = pathlib.Path(root, PODS)
        self.path = self._pods / uid

    def exists(self) -> bool:
        """Tell whether there is something to release."""
        return self.path.is_dir()

    def prepare(self, volumes: Sequence[Volume], group: int | None) -> None:
        """Make or update every volume; `group` (fsGroup) owns what is made. FolderFault, OSError."""
        mounts.share(self._pods)
        self.path.mkdir(mode=0o750, exist_ok=True)
        shared = self.path / SHARED_MEMORY
        shared.mkdir(exist_ok=True)
        if not mounts.is_mounted(shared):
            mounts.memory(shared, size=SHARED_MEMORY_BYTES, mode=0o1777)
        for volume in volumes:
            if isinstance(volume, HostVolume):
                _check_host_path(volume)
                continue
            folder = self._volume(volume.name)
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(volume, EmptyVolume):
                _make_empty(folder, volume, group)
            else:
                if volume.memory and not mounts.is_mounted(folder):
                    mounts.memory(folder)
                replace_files(folder, volume.files, group)

    def release(self) -> None:
        """Remove everything; safe to repeat."""
        for point in mounts.below(self.path):
            mounts.unmount(point)
        if self.exists():
            shutil.rmtree(self.path)

    def write(self, name: str, text: str) -> str:
        """Write a file that containers mount (hosts, resolv.conf) and return its path; in place, as mounts want."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            path.chmod(DEFAULT_FILE_MODE)
        return str(path)

    def shared_memory(self) -> str:
        """Return the path of the pod's /dev/shm."""
        return str(self.path / SHARED_MEMORY)

    def message_file(self, container: str, attempt: int) -> str:
        """Return the path of an empty file for a container's termination message."""
        path = self._message(container, attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o666)
        return str(path)

    def message(self, container: str, attempt: int) -> str:
        """Return what a container left as its termination message, at most MESSAGE_BYTES."""
        try:
            with self._message(container, attempt).open("rb") as file:
                return file.read(MESSAGE_BYTES).decode(errors="replace")
        except OSError:
            return ""

    def forget_message(self, container: str, attempt: int) -> None:
        """Remove a container's termination message."""
        self._message(container, attempt).unlink(missing_ok=True)

    def mounts(self, container: corev1.Container, volumes: Sequence[Volume], env: Mapping[str, str]) -> list[Mount]:
        """Return a container's volume mounts; sub-paths that do not exist are made."""
        by_name = {volume.name: volume for volume in volumes}
        return [self._mount(one, by_name[one.name], env) for one in container.volumeMounts]

    def _mount(self, mount: corev1.VolumeMount, volume: Volume, env: Mapping[str, str]) -> Mount:
        source = pathlib.Path(volume.path) if isinstance(volume, HostVolume) else self._volume(volume.name)
        inner = _expanded(mount.subPathExpr, env) if mount.subPathExpr else mount.subPath
        if inner:
            source = _sub_path(source, inner)
        # Nobody's container may write what the agent replaces.
        read_only = mount.readOnly or isinstance(volume, FilesVolume)
        return Mount(str(source), mount.mountPath, read_only, _PROPAGATION.get(mount.mountPropagation, "rprivate"))

    def _volume(self, name: str) -> pathlib.Path:
        return self.path / "volumes" / name

    def _message(self, container: str, attempt: int) -> pathlib.Path:
        return self.path / "messages" / f"{container}-{attempt}"


def replace_files(folder: pathlib.Path, files: Mapping[str, File], group: int | None) -> bool:
    """Make a folder's visible content exactly these files, at once; False where it is already."""
    if _current(folder) == {path: file.data for path, file in files.items()}:
        return False
    fresh = folder / f"..{secrets.token_hex(8)}"
    fresh.mkdir(mode=0o755)
    for path, file in files.items():
        target = fresh / path
        if ".." in pathlib.PurePath(path).parts:
            raise FolderFault(f"invalid path: {path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)
        if file.user is not None:
            os.chown(target, file.user, -1)
    if group is not None:
        _give_to(group, fresh)
    before = _target(folder)
    turning = folder / "..data_tmp"
    turning.unlink(missing_ok=True)
    turning.symlink_to(fresh.name)
    # From here on containers see the new files.
    turning.rename(folder / _DATA)
    visible = {pathlib.PurePath(path).parts[0] for path in files}
    for name in visible:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in visible:
            entry.unlink()
    if before is not None:
        shutil.rmtree(folder / before, ignore_errors=True)
    return True


def _give_to(group: int, folder: pathlib.Path) -> None:
    """Let a group read a folder of files, as Kubernetes lets fsGroup in volumes that nobody writes."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, -1, group)
        more = _GROUP_ENTERS if path.is_dir() else _GROUP_READS
        path.chmod(stat.S_IMODE(path.stat().st_mode) | more)


def _current(folder: pathlib.Path) -> dict[str, bytes] | None:
    name = _target(folder)
    if name is None:
        return None
    base = folder / name
    found = (path for path in base.rglob("*") if path.is_file())
    return {str(path.relative_to(base)): path.read_bytes() for path in found}


def _target(folder: pathlib.Path) -> str | None:
    link = folder / _DATA
    return os.readlink(link) if link.is_symlink() else None


def _make_empty(folder: pathlib.Path, volume: EmptyVolume, group: int | None) -> None:
    if volume.memory and not mounts.is_mounted(folder):
        mounts.memory(folder, size=volume.size, mode=0o777)
    folder.chmod(0o777 if group is None else 0o2777)
    if group is not None:
        os.chown(folder, -1, group)


def _check_host_path(volume: HostVolume) -> None:
    path = pathlib.Path(volume.path)
    # Without a type nothing is checked, and CRI's runtimes make what is missing.
    if volume.type in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(mode=0o755, parents=True)
    if volume.type == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if volume.type not in _CHECKS:
        return
    matches, text = _CHECKS[volume.type]
    if not path.exists() or not matches(path.stat().st_mode):
        raise FolderFault(f"hostPath type check failed: {volume.path} {text}")


def _expanded(text: str, env: Mapping[str, str]) -> str:
    if unknown := environment.unknown(text, env):
        raise FolderFault(", ".join(f'missing value for "{name}"' for name in unknown))
    return environment.expand(text, env)


def _sub_path(base: pathlib.Path, inner: str) -> pathlib.Path:
    if pathlib.PurePath(inner).is_absolute():
        raise FolderFault(f"error SubPath `{inner}` must not be an absolute path")
    if ".." in pathlib.PurePath(inner).parts:
        raise FolderFault(f"unable to provision SubPath `{inner}`: must not contain '..'")
    root, path = base.resolve(), (base / inner).resolve()
    if not path.is_relative_to(root):
        raise FolderFault(f"subPath {inner} leaves the volume")
    if not path.exists():
        _make_inside(root, path)
    return path


def _make_inside(root: pathlib.Path, path: pathlib.Path) -> None:
    """Make the folders from a volume's root to a path, as open as the root is.

    A container may write there meanwhile: no link that it puts in the way is followed.
    """
    mode = stat.S_IMODE(root.stat().st_mode)
    here = os.open(root, _FOLDER)
    try:
        for name in path.relative_to(root).parts:
            try:
                os.mkdir(name, dir_fd=here)
                made = True
            except FileExistsError:
                made = False
            inside = os.open(name, _FOLDER, dir_fd=here)
            os.close(here)
            here = inside
            if made:
                os.fchmod(here, mode)
    finally:
        os.close(here)
