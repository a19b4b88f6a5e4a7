"""What every `Client` does: the same answers and errors in the process and over gRPC."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from fairlead.api import errors, objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import Patch, PatchType, Selection


def config_map(name: str, **labels: str) -> corev1.ConfigMap:
    """A ConfigMap in `default`."""
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.labels.update(labels)
    made.data["key"] = "value"
    return made


def pod(name: str) -> corev1.Pod:
    """A pod in `default`."""
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.containers.add(name="main", image="busybox:1")
    return made


async def events(client: Any, kind: Any, count: int, **how: Any) -> list[tuple[str, str]]:
    """The first events of a watch, bookmarks left out, as (type, name)."""
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(20), contextlib.aclosing(client.watch(kind, "default", **how)) as batches:
        async for batch in batches:
            seen += [(event.type, event.object.metadata.name) for event in batch if event.type != "BOOKMARK"]
            if len(seen) >= count:
                return seen
    return seen


async def test_a_created_object_is_read_back_with_what_the_server_gave_it(client: Any) -> None:
    """uid, resourceVersion and creationTimestamp come from the server; the caller's message stays as it was."""
    wanted = config_map("one")

    made = await client.create(wanted)
    read = await client.get(corev1.ConfigMap, "one", "default")

    assert read == made
    assert made.metadata.uid
    assert int(made.metadata.resourceVersion) > 0
    assert made.metadata.creationTimestamp.seconds > 0
    assert wanted == config_map("one")


async def test_a_second_object_of_the_same_name_is_refused(client: Any) -> None:
    """AlreadyExists, in Kubernetes' words."""
    await client.create(config_map("one"))

    with pytest.raises(errors.AlreadyExists, match=r'^configmaps "one" already exists$'):
        await client.create(config_map("one"))


async def test_a_missing_object_is_not_found(client: Any) -> None:
    """NotFound names resource, group and object."""
    with pytest.raises(errors.NotFound, match=r'^deployments.apps "web" not found$') as caught:
        await client.get(appsv1.Deployment, "web", "default")

    assert (caught.value.group, caught.value.kind, caught.value.name) == ("apps", "deployments", "web")


async def test_an_invalid_object_is_refused_with_a_cause_for_each_field(client: Any) -> None:
    """Invalid carries reason, text and path of each fault."""
    bad = pod("web")
    bad.spec.containers[0].image = ""
    bad.spec.restartPolicy = "Sometimes"

    with pytest.raises(errors.Invalid) as caught:
        await client.create(bad)

    assert [(cause.reason, cause.field) for cause in caught.value.causes] == [
        ("FieldValueRequired", "spec.containers[0].image"),
        ("FieldValueNotSupported", "spec.restartPolicy"),
    ]
    assert caught.value.message == (
        'Pod "web" is invalid: [spec.containers[0].image: Required value, spec.restartPolicy: Unsupported value:'
        ' "Sometimes": supported values: "Always", "OnFailure", "Never"]'
    )


async def test_a_namespace_that_does_not_exist_takes_nothing(client: Any) -> None:
    """NotFound of the namespace."""
    lost = config_map("one")
    lost.metadata.namespace = "nowhere"

    with pytest.raises(errors.NotFound, match=r'^namespaces "nowhere" not found$'):
        await client.create(lost)


async def test_an_update_of_an_old_revision_conflicts(client: Any) -> None:
    """Who writes with the revision that it read loses if another wrote; without a revision the last one wins."""
    first = await client.create(config_map("one"))
    newer = objects.copy(first)
    newer.data["key"] = "newer"
    await client.update(newer)
    late = objects.copy(first)
    late.data["key"] = "late"

    with pytest.raises(errors.Conflict, match="the object has been modified; please apply your changes"):
        await client.update(late)
    late.metadata.resourceVersion = ""
    written = await client.update(late)

    assert written.data["key"] == "late"


