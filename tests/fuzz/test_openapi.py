"""Answers are what our OpenAPI documents say, whatever schemathesis makes of them: it reads the documents that a
cluster serves over HTTPS, and sends it requests that fit them and requests that do not.
"""

from __future__ import annotations

import base64
import itertools
import os
import pathlib
import random
from collections.abc import Iterator
from typing import Any

import hypothesis
import orjson
import pytest
import requests
import schemathesis
import yaml
from schemathesis.specs.openapi import checks

from fairlead.api import scheme
from fairlead.api.openapi import operations
from fairlead.testing import cluster
from tests.fuzz import requests as samples

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
SEED = 20261126
ANSWER_SECONDS = 20.0
# Of a usual run: operations of each group and method, and requests of each form to an operation.
OPERATIONS = 1
EXAMPLES = 2
MOST_TIMES = 5  # what a full run multiplies the requests by, beside trying every operation
GROUPS = sorted({f"apis/{one.group}/{one.version}" if one.group else f"api/{one.version}" for one in scheme.DEFAULT})
FITTING = [checks.response_schema_conformance, checks.content_type_conformance, checks.status_code_conformance]
TIMES_OF_GO = ("Timestamp", "Time", "time")
POINTERS_OF_GO = ("boundObjectRef",)
# what a document demands and Go writes as null all the same: of Events of core/v1, seen in events.k8s.io/v1
DEMANDED = {"eventTime": "1970-01-01T00:00:00.000000Z"}
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)

pytestmark = [
    pytest.mark.timeout(120 + 120 * TIMES),
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis"),
]


class Served:
    """A cluster with an object of each kind, and a session of its administrator."""

    def __init__(self, threaded: cluster.Threaded, session: requests.Session) -> None:
        self.cluster = threaded
        self.session = session

    def document(self, path: str) -> dict[str, Any]:
        """Return a document as it is served."""
        answer = self.session.get(f"{self.cluster.url}/openapi/{path}", timeout=ANSWER_SECONDS)
        return answer.json()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A cluster without controllers or scheduler."""
    alone = cluster.Settings(scheduler=False, controllers=False)
    folder = tmp_path_factory.mktemp("client")
    with cluster.in_thread(alone) as threaded, _session(threaded, folder) as session:
        for document in samples.SAMPLES:
            kind = scheme.DEFAULT.by_kind(document["apiVersion"], document["kind"])
            root = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
            space = f"/namespaces/{document['metadata'].get('namespace', 'default')}" if kind.namespaced else ""
            session.post(f"{threaded.url}/{root}{space}/{kind.resource}", json=document, timeout=ANSWER_SECONDS)
        threaded.call(threaded.running.remember())
        yield Served(threaded, session)


def _session(threaded: cluster.Threaded, folder: pathlib.Path) -> requests.Session:
    user = yaml.safe_load(threaded.kubeconfig.read_text())["users"][0]["user"]
    files = []
    for name in ("client-certificate-data", "client-key-data"):
        files.append(folder / name)
        files[-1].write_bytes(base64.b64decode(user[name]))
    session = requests.Session()
    session.cert, session.verify = (str(files[0]), str(files[1])), str(threaded.running.authority)
    session.trust_env = False
    return session


def chosen(document: dict[str, Any]) -> list[Any]:
    """Return the operations of a document that are tried: all in a full run."""
    schema = schemathesis.openapi.from_dict(document)
    found = sorted((one.ok() for one in schema.get_all_operations()), key=lambda one: (one.method, one.path))
    if TIMES > 1:
        return found
    rng = random.Random(SEED)
    by_method = [list(group) for _, group in itertools.groupby(found, key=lambda one: one.method)]
    return [one for group in by_method for one in rng.sample(group, min(OPERATIONS, len(group)))]


def ask(served: Served, operation: Any, mode: Any) -> None:
    """Send an operation requests of one form, and judge the answers."""
    path = operation.path
    named = {name: value for name, value in (("namespace", "samples"), ("name", "sample")) if f"{{{name}}}" in path}

    @hypothesis.settings(
        max_examples=EXAMPLES * min(TIMES, MOST_TIMES),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(mode, path_parameters=named or None))
    def search(case: Any) -> None:
        case.query = {name: value for name, value in (case.query or {}).items() if name != "watch"}
        try:
            answer = case.call(
                base_url=served.cluster.url,
                session=served.session,
                verify=served.session.verify,
                timeout=ANSWER_SECONDS,
            )
        except requests.RequestException as error:
            text = f"{case.method} {case.formatted_path} {case.query} {case.body!r}: {error}"
            raise AssertionError(text) from error
        judge(case, answer)

    search()


def judge(case: Any, answer: Any) -> None:
    """Fail unless an answer is declared, or a refusal that says why."""
    code = answer.status_code
    if code < 300:
        returned = set(case.operation.path.split("/")) & operations.RETURNED and "{name}" in case.operation.path
        if case.operation.method == "delete" and not returned and orjson.loads(answer.content)["kind"] != "Status":
            return  # an object that stays for a while, or a list; the documents say Status, as Kubernetes' do
        answer.content = orjson.dumps(_set_only(orjson.loads(answer.content)))
        case.validate_response(answer, checks=FITTING)
        return
    assert code < 500, answer.text
    status = answer.json()
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)
    assert status["message"]
    assert status["reason"]


def _set_only(data: Any) -> Any:
    """Return JSON without its nulls, which Go writes for times, a pointer, and lists that are empty."""
    if isinstance(data, dict):
        data = {name: DEMANDED.get(name) if value is None else value for name, value in data.items()}
        nulls = (*TIMES_OF_GO, *POINTERS_OF_GO)
        kept = {name: value for name, value in data.items() if value is not None or not name.endswith(nulls)}
        return {name: [] if value is None else _set_only(value) for name, value in kept.items()}
    return [_set_only(one) for one in data] if isinstance(data, list) else data


@pytest.mark.parametrize("group", GROUPS)
def test_answers_are_what_version_3_says(served: Served, group: str) -> None:
    """Of each group, to requests that fit its document and to others."""
    for operation in chosen(served.document(f"v3/{group}")):
        for mode in MODES:
            ask(served, operation, mode)
        served.cluster.reset()


def test_answers_are_what_version_2_says(served: Served) -> None:
    """Of everything in one document."""
    document = served.document("v2")
    # a number or a text, as Kubernetes' document has it
    del document["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["type"]
    for operation in chosen(document):
        for mode in MODES:
            ask(served, operation, mode)
        served.cluster.reset()
