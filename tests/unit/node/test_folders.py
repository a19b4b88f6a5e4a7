"""Volumes: what they hold, and how their files are replaced."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from fairlead import clock as clocks
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node import mounts
from node.agent import assignments
from node.pods import fields, folders, sources, volumes
from tests.support import pods


def _given() -> assignments.Assignments:
    made = assignments.Assignments(clocks.FakeClock(), lambda question: None)
    settings = corev1.ConfigMap(data={"a": "1", "b": "2"}, binaryData={"c": b"\x00"})
    settings.metadata.name, settings.metadata.namespace = "settings", "default"
    made.take([agent_pb2.Change(config_map=settings)])
    return made


def _made(pod: corev1.Pod) -> list[volumes.Volume]:
    return volumes.volumes(fields.PodFacts(pod, ("10.128.3.2",)), _given())


def test_a_config_map_volume_has_a_file_for_each_key() -> None:
    """With the volume's mode."""
    pod = pods.pod()
    source = pod.spec.volumes.add(name="v").volumeSource.configMap
    source.localObjectReference.name, source.defaultMode = "settings", 0o400
    [volume] = _made(pod)
    assert volume == volumes.FilesVolume(
        "v", {name: volumes.File(data, 0o400) for name, data in (("a", b"1"), ("b", b"2"), ("c", b"\x00"))}
    )


def test_items_choose_and_name() -> None:
    """Only those keys, at those paths, with those modes."""
    pod = pods.pod()
    source = pod.spec.volumes.add(name="v").volumeSource.configMap
    source.localObjectReference.name = "settings"
    source.items.add(key="a", path="deep/er", mode=0o600)
    assert _made(pod) == [volumes.FilesVolume("v", {"deep/er": volumes.File(b"1", 0o600)})]
    source.items.add(key="z", path="z")
    with pytest.raises(sources.Missing, match='volume "v" : references non-existent configmap key: z'):
        _made(pod)


def test_a_missing_secret_is_said_unless_optional() -> None:
    """FailedMount's words."""
    pod = pods.pod()
    source = pod.spec.volumes.add(name="v").volumeSource.secret
    source.secretName = "keys"
    with pytest.raises(sources.Missing, match='MountVolume.SetUp failed for volume "v" : secret "keys" not found'):
        _made(pod)
    source.optional = True
    assert _made(pod) == [volumes.FilesVolume("v", {}, memory=True)]


def test_the_downward_api_as_files() -> None:
    """Labels as lines."""
    pod = pods.pod()
    pod.metadata.labels["app"] = "web"
    items = pod.spec.volumes.add(name="v").volumeSource.downwardAPI.items
    items.add(path="labels").fieldRef.fieldPath = "metadata.labels"
    assert _made(pod) == [volumes.FilesVolume("v", {"labels": volumes.File(b'app="web"', 0o644)}, memory=True)]
    pod.metadata.labels["app"] = 'a\tb\\ "\u00e9"\n\x7f'
    [volume] = _made(pod)
    assert isinstance(volume, volumes.FilesVolume)
    assert volume.files["labels"].data.decode() == r'app="a\tb\\ \"\u00e9\"\n\x7f"'.replace(r"\u00e9", "\u00e9")


@pytest.mark.parametrize(
    ("pod_user", "users", "group", "want"),
    [
        (None, (None, None), None, (0o644, None)),
        (1000, (None, None), None, (0o600, 1000)),
        (None, (1000, 1000), None, (0o600, 1000)),
        (1000, (None, 2000), None, (0o644, None)),
        (None, (1000, None), None, (0o644, None)),
        (None, (None, None), 7, (0o600, None)),
        (1000, (None, None), 7, (0o600, 1000)),
    ],
)
def test_a_token_is_for_those_who_run(
    pod_user: int | None, users: tuple[int | None, ...], group: int | None, want: tuple[int, int | None]
) -> None:
    """Where all containers have one user it is theirs alone; where some have the image's, everybody may read it."""
    pod = pods.pod(pods.container("a"), pods.container("b"))
    if pod_user is not None:
        pod.spec.securityContext.runAsUser = pod_user
    if group is not None:
        pod.spec.securityContext.fsGroup = group
    for container, user in zip(pod.spec.containers, users, strict=True):
        if user is not None:
            container.securityContext.runAsUser = user
    pod.spec.volumes.add(name="v").volumeSource.projected.sources.add().serviceAccountToken.path = "token"
    given = assignments.Assignments(clocks.FakeClock(), lambda question: None)
    given.take([agent_pb2.Change(pod=pod)])
    given.token(pods.UID, "", volumes.DEFAULT_TOKEN_SECONDS)
    token = agent_pb2.ServiceAccountToken(namespace="default", pod_name="web", pod_uid=pods.UID)
    token.request.spec.audiences.append("api")
    token.request.status.token = "secret"
    token.request.status.expirationTimestamp.seconds = int(clocks.FakeClock().now()) + 3600
    given.take([agent_pb2.Change(token=token)])
    [volume] = volumes.volumes(fields.PodFacts(pod), given)
    assert isinstance(volume, volumes.FilesVolume)
    assert volume.files["token"] == volumes.File(b"secret", *want)