async def test_an_update_that_changes_nothing_writes_nothing(client: Any) -> None:
    """The revision stays."""
    first = await client.create(config_map("one"))

    again = await client.update(objects.copy(first))

    assert again.metadata.resourceVersion == first.metadata.resourceVersion


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PatchType.MERGE, b'{"data": {"key": null, "new": "1"}}'),
        (PatchType.STRATEGIC, b'{"data": {"key": null, "new": "1"}}'),
        (
            PatchType.JSON,
            b'[{"op": "remove", "path": "/data/key"}, {"op": "add", "path": "/data/new", "value": "1"}]',
        ),
    ],
)
async def test_each_patch_changes_the_object(client: Any, kind: PatchType, body: bytes) -> None:
    """All three formats."""
    await client.create(config_map("one"))

    patched = await client.patch(corev1.ConfigMap, "one", "default", Patch(kind, body))

    assert dict(patched.data) == {"new": "1"}


async def test_many_patches_at_once_all_arrive(client: Any) -> None:
    """A patch without a revision is decided anew on each conflict."""
    await client.create(config_map("one"))

    await asyncio.gather(
        *(
            client.patch(
                corev1.ConfigMap, "one", "default", Patch(PatchType.MERGE, f'{{"data": {{"k{n}": "v"}}}}'.encode())
            )
            for n in range(4)
        )
    )

    assert len((await client.get(corev1.ConfigMap, "one", "default")).data) == 5


async def test_a_list_is_in_key_order_and_selected_by_labels_and_fields(client: Any) -> None:
    """Label and field selectors, together."""
    for name, app in (("c", "web"), ("a", "web"), ("b", "db")):
        await client.create(config_map(name, app=app))

    web = await client.list(corev1.ConfigMap, "default", select=Selection(labels="app=web"))
    named = await client.list(corev1.ConfigMap, "default", select=Selection("app=web", "metadata.name=c"))

    assert [item.metadata.name for item in web.items] == ["a", "c"]
    assert [item.metadata.name for item in named.items] == ["c"]


async def test_pages_together_are_the_collection_as_it_was(client: Any) -> None:
    """Pages after the first do not see what was written after it."""
    for n in range(5):
        await client.create(config_map(f"c{n}"))
    first = await client.list(corev1.ConfigMap, "default", limit=2)
    await client.create(config_map("c0a"))

    second = await client.list(corev1.ConfigMap, "default", limit=2, continue_=first.continue_)
    third = await client.list(corev1.ConfigMap, "default", limit=2, continue_=second.continue_)

    names = [item.metadata.name for page in (first, second, third) for item in page.items]
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    assert (first.remaining, second.remaining, third.continue_) == (3, 1, "")
    assert first.resource_version == second.resource_version == third.resource_version


async def test_an_unknown_field_selector_is_a_bad_request(client: Any) -> None:
    """The error names the field."""
    with pytest.raises(
        errors.BadRequest,
        match='^"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"$',
    ):
        await client.list(appsv1.Deployment, "default", select=Selection(fields="spec.replicas=1"))


async def test_a_watch_begins_with_what_is_there(client: Any) -> None:
    """Without a revision the collection comes first, then the changes."""
    await client.create(config_map("one"))
    seen: list[tuple[str, str]] = []
    written = False

    async with asyncio.timeout(20), contextlib.aclosing(client.watch(corev1.ConfigMap, "default")) as batches:
        async for batch in batches:
            seen += [(event.type, event.object.metadata.name) for event in batch if event.type != "BOOKMARK"]
            if seen == [("ADDED", "one")] and not written:
                written = True
                await client.create(config_map("two"))
                await client.delete(corev1.ConfigMap, "one", "default")
            if len(seen) >= 3:
                break

    assert seen == [("ADDED", "one"), ("ADDED", "two"), ("DELETED", "one")]


