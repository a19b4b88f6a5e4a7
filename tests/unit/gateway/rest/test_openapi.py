"""/openapi/v2 and /openapi/v3 over HTTP."""

from __future__ import annotations

from typing import Any

from control.gateway.rest import openapi, swagger
from fairlead.api.pb import openapi_v2_pb2

V2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
GVK = "x-kubernetes-group-version-kind"


async def test_the_index_leads_to_documents_that_may_be_kept(call: Any) -> None:
    """An address with the document's hash says that it never changes; an old hash leads to the new address."""
    index = (await call("GET", "/openapi/v3")).json["paths"]

    address = index["apis/apps/v1"]["serverRelativeURL"]
    found = await call("GET", address, Accept_Encoding="identity")

    assert address.startswith("/openapi/v3/apis/apps/v1?hash=")
    assert found.status == 200
    assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    path = found.json["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert path["patch"][GVK] == {"group": "apps", "kind": "Deployment", "version": "v1"}
    options = {one["name"] for one in path["patch"]["parameters"]}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= options
    unchanged = await call("GET", "/openapi/v3/apis/apps/v1", If_None_Match=found.headers["ETag"])
    assert (unchanged.status, unchanged.body) == (304, b"")


async def test_what_is_not_served_has_no_document(call: Any) -> None:
    """A group that nobody serves is not found."""
    answer = await call("GET", "/openapi/v3/apis/example.com/v1")

    assert (answer.status, answer.json["reason"]) == (404, "NotFound")


async def test_version_2_comes_as_json_and_as_the_messages_of_older_clients(call: Any) -> None:
    """Both say the same; the media type of the answer has a dot where the question has an @."""
    plain = await call("GET", "/openapi/v2", Accept_Encoding="identity")
    packed = await call("GET", "/openapi/v2", accept=V2, Accept_Encoding="identity")

    document = openapi_v2_pb2.Document.FromString(packed.body)
    assert packed.headers["Content-Type"] == openapi.V2_PROTOBUF_TYPE
    assert document == swagger.message(plain.json)
    schemas = {one.name: one.value for one in document.definitions.additional_properties}
    pod = schemas["io.k8s.api.core.v1.Pod"]
    extension = next(one for one in pod.vendor_extension if one.name == GVK)
    assert extension.value.yaml == '[{"group":"","kind":"Pod","version":"v1"}]'