def test_a_kind_that_is_not_known_is_said() -> None:
    """Instead of an empty folder."""
    pod = pods.pod()
    pod.spec.volumes.add(name="v").volumeSource.nfs.server = "x"
    with pytest.raises(volumes.UnsupportedVolume, match='volume "v": this node does not support volumes of type nfs'):
        _made(pod)


def _file(text: str) -> volumes.File:
    return volumes.File(text.encode(), 0o644)


def test_files_are_replaced_at_once(tmp_path: pathlib.Path) -> None:
    """A reader that has the folder open sees all of the old or all of the new; what is gone is gone."""
    folders.replace_files(tmp_path, {"a": _file("1"), "sub/b": _file("2")}, None)
    old = os.readlink(tmp_path / "..data")
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "sub" / "b").read_text() == "2"
    assert folders.replace_files(tmp_path, {"a": _file("3")}, None)
    assert (tmp_path / "a").read_text() == "3"
    assert not (tmp_path / "sub").is_symlink()
    assert not (tmp_path / old).exists()
    assert sorted(one for one in os.listdir(tmp_path) if not one.startswith("..")) == ["a"]


def test_what_is_the_same_is_not_written(tmp_path: pathlib.Path) -> None:
    """So that nobody who watches the folder is woken."""
    folders.replace_files(tmp_path, {"a": _file("1")}, None)
    before = os.readlink(tmp_path / "..data")
    assert not folders.replace_files(tmp_path, {"a": _file("1")}, None)
    assert os.readlink(tmp_path / "..data") == before


def test_a_path_may_not_leave_the_volume(tmp_path: pathlib.Path) -> None:
    """Neither a file's nor a sub-path."""
    with pytest.raises(folders.FolderFault, match=r"invalid path: \.\./a"):
        folders.replace_files(tmp_path, {"../a": _file("1")}, None)
    folder = folders.PodFolder(str(tmp_path), "uid")
    container = pods.container()
    container.volumeMounts.add(name="v", mountPath="/v", subPath="../../etc")
    with pytest.raises(folders.FolderFault, match=r"unable to provision SubPath `../../etc`: must not contain '..'"):
        folder.mounts(container, [volumes.EmptyVolume("v")], {})
    container.volumeMounts[0].subPath = "/etc"
    with pytest.raises(folders.FolderFault, match="error SubPath `/etc` must not be an absolute path"):
        folder.mounts(container, [volumes.EmptyVolume("v")], {})


def test_a_link_may_not_leave_the_volume(tmp_path: pathlib.Path) -> None:
    """A container that may write could otherwise mount the node's files into its next start."""
    folder = folders.PodFolder(str(tmp_path), "uid")
    inside = folder.path / "volumes" / "v"
    inside.mkdir(parents=True)
    (inside / "escape").symlink_to("/etc")
    container = pods.container()
    container.volumeMounts.add(name="v", mountPath="/v", subPath="escape")
    with pytest.raises(folders.FolderFault, match="leaves the volume"):
        folder.mounts(container, [volumes.EmptyVolume("v")], {})


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_group_of_the_pods_may_read_files(tmp_path: pathlib.Path) -> None:
    """Read and no more, whatever their mode; and enter the folders on the way."""
    given = {"a": volumes.File(b"1", 0o400), "sub/b": volumes.File(b"2", 0o644), "t": volumes.File(b"3", 0o600, 1000)}
    folders.replace_files(tmp_path, given, 1001)
    found = {name: (tmp_path / name).stat() for name in ("a", "sub", "sub/b", "t")}
    got = {name: (oct(one.st_mode & 0o7777), one.st_uid, one.st_gid) for name, one in found.items()}
    assert got == {
        "a": ("0o440", 0, 1001),
        "sub": ("0o2755", 0, 1001),
        "sub/b": ("0o644", 0, 1001),
        "t": ("0o640", 1000, 1001),
    }