async def test_a_watch_goes_on_after_a_revision(client: Any) -> None:
    """Exactly the changes after the list."""
    await client.create(config_map("one"))
    listed = await client.list(corev1.ConfigMap, "default")
    two = await client.create(config_map("two"))
    two.data["key"] = "changed"
    await client.update(two)

    seen = await events(client, corev1.ConfigMap, 2, resource_version=listed.resource_version)

    assert seen == [("ADDED", "two"), ("MODIFIED", "two")]


async def test_an_object_that_enters_or_leaves_a_selection_is_added_or_deleted(client: Any) -> None:
    """A selector's watcher never sees MODIFIED for what it did not see before."""
    listed = await client.list(corev1.ConfigMap, "default")
    for app in ("db", "web", "web2", "web"):
        body = f'{{"metadata": {{"labels": {{"app": "{app}"}}}}}}'.encode()
        try:
            await client.patch(corev1.ConfigMap, "one", "default", Patch(PatchType.MERGE, body))
        except errors.NotFound:
            await client.create(config_map("one", app=app))

    seen = await events(
        client, corev1.ConfigMap, 3, select=Selection(labels="app=web"), resource_version=listed.resource_version
    )

    assert seen == [("ADDED", "one"), ("DELETED", "one"), ("ADDED", "one")]


async def test_a_watch_hears_how_far_it_is_without_changes(client: Any) -> None:
    """Bookmarks carry a revision and nothing else."""
    listed = await client.list(corev1.ConfigMap, "default")
    await client.create(pod("web"))

    async with (
        asyncio.timeout(20),
        contextlib.aclosing(
            client.watch(corev1.ConfigMap, "default", resource_version=listed.resource_version)
        ) as batches,
    ):
        async for batch in batches:
            mark = batch[0]
            break

    assert mark.type == "BOOKMARK"
    assert int(mark.object.metadata.resourceVersion) > int(listed.resource_version)


async def test_a_status_is_written_apart_from_its_object(client: Any) -> None:
    """A write to the object leaves the status, a write to the status leaves the spec."""
    made = objects.copy(await client.create(pod("web")))
    made.status.phase = "Running"
    made.metadata.labels["a"] = "b"
    after_object = objects.copy(await client.update(made))
    after_object.status.phase = "Running"
    after_object.spec.containers[0].image = "other"

    after_status = await client.update(after_object, subresource="status")

    assert (after_object.metadata.labels["a"], after_status.status.phase) == ("b", "Running")
    assert after_status.spec.containers[0].image == "busybox:1"


async def test_a_pod_is_bound_once(client: Any) -> None:
    """The second binding conflicts, and the first one's node stays."""
    await client.create(pod("web"))
    binding = corev1.Binding()
    binding.target.kind, binding.target.name = "Node", "node-1"
    await client.post(corev1.Pod, "web", "default", "binding", binding)
    binding.target.name = "node-2"

    with pytest.raises(errors.Conflict, match='pod web is already assigned to node "node-1"'):
        await client.post(corev1.Pod, "web", "default", "binding", binding)
    bound = await client.get(corev1.Pod, "web", "default")

    assert bound.spec.nodeName == "node-1"
    assert [(one.type, one.status) for one in bound.status.conditions] == [("PodScheduled", "True")]


async def test_a_bound_pod_is_deleted_gracefully(client: Any) -> None:
    """It stays, marked, until somebody deletes it with grace 0."""
    await client.create(pod("web"))
    binding = corev1.Binding()
    binding.target.name = "node-1"
    await client.post(corev1.Pod, "web", "default", "binding", binding)

    marked = await client.delete(corev1.Pod, "web", "default")
    still = await client.get(corev1.Pod, "web", "default")
    await client.delete(corev1.Pod, "web", "default", options=metav1.DeleteOptions(gracePeriodSeconds=0))

    assert marked.metadata.deletionGracePeriodSeconds == 30
    assert still.metadata.HasField("deletionTimestamp")
    with pytest.raises(errors.NotFound):
        await client.get(corev1.Pod, "web", "default")


