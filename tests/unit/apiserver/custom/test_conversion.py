"""The conversion webhook of a definition, over HTTPS on the loopback."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from control.apiserver.server import ApiServer
from fairlead.api import custom, errors
from fairlead.testing import control
from tests.support import definitions, hooks

STABLE = definitions.version("v1", schema=definitions.schema(host={"type": "string"}, port={"type": "string"}))
BETA = definitions.version("v1beta1", storage=False, schema=definitions.schema(hostPort={"type": "string"}))
SUBJECT = "conversion webhook for example.com/v1beta1, Kind=Widget"


def split(request: dict[str, Any]) -> dict[str, Any]:
    """Convert between `hostPort` and its two parts, as Kubernetes' own example does."""
    converted = []
    for each in copy.deepcopy(request["objects"]):
        spec = each.get("spec", {})
        if request["desiredAPIVersion"] == "example.com/v1" and "hostPort" in spec:
            host, _, port = spec.pop("hostPort").partition(":")
            spec |= {"host": host, "port": port}
        elif request["desiredAPIVersion"] == "example.com/v1beta1" and "host" in spec:
            spec["hostPort"] = f"{spec.pop('host')}:{spec.pop('port')}"
        converted.append({**each, "apiVersion": request["desiredAPIVersion"]})
    return answer(request, converted)


def answer(request: dict[str, Any], converted: list[Any], **result: Any) -> dict[str, Any]:
    """Return the response to a request."""
    return {"uid": request["uid"], "convertedObjects": converted, "result": {"status": "Success", **result}}


async def defined(
    api: ApiServer, hook: hooks.Hook, *versions: dict[str, Any]
) -> tuple[Any, list[type[Any]]]:
    """Define Widgets in two versions that a webhook converts; return a client and the classes."""
    client = api.as_user("admin", ["system:masters"])
    config = {"url": hook.url, "caBundle": base64.b64encode(hook.authority).decode()}
    webhook = {"clientConfig": config, "conversionReviewVersions": ["v2", "v1"]}
    conversion = {"strategy": "Webhook", "webhook": webhook}
    return client, await definitions.establish(api, client, *(versions or (STABLE, BETA)), conversion=conversion)


async def test_objects_are_converted_when_written_and_when_read() -> None:
    """Stored at one version, shown at the other; a list is converted in one request."""
    async with hooks.serving(split) as hook, control.memory_api() as api:
        client, (stable, beta) = await defined(api, hook)

        made = await client.create(definitions.widget(beta, "a", spec={"hostPort": "web:80"}))
        await client.create(definitions.widget(stable, "b", spec={"host": "db", "port": "5432"}))
        before = len(hook.asked)
        listed = await client.list(beta, "default")
        asked = len(hook.asked) - before

        assert made.content == {"spec": {"hostPort": "web:80"}}
        assert (await client.get(stable, "a", "default")).content == {"spec": {"host": "web", "port": "80"}}
        assert [obj.content["spec"]["hostPort"] for obj in listed.items] == ["web:80", "db:5432"]
        assert asked == 1
        assert hook.queries[-1] == "timeout=30s"


async def test_a_webhook_changes_no_metadata_but_labels_and_annotations() -> None:
    """Labels that it sets are kept, finalizers that it drops stay."""

    def relabel(request: dict[str, Any]) -> dict[str, Any]:
        answered = split(request)
        for each in answered["convertedObjects"]:
            each["metadata"] |= {"labels": {"converted": "yes"}}
            each["metadata"].pop("finalizers", None)
        return answered

    async with hooks.serving(relabel) as hook, control.memory_api() as api:
        client, (stable, beta) = await defined(api, hook)
        obj = definitions.widget(stable, "a", spec={})
        obj.metadata.finalizers.append("held")
        await client.create(obj)

        read = await client.get(beta, "a", "default")

        assert dict(read.metadata.labels) == {"converted": "yes"}
        assert list(read.metadata.finalizers) == ["held"]


def refuse(request: dict[str, Any]) -> dict[str, Any]:
    return answer(request, [], status="Failure", message="no such port")


def forget(request: dict[str, Any]) -> dict[str, Any]:
    return answer(request, [])


def misname(request: dict[str, Any]) -> dict[str, Any]:
    answered = split(request)
    answered["convertedObjects"][0]["metadata"]["name"] = "other"
    return answered


def keep(request: dict[str, Any]) -> dict[str, Any]:
    return answer(request, request["objects"])


def another(request: dict[str, Any]) -> dict[str, Any]:
    answered = split(request)
    answered["uid"] = "x"
    return answered


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (refuse, "failed: no such port"),
        (forget, "returned 0 objects, expected 1"),
        (misname, "returned invalid converted object at index 0: must have the same name: a != other"),
        (
            keep,
            "returned invalid converted object at index 0: invalid groupVersion"
            " (expected example.com/v1, received example.com/v1beta1)",
        ),
        (another, 'got "x"'),
        (lambda request: {"uid": request["uid"]}, "failed: response.result.status was '', not 'Success'"),
    ],
)
async def test_an_answer_that_is_not_good_is_told(convert: Any, text: str) -> None:
    """The write fails with what was wrong, in Kubernetes' words, and nothing is stored."""
    async with hooks.serving(convert) as hook, control.memory_api() as api:
        client, (stable, beta) = await defined(api, hook)

        with pytest.raises(errors.InternalError) as refused:
            await client.create(definitions.widget(beta, "a", spec={"hostPort": "web:80"}))

        assert SUBJECT in refused.value.message
        assert text in refused.value.message
        assert (await client.list(stable)).items == []


async def test_a_webhook_that_does_not_listen_is_told() -> None:
    """The error names the address; objects of the stored version are still served."""
    async with control.memory_api() as api:
        async with hooks.serving(split) as hook:
            client, (stable, beta) = await defined(api, hook)
            await client.create(definitions.widget(beta, "a", spec={"hostPort": "web:80"}))
            await api.close()

        with pytest.raises(errors.InternalError, match="connection refused"):
            await client.create(definitions.widget(beta, "b", spec={}))
        assert (await client.get(stable, "a", "default")).content == {"spec": {"host": "web", "port": "80"}}


async def test_a_definition_whose_webhook_is_gone_can_be_deleted() -> None:
    """Its objects are deleted at the version that is stored, which nobody needs to convert."""
    old = definitions.version("v1beta1", schema=definitions.schema(hostPort={"type": "string"}))
    new = definitions.version("v1", storage=False, schema=definitions.schema(host={"type": "string"}))
    async with control.memory_api() as api:
        async with hooks.serving(split) as hook:
            client, (stored, _) = await defined(api, hook, old, new)
            await client.create(definitions.widget(stored, "a", spec={"hostPort": "web:80"}))
            await api.close()

        await client.delete(custom.Definition, "widgets.example.com")

        await definitions.until_gone(client, custom.Definition, "widgets.example.com")
