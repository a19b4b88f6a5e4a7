"""Objects as a simple model has them, whatever order of good and broken writes comes over REST.

What is listed is what the answers to writes said, what watches tell adds up to what is listed, resourceVersions rise,
a write that was decided on something old is a conflict, and what is refused changes nothing. No controllers run: an
object that is deleted with finalizers, or with a policy that needs the garbage collector, stays until they are gone.
"""

from __future__ import annotations

import copy
import dataclasses
import http.client
import itertools
import os
import urllib.parse
from collections.abc import Iterator
from typing import Any, ClassVar

import hypothesis
import orjson
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from tests.fuzz import requests, wire

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
EXAMPLES, STEPS = 12, 20
ANSWER_SECONDS = 30.0
JSON, MERGE = "application/json", "application/merge-patch+json"
JSON_PATCH, STRATEGIC, APPLY = requests.PATCHES[0], requests.PATCHES[2], requests.PATCHES[3]
FINALIZER = "example.com/held"
POLICIES = {"Background": "", "Foreground": "foregroundDeletion", "Orphan": "orphan"}

pytestmark = [
    pytest.mark.timeout(120 + 60 * TIMES),
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]

Json = Any
Key = tuple[str, str]
POD = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
# Collections that are tried, and what an object of each needs.
KINDS: dict[str, Json] = {
    "/api/v1/{}/configmaps": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}},
    "/api/v1/{}/services": {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
    "/apis/apps/v1/{}/deployments": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": POD},
    },
}
kinds, names = st.sampled_from(sorted(KINDS)), st.sampled_from(["a", "b", "c"])
words = st.sampled_from(["x", "y", "z"])


class Watch:
    """A watch of a collection, read as far as is asked for; its events add up to objects."""

    def __init__(self, port: int, path: str, revision: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        self._connection.request("GET", f"{path}?watch=true&resourceVersion={revision}")
        self._answer = self._connection.getresponse()
        self.revision = int(revision)
        self.objects: dict[str, Json] = {}

    def read(self, revision: int) -> None:
        """Read until an event of a revision; events come in the order of their revisions, each once."""
        while self.revision < revision:
            event = orjson.loads(self._answer.readline())
            obj = event["object"]
            came, name = int(obj["metadata"]["resourceVersion"]), obj["metadata"]["name"]
            assert came > self.revision, f"{came} after {self.revision}"
            self.revision = came
            assert (event["type"] == "ADDED") == (name not in self.objects), event["type"]
            if event["type"] == "DELETED":
                del self.objects[name]
            else:
                self.objects[name] = obj

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@dataclasses.dataclass
class Served:
    """Where the gateway listens, and a number for each namespace that is made."""

    port: int
    numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)