async def test_a_precondition_protects_another_object_of_the_same_name(client: Any) -> None:
    """Conflict names both uids."""
    made = await client.create(config_map("one"))
    options = metav1.DeleteOptions()
    options.preconditions.uid = "another"

    with pytest.raises(errors.Conflict, match="Precondition failed: UID in precondition: another"):
        await client.delete(corev1.ConfigMap, "one", "default", options=options)
    options.preconditions.uid = made.metadata.uid
    await client.delete(corev1.ConfigMap, "one", "default", options=options)


async def test_a_collection_is_deleted_by_selector(client: Any) -> None:
    """What is not selected stays."""
    for name, app in (("a", "web"), ("b", "web"), ("c", "db")):
        await client.create(config_map(name, app=app))

    deleted = await client.delete_collection(corev1.ConfigMap, "default", select=Selection(labels="app=web"))

    left = await client.list(corev1.ConfigMap, "default")
    assert deleted == 2
    assert [item.metadata.name for item in left.items] == ["c"]


async def test_a_dry_run_writes_nothing(client: Any) -> None:
    """It answers what would have been written."""
    answer = await client.create(config_map("one"), dry_run=True)

    assert answer.metadata.uid
    with pytest.raises(errors.NotFound):
        await client.get(corev1.ConfigMap, "one", "default")


async def test_a_name_is_generated(client: Any) -> None:
    """generateName is a prefix of five random characters."""
    wanted = config_map("")
    wanted.metadata.generateName = "web-"

    made = await client.create(wanted)

    assert made.metadata.name.startswith("web-")
    assert len(made.metadata.name) == len("web-") + 5


async def test_an_authenticated_stranger_may_do_nothing(client_for: Any) -> None:
    """The refusal says who may not do what, where."""
    stranger = client_for("joe", "staff")

    with pytest.raises(errors.Forbidden) as caught:
        await stranger.list(corev1.Pod, "default")

    assert caught.value.message == (
        'pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "default"'
    )


async def test_a_stranger_may_not_watch(client_for: Any) -> None:
    """The watch fails at its start."""
    stranger = client_for("joe")

    with pytest.raises(errors.Forbidden, match='cannot watch resource "pods" in API group "" at the cluster scope'):
        await anext(stranger.watch(corev1.Pod))


async def test_a_compacted_revision_is_expired(client: Any, api: Any) -> None:
    """A watcher that comes too late lists again."""
    first = await client.create(config_map("one"))
    for n in range(3):
        await client.create(config_map(f"c{n}"))
    kind = api.kinds.registry(objects.kind_of(first)).kind
    api.cache._tables[kind.prefix].history.clear(api.cache.revision)

    with pytest.raises(errors.Expired):
        await events(client, corev1.ConfigMap, 1, resource_version=first.metadata.resourceVersion)


async def test_an_object_that_is_too_large_is_refused(client: Any) -> None:
    """Both clients name the limit or the field."""
    large = config_map("one")
    large.data["key"] = "x" * (1024 * 1024 + 1)

    with pytest.raises(errors.Invalid, match=r"invalid: \[\]: Too long: may not be more than 1048576 bytes"):
        await client.create(large)


async def test_a_scale_is_patched_and_answered_as_a_scale(client: Any) -> None:
    """autoscaling/v1, whatever the object's own kind is."""
    deployment = appsv1.Deployment()
    deployment.metadata.name, deployment.metadata.namespace = "web", "default"
    deployment.spec.selector.matchLabels["app"] = "web"
    deployment.spec.template.metadata.labels["app"] = "web"
    deployment.spec.template.spec.containers.add(name="main", image="web")
    await client.create(deployment)
    patch = Patch(PatchType.MERGE, b'{"spec": {"replicas": 4}}')

    scale = await client.patch(appsv1.Deployment, "web", "default", patch, subresource="scale")

    assert isinstance(scale, autoscalingv1.Scale)
    assert (scale.spec.replicas, scale.status.selector) == (4, "app=web")