def test_a_sub_path_is_made_as_open_as_its_volume(tmp_path: pathlib.Path) -> None:
    """A container that is not root writes to it as to the volume; what is there already stays as it is."""
    folder = folders.PodFolder(str(tmp_path), "uid")
    inside = folder.path / "volumes" / "v"
    (inside / "old").mkdir(parents=True, mode=0o700)
    inside.chmod(0o2777)
    container = pods.container()
    container.volumeMounts.add(name="v", mountPath="/v", subPath="old/new/er")
    [mount] = folder.mounts(container, [volumes.EmptyVolume("v")], {})
    assert mount.source == str(inside / "old" / "new" / "er")
    modes = [
        oct(path.stat().st_mode & 0o7777) for path in (inside / "old", inside / "old/new", inside / "old/new/er")
    ]
    assert modes == ["0o700", "0o2777", "0o2777"]


def test_a_link_is_not_followed_to_make_a_sub_path(tmp_path: pathlib.Path) -> None:
    """One that a container left to a place on the node where nothing is yet."""
    folder = folders.PodFolder(str(tmp_path), "uid")
    inside = folder.path / "volumes" / "v"
    inside.mkdir(parents=True)
    (inside / "escape").symlink_to(tmp_path / "outside")
    container = pods.container()
    container.volumeMounts.add(name="v", mountPath="/v", subPath="escape/here")
    with pytest.raises(folders.FolderFault, match="leaves the volume"):
        folder.mounts(container, [volumes.EmptyVolume("v")], {})
    assert not (tmp_path / "outside").exists()


def test_a_sub_path_of_unknown_variables_is_refused(tmp_path: pathlib.Path) -> None:
    """Instead of a folder of that name."""
    container = pods.container()
    container.volumeMounts.add(name="v", mountPath="/v", subPathExpr="$(A)/$$(B)/$(C)")
    with pytest.raises(folders.FolderFault, match='^missing value for "C"$'):
        folders.PodFolder(str(tmp_path), "uid").mounts(container, [volumes.EmptyVolume("v")], {"A": "a"})


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_folder_of_the_node_without_a_type_is_made(tmp_path: pathlib.Path) -> None:
    """As CRI's runtimes do; one that must be there is not."""
    folder = folders.PodFolder(str(tmp_path / "root"), "uid")
    try:
        folder.prepare([volumes.HostVolume("v", str(tmp_path / "some" / "where"))], None)
        with pytest.raises(folders.FolderFault, match="hostPath type check failed: .* is not a directory"):
            folder.prepare([volumes.HostVolume("v", str(tmp_path / "nowhere"), "Directory")], None)
    finally:
        folder.release()
        mounts.unmount(tmp_path / "root" / "pods")
    assert (tmp_path / "some" / "where").is_dir()


def test_mounts(tmp_path: pathlib.Path) -> None:
    """Files are read-only whatever the spec says; sub-paths may use variables."""
    folder = folders.PodFolder(str(tmp_path), "uid")
    (folder.path / "volumes" / "work").mkdir(parents=True)
    container = pods.container()
    container.volumeMounts.add(name="files", mountPath="/files")
    container.volumeMounts.add(name="work", mountPath="/work", subPathExpr="$(NAME)")
    container.volumeMounts.add(name="host", mountPath="/host", mountPropagation="HostToContainer", readOnly=True)
    made = [volumes.FilesVolume("files", {}), volumes.EmptyVolume("work"), volumes.HostVolume("host", "/srv")]
    got = [
        (one.source, one.target, one.read_only, one.propagation)
        for one in folder.mounts(container, made, {"NAME": "x"})
    ]
    base = f"{folder.path}/volumes"
    assert got == [
        (f"{base}/files", "/files", True, "rprivate"),
        (f"{base}/work/x", "/work", False, "rprivate"),
        ("/srv", "/host", True, "rslave"),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_memory_volumes_are_released_where_everything_is_shared(tmp_path: pathlib.Path) -> None:
    """systemd shares every mount: then each is there once, not twice, and releasing is complete and repeatable."""
    script = f"""
import pathlib
from node import mounts
from node.pods import folders, volumes
folder = folders.PodFolder({str(tmp_path)!r}, "uid")
made = [volumes.EmptyVolume("scratch", memory=True), volumes.FilesVolume("keys", {{}}, memory=True)]
folder.prepare(made, None)
folder.prepare(made, None)
points = [str(one.relative_to(folder.path)) for one in mounts.below(folder.path)]
assert points == ["volumes/scratch", "volumes/keys", "shm"], points
folder.release()
folder.release()
assert mounts.below(pathlib.Path({str(tmp_path)!r}, "pods")) == []
assert not folder.exists()
"""
    inside = ["unshare", "--mount", "--propagation", "shared", sys.executable, "-c", script]
    subprocess.run(inside, check=True, env=os.environ | {"PYTHONPATH": os.getcwd()})