class Objects(stateful.RuleBasedStateMachine):
    """Writes to three kinds in a namespace of their own."""

    served: ClassVar[Served]

    def __init__(self) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=ANSWER_SECONDS)
        namespace = f"model-{next(self.served.numbers)}"
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}}, wanted=201)
        self.paths = {kind: kind.format(f"namespaces/{namespace}") for kind in KINDS}
        self.model: dict[Key, Json] = {}
        self.old: dict[Key, Json] = {}
        self.revision = 0
        self.last = dict.fromkeys(KINDS, 0)
        self.watches = {}
        for kind, path in self.paths.items():
            listed = self.ask("GET", path, wanted=200)
            self.watches[kind] = Watch(self.served.port, path, listed["metadata"]["resourceVersion"])

    def ask(self, method: str, path: str, body: Json = None, media: str = JSON, wanted: int = 0) -> Json:
        """Send a request and return the answer; a fault of ours fails, and so does another code than is wanted."""
        data = b"" if body is None else orjson.dumps(body)
        self._connection.request(method, path, data, {"Content-Type": media})
        answer = self._connection.getresponse()
        found = orjson.loads(answer.read())
        assert answer.status < 500, found
        assert not wanted or answer.status == wanted, (answer.status, found)
        return {**found, "code": answer.status} if found["kind"] == "Status" else found

    def wrote(self, key: Key, obj: Json) -> None:
        """Take an answer into the model: its revision is new, or nothing has changed."""
        came = int(obj["metadata"]["resourceVersion"])
        before = self.model.get(key)
        if before is not None and came == int(before["metadata"]["resourceVersion"]):
            assert obj == before, "an object changed and kept its revision"
            return
        assert came > self.revision, f"{came} after {self.revision}"
        self.revision = self.last[key[0]] = came
        if before is not None:
            self.old[key] = before
        deleted = "deletionTimestamp" in obj["metadata"] and not obj["metadata"].get("finalizers")
        if deleted:
            self.gone(key)
        else:
            self.model[key] = obj

    def gone(self, key: Key) -> None:
        """Take an object out of the model."""
        del self.model[key]
        self.old.pop(key, None)

    def path(self, key: Key) -> str:
        """Return an object's path."""
        return f"{self.paths[key[0]]}/{key[1]}"

    def changed(self, key: Key, word: str) -> Json:
        """Return an object as last answered, with another annotation."""
        obj = copy.deepcopy(self.model[key])
        obj["metadata"].setdefault("annotations", {})["word"] = word
        return obj

    def picked(self, data: st.DataObject) -> Key:
        """Choose an object that is there."""
        return data.draw(st.sampled_from(sorted(self.model)))

    @stateful.rule(kind=kinds, name=names, held=st.booleans(), owner=st.booleans())
    def create(self, kind: str, name: str, held: bool, owner: bool) -> None:
        """A name is taken once."""
        obj = copy.deepcopy(KINDS[kind])
        obj["metadata"] = {"name": name, "finalizers": [FINALIZER] if held else []}
        if owner:
            reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1", "controller": True}
            obj["metadata"]["ownerReferences"] = [reference]
        known = (kind, name) in self.model
        found = self.ask("POST", self.paths[kind], obj, wanted=409 if known else 201)
        if not known:
            self.wrote((kind, name), found)

    @stateful.precondition(lambda self: self.model)
    @stateful.rule(data=st.data(), word=words, unconditional=st.booleans())
    def update(self, data: st.DataObject, word: str, unconditional: bool) -> None:
        """What was read last, or names no revision, is written; the same again is not."""
        key = self.picked(data)
        obj = self.changed(key, word)
        if unconditional:
            del obj["metadata"]["resourceVersion"]
        self.wrote(key, self.ask("PUT", self.path(key), obj, wanted=200))
        assert self.model[key]["metadata"]["annotations"]["word"] == word

    @stateful.precondition(lambda self: self.old)
    @stateful.rule(data=st.data(), word=words)
    def update_what_is_old(self, data: st.DataObject, word: str) -> None:
        """A conflict, by PUT, by patch and by a deletion's precondition."""
        key = data.draw(st.sampled_from(sorted(self.old)))
        obj = copy.deepcopy(self.old[key])
        revision = obj["metadata"]["resourceVersion"]
        obj["metadata"].setdefault("annotations", {})["word"] = word
        self.ask("PUT", self.path(key), obj, wanted=409)
        patch = {"metadata": {"resourceVersion": revision, "labels": {"l": word}}}
        self.ask("PATCH", self.path(key), patch, MERGE, wanted=409)
        self.ask("DELETE", self.path(key), {"preconditions": {"resourceVersion": revision}}, wanted=409)

    @stateful.precondition(lambda self: self.model)
    @stateful.rule(data=st.data(), word=words, kind=st.sampled_from([MERGE, STRATEGIC, JSON_PATCH]))
    def patch(self, data: st.DataObject, word: str, kind: str) -> None:
        """Each type of patch sets a label and leaves the rest."""
        key = self.picked(data)
        wanted = copy.deepcopy(self.model[key]["metadata"].get("labels", {}))
        wanted["l"] = word
        labels = [{"op": "add", "path": "/metadata/labels", "value": wanted}]
        body = labels if kind == JSON_PATCH else {"metadata": {"labels": {"l": word}}}
        self.wrote(key, self.ask("PATCH", self.path(key), body, kind, wanted=200))
        assert self.model[key]["metadata"]["labels"] == wanted

    @stateful.rule(kind=kinds, name=names, word=words, manager=words, force=st.booleans())
    def apply(self, kind: str, name: str, word: str, manager: str, force: bool) -> None:
        """Apply creates, takes what is nobody's and its own, and another's by force alone."""
        key = (kind, name)
        obj = {**copy.deepcopy(KINDS[kind]), "metadata": {"name": name, "labels": {"owned": word}}}
        query = f"?fieldManager={manager}&force={str(force).lower()}"
        known = self.model.get(key)
        found = self.ask("PATCH", self.path(key) + query, obj, APPLY)
        if found.get("code"):
            assert found["code"] == 409, found
            assert known is not None, found
            assert not force, found
            return
        self.wrote(key, found)
        if key in self.model:
            assert self.model[key]["metadata"]["labels"]["owned"] == word
            again = self.ask("PATCH", self.path(key) + query, obj, APPLY, wanted=200)
            assert again == self.model[key], "the same apply changed something"

    @stateful.precondition(lambda self: self.model)
    @stateful.rule(data=st.data(), policy=st.sampled_from(sorted(POLICIES)))
    def delete(self, data: st.DataObject, policy: str) -> None:
        """What has no finalizers goes at once; what has them, or gets one by the policy, stays and is marked."""
        key = self.picked(data)
        before = self.model[key]["metadata"]
        found = self.ask("DELETE", self.path(key), {"propagationPolicy": policy})
        kept = [one for one in before.get("finalizers", ()) if one not in POLICIES.values()]
        if not POLICIES[policy] and not kept:
            self.last[key[0]] = self.deleted(key)
            return
        assert found["metadata"]["deletionTimestamp"]
        self.wrote(key, found)

    def deleted(self, key: Key) -> int:
        """Take an object that is gone out of the model; returns the revision of the end, which the watch tells."""
        self.ask("GET", self.path(key), wanted=404)
        self.gone(key)
        listed = self.ask("GET", self.paths[key[0]], wanted=200)
        self.revision = int(listed["metadata"]["resourceVersion"])
        return self.revision

    @stateful.precondition(lambda self: any(one["metadata"].get("finalizers") for one in self.model.values()))
    @stateful.rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """The last finalizer of what is deleted takes it away."""
        held = sorted(key for key, one in self.model.items() if one["metadata"].get("finalizers"))
        key = data.draw(st.sampled_from(held))
        marked = "deletionTimestamp" in self.model[key]["metadata"]
        found = self.ask("PATCH", self.path(key), {"metadata": {"finalizers": None}}, MERGE, wanted=200)
        if marked:
            self.last[key[0]] = self.deleted(key)
        else:
            self.wrote(key, found)

    @stateful.rule(kind=kinds, name=names, data=st.data(), put=st.booleans())
    def write_nonsense(self, kind: str, name: str, data: st.DataObject, put: bool) -> None:
        """A broken object is refused and changes nothing, or is taken as it is answered."""
        good = {**copy.deepcopy(KINDS[kind]), "metadata": {"name": name}}
        obj = data.draw(requests.spoilt(good))
        path = self.path((kind, name)) if put else self.paths[kind]
        try:
            found = self.ask("PUT" if put else "POST", path, obj)
        except (TypeError, orjson.JSONEncodeError):  # an integer beyond 64 bits, or a lone surrogate
            return
        if "code" not in found:
            self.wrote((kind, found["metadata"]["name"]), found)

    @stateful.rule(kind=kinds, word=words)
    def delete_some(self, kind: str, word: str) -> None:
        """A deletion of a collection by a label takes those that have it."""
        selector = urllib.parse.quote(f"l={word}")
        self.ask("DELETE", f"{self.paths[kind]}?labelSelector={selector}", wanted=200)
        labelled = {
            key: one["metadata"]
            for key, one in self.model.items()
            if key[0] == kind and one["metadata"].get("labels", {}).get("l") == word
        }
        kept = [key for key, metadata in labelled.items() if metadata.get("finalizers")]
        held = {key: self.ask("GET", self.path(key), wanted=200) for key in kept}
        for key in sorted(held, key=lambda one: int(held[one]["metadata"]["resourceVersion"])):
            self.wrote(key, held[key])
            assert "deletionTimestamp" in self.model[key]["metadata"]
        for key in labelled.keys() - held.keys():
            self.last[kind] = self.deleted(key)

    @stateful.invariant()
    def lists_and_watches_agree(self) -> None:
        """A list is what the answers said, and what the watch added up."""
        for kind, path in self.paths.items():
            wanted = {key[1]: one for key, one in self.model.items() if key[0] == kind}
            listed = self.ask("GET", path, wanted=200)
            assert int(listed["metadata"]["resourceVersion"]) >= self.last[kind]
            got = {one["metadata"]["name"]: _named(one, kind) for one in listed["items"]}
            assert got == wanted
            watch = self.watches[kind]
            watch.read(self.last[kind])
            assert watch.objects == wanted

    def teardown(self) -> None:
        """Hang up."""
        self._connection.close()
        for watch in self.watches.values():
            watch.close()


def _named(item: Json, kind: str) -> Json:
    """Return an item of a list as it stands alone."""
    return {"apiVersion": KINDS[kind]["apiVersion"], "kind": KINDS[kind]["kind"], **item}


def test_objects_are_what_a_model_says() -> None:
    """Over REST, with one watch a kind."""
    settings = hypothesis.settings(
        max_examples=EXAMPLES * TIMES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=TIMES == 1,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],  # nothing explained: it takes minutes
    )
    with wire.serving() as gateway:
        Objects.served = Served(gateway.port)
        stateful.run_state_machine_as_test(Objects, settings=settings)
