"""PodSecurity's file of defaults and exemptions, and what it tells the audit log."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import AsyncIterator

import orjson
import pytest

from control.apiserver import settings, warnings
from control.apiserver.admission import configuration, podpolicies
from control.apiserver.audit import policy, recording
from control.apiserver.server import ApiServer
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import node_v1_pb2 as nodev1
from fairlead.testing import control
from tests.unit.apiserver import yamls
from tests.unit.apiserver.admission.test_podsecurity import ALL_FOUR, deployment, namespace, pod

PREFIX = podpolicies.PREFIX
FILE = """
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline, enforce-version: v1.31, warn: restricted, audit: restricted}
    exemptions: {usernames: [jane], runtimeClasses: [gvisor], namespaces: [builds]}
"""
HOST = "{hostNetwork: true, containers: [{name: a, image: web}]}"


@contextlib.asynccontextmanager
async def running(tmp_path: pathlib.Path, text: str) -> AsyncIterator[tuple[ApiServer, list[bytes]]]:
    """Run an API server with a file, and an audit log of creations."""
    lines: list[bytes] = []
    rules = [{"level": "Metadata", "verbs": ["create"]}]
    document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
    auditor = recording.Recorder(policy.parse(orjson.dumps(document).decode()), lines.append)
    path = tmp_path / "admission.yaml"
    path.write_text(text)
    made = settings.Settings(disabled_plugins=control.WITHOUT_CONTROLLERS, pod_security=configuration.read(path))
    async with control.memory_api(settings=made, auditor=auditor) as api:
        yield api, lines


def noted(lines: list[bytes], name: str) -> dict[str, str]:
    """Return the plugin's notes of the creation of an object."""
    events = [orjson.loads(line) for line in lines]
    found = [one for one in events if one["objectRef"].get("name") == name and one["stage"] == "ResponseComplete"]
    notes = found[-1].get("annotations", {})
    return {key.removeprefix(PREFIX): value for key, value in notes.items() if key.startswith(PREFIX)}


async def test_defaults_hold_where_no_label_says_otherwise(tmp_path: pathlib.Path) -> None:
    """A label changes what it names, a level keeps the default's version."""
    async with running(tmp_path, FILE) as (api, lines):
        client = await namespace(api, warn="privileged")
        with pytest.raises(errors.Forbidden) as refused:
            await client.create(pod("host", HOST))
        with warnings.collected() as warned:
            await client.create(pod("web-1"))
            await client.create(deployment())

    assert refused.value.message == (
        'pods "host" is forbidden: violates PodSecurity "baseline:v1.31": host namespaces (hostNetwork=true)'
    )
    assert warned == []
    violations = f'would violate PodSecurity "restricted:latest": {ALL_FOUR}'
    assert noted(lines, "host")["enforce-policy"] == "baseline:v1.31"
    assert noted(lines, "host")["audit-violations"].startswith('would violate PodSecurity "restricted:latest": host ')
    assert noted(lines, "web-1") == {"enforce-policy": "baseline:v1.31", "audit-violations": violations}


async def test_nothing_is_asked_of_who_is_exempt(tmp_path: pathlib.Path) -> None:
    """By user, by class, by namespace; the log says why."""
    async with running(tmp_path, FILE) as (api, lines):
        client = await namespace(api)
        jane = api.as_user("jane", ("system:masters",))
        await jane.create(pod("of-jane", HOST))
        await client.create(yamls.read("{metadata: {name: gvisor}, handler: runsc}", nodev1.RuntimeClass))
        await client.create(pod("contained", HOST.replace("hostNetwork", "runtimeClassName: gvisor, hostNetwork")))
        with warnings.collected() as warned:
            await client.create(yamls.read(_builds("enforce: restricted"), corev1.Namespace))
        there = pod("there", HOST)
        there.metadata.namespace = "builds"
        await client.create(there)

    assert noted(lines, "of-jane") == {"exempt": "user"}
    assert noted(lines, "contained") == {"exempt": "runtimeClass"}
    assert noted(lines, "there") == {"exempt": "namespace"}
    assert warned == [
        'namespace "builds" is exempt from Pod Security, and the policy (enforce=restricted:v1.31) will be ignored'
    ]


async def test_what_is_free_is_noted_too(tmp_path: pathlib.Path) -> None:
    """As in Kubernetes, a pod in a namespace without labels is told of as privileged, a template not at all."""
    async with running(tmp_path, FILE.partition("  configuration")[0]) as (api, lines):
        client = await namespace(api)
        await client.create(pod("web-1"))
        await client.create(deployment())

    assert noted(lines, "web-1") == {"enforce-policy": "privileged:latest"}
    events = [orjson.loads(line) for line in lines]
    of_template = [one for one in events if one["objectRef"]["resource"] == "deployments"]
    assert of_template
    assert PREFIX not in str(of_template)


def test_the_configuration_may_lie_beside_the_file(tmp_path: pathlib.Path) -> None:
    """A path is meant from the file's folder."""
    (tmp_path / "pods.yaml").write_text(
        "{apiVersion: pod-security.admission.config.k8s.io/v1beta1, kind: PodSecurityConfiguration,"
        " defaults: {audit: baseline}}"
    )
    head = FILE.partition("  configuration")[0]
    path = tmp_path / "admission.yaml"
    path.write_text(f"{head}  path: pods.yaml\n")

    assert configuration.read(path) == podpolicies.Configuration(
        podpolicies.Policy(audit=podpolicies.Level("baseline"))
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("enforce: baseline", "enforce: strict", 'defaults.enforce: Invalid value: "strict": must be one of'),
        ("v1.31", "1.31", 'defaults.enforce-version: Invalid value: "1.31": must be "latest" or "v1.x"'),
        ("[jane]", '[""]', 'exemptions.usernames[0]: Invalid value: "": must not be empty'),
        ("[builds]", "[a, a]", 'exemptions.namespaces[1]: Duplicate value: "a"'),
        ("[builds]", "[A]", 'exemptions.namespaces[0]: Invalid value: "A": a lowercase RFC 1123 label'),
        ("[gvisor]", "gvisor", "exemptions.runtimeClasses: expected a list of strings"),
        ("audit:", "log:", 'unknown field "defaults.log"'),
        ("name: PodSecurity", "name: EventRateLimit", 'admission plugin "EventRateLimit" takes no configuration'),
        ("PodSecurityConfiguration", "Pod", "expected kind PodSecurityConfiguration of pod-security"),
    ],
)
def test_faults_are_told(tmp_path: pathlib.Path, old: str, new: str, fault: str) -> None:
    """With their place."""
    path = tmp_path / "admission.yaml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(ValueError, match="plugins") as refused:
        configuration.read(path)
    assert str(refused.value).startswith(f"plugins[0]: {fault}")


@pytest.mark.parametrize("text", ["", "[]", "{kind: Policy}", "a: b: c", FILE.replace("- name", "  name")])
def test_what_is_no_configuration_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    """Whatever the file holds."""
    path = tmp_path / "admission.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        configuration.read(path)


def _builds(label: str) -> str:
    return f"metadata: {{name: builds, labels: {{{PREFIX}{label}}}}}"
