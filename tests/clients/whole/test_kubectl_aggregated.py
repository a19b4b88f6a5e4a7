"""kubectl and the kinds of an aggregated API: discovered, explained, validated and applied as built-in ones are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
import pytest

from fairlead.api.openapi import foreign, merging
from fairlead.testing import cluster as testing
from tests.clients.whole.conftest import Kubectl
from tests.support import extension
from tests.support.extension import GROUP, V2, V3, V3_OWN, VERSION

FLUNDER = f"apiVersion: {GROUP}/{VERSION}\nkind: Flunder\nmetadata: {{name: flat}}\nspec: {{%s}}\n"
MODERN = merging.modern(foreign.part(extension.SWAGGER, GROUP, VERSION), "wardle", "1")


@pytest.fixture
def wardle(cluster: testing.Threaded) -> Iterator[extension.Backend]:
    """Another API server that the cluster knows, and finds available by itself."""
    served = extension.serving()
    backend = cluster.call(served.__aenter__())
    backend.objects = {}
    try:
        cluster.call(extension.register(cluster.running.client(), backend))
        yield backend
    finally:
        cluster.call(served.__aexit__(None, None, None))


@pytest.mark.parametrize("versions", ["2 and 3", "2"])
def test_an_aggregated_kind_is_explained_and_validated(
    kubectl: Kubectl, wardle: extension.Backend, versions: str
) -> None:
    """1.20 by version 2 of OpenAPI, 1.32 by version 3, which is made of version 2 where the server has no other."""
    wardle.documents = {V2: orjson.dumps(extension.SWAGGER)}
    if versions == "2 and 3":
        wardle.documents |= {V3: orjson.dumps(extension.INDEX), V3_OWN: orjson.dumps(MODERN)}
    kubectl("wait", "--for=condition=Available", f"apiservice/{VERSION}.{GROUP}", "--timeout=30s")

    whole, spec = kubectl("explain", "flunder"), kubectl("explain", "flunders.spec")
    made = kubectl("apply", "-f", "-", stdin=FLUNDER % "depth: 3")
    changed = kubectl("apply", "-f", "-", stdin=FLUNDER % "depth: 4, spots: [red]")
    missing = kubectl.fails("apply", "-f", "-", stdin=FLUNDER % "spots: []")
    unknown = kubectl.fails("apply", "-f", "-", stdin=FLUNDER % "depth: 1, wings: 2")
    wrong = kubectl.fails("apply", "-f", "-", stdin=FLUNDER % "depth: shallow")

    assert "A fish of the flat kind." in whole
    assert re.search(rf"KIND: +Flunder\nVERSION: +({GROUP}/)?{VERSION}\n", whole)
    assert re.search(r"depth\t<integer> -required-\n +How deep it swims, in fathoms\.", spec)
    assert made == f"flunder.{GROUP}/flat created\n"
    assert changed == f"flunder.{GROUP}/flat configured\n"
    assert kubectl("get", "flunder", "flat", "-o", "jsonpath={.spec}") == '{"depth":4,"spots":["red"]}'
    assert 'missing required field "depth" in wardle.FlunderSpec' in missing
    assert 'unknown field "wings" in wardle.FlunderSpec' in unknown
    assert (V3_OWN in {one.path for one in wardle.asked}) == (versions == "2 and 3" and not kubectl.old)
    assert 'invalid type for wardle.FlunderSpec.depth: got "string", expected "integer"' in wrong
