"""Manifests: faults are one line each and name file, document, object and field."""

from __future__ import annotations

import pathlib

import pytest

from fairlead.cli import manifests

GOOD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {a: b}
"""


def write(tmp_path: pathlib.Path, text: str) -> str:
    path = tmp_path / "in.yaml"
    path.write_text(text)
    return str(path)


def load_fault(tmp_path: pathlib.Path, text: str) -> str:
    path = write(tmp_path, text)
    with pytest.raises(manifests.ManifestError) as caught:
        manifests.load([path], recursive=False, namespace="default")
    return str(caught.value).replace(path, "in.yaml")


def test_documents_get_the_commands_namespace_where_they_name_none(tmp_path: pathlib.Path) -> None:
    """As kubectl does."""
    (document,) = manifests.load([write(tmp_path, GOOD)], recursive=False, namespace="here")

    assert (document.name, document.object.metadata.namespace) == ("configmap/one", "here")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replica: 3}\n",
            'in.yaml, document 1, Deployment "web": unknown field "spec.replica"',
        ),
        (
            "apiVersion: apps/v1\nkind: Deploymentt\nmetadata: {name: web}\n",
            'in.yaml, document 1, Deploymentt "web": no matches for kind "Deploymentt" in version "apps/v1"',
        ),
        ("apiVersion: v1\nkind: Pod\n", "in.yaml, document 1, Pod: metadata.name: Required value"),
        ("kind: Pod\n", "in.yaml, document 1, Pod: apiVersion: Required value"),
        ("- 1\n", "in.yaml: yaml: line 1: expected an object, got a list"),
        (
            GOOD + "---" + GOOD,
            'in.yaml, document 2, ConfigMap "one": stands already in in.yaml, document 1',
        ),
    ],
)
def test_a_fault_names_file_document_object_and_field(tmp_path: pathlib.Path, text: str, fault: str) -> None:
    """One line a fault."""
    assert load_fault(tmp_path, text) == fault


def test_all_faults_of_all_documents_are_told_at_once(tmp_path: pathlib.Path) -> None:
    """A person mends them in one go."""
    text = GOOD + "---\nkind: Pod\n---\napiVersion: v1\nkind: Pod\n"

    assert len(load_fault(tmp_path, text).splitlines()) == 2
