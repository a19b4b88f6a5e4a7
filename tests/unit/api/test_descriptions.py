"""What messages and fields mean: complete, well formed, and of fields that exist."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from fairlead.api import table
from fairlead.api.openapi import descriptions

LONGEST_TEXT = 112
PACKAGES = {table.module_name(name.rpartition(".")[0]): name.rpartition(".")[0] for name in table.names()}
# Packages of which every message and field is told.
COMPLETE = (
    "admission_v1", "admissionregistration_v1", "apidiscovery_v2", "apiextensions_v1", "apiregistration_v1",
    "apps_v1", "authentication_v1", "authorization_v1", "autoscaling_v1", "autoscaling_v2", "core_v1",
    "autoscaling_v2beta2", "batch_v1", "batch_v1beta1", "certificates_v1", "coordination_v1", "discovery_v1",
    "discovery_v1beta1", "events_v1", "flowcontrol_v1", "intstr", "meta_v1", "metrics_v1beta1", "networking_v1",
    "node_v1", "policy_v1", "policy_v1beta1", "rbac_v1", "resource", "runtime", "scheduling_v1", "storage_v1",
)  # fmt: skip
FILES = sorted(
    importlib.resources.files("fairlead.api").joinpath("data", "descriptions").iterdir(),
    key=lambda file: file.name,
)


class Unique(yaml.SafeLoader):
    """A loader that refuses a key that stands twice, of which YAML's own keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice in {keys}"
        return super().construct_mapping(node, deep)


def untold(package: str) -> Iterator[str]:
    """Yield the messages and fields of a package that nothing is said of."""
    for name in table.names():
        if name.rpartition(".")[0] != package:
            continue
        if not descriptions.of_message(name):
            yield name
        for key, field in table.json_fields(name).items():
            if key != "-" and not descriptions.of_field(name, field):
                yield f"{name}.{key}"


@pytest.mark.parametrize("module", COMPLETE)
def test_every_message_and_field_of_a_package_is_told(module: str) -> None:
    """`kubectl explain` has words for each of them."""
    assert list(untold(PACKAGES[module])) == []


def test_a_field_of_text_does_not_fall_back_to_the_words_of_the_objects_own() -> None:
    """A condition's status and a reference's kind are other things than an object's, and have words of their own."""
    got = {
        f"{name}.{key}"
        for module in COMPLETE
        for name in table.names()
        if name.rpartition(".")[0] == PACKAGES[module] and not name.endswith((".TypeMeta", ".Unknown"))
        for key, field in table.json_fields(name).items()
        if key in descriptions.COMMON
        and not field.is_message
        and descriptions.of_field(name, field) == descriptions.COMMON[key]
    }

    assert got == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_texts_are_of_what_exists_and_one_line_each(file: Any) -> None:
    """No text is of a message or field that is gone, said twice, too long for its line, or without its full stop."""
    package = PACKAGES[file.name.removesuffix(".yaml")]

    said = yaml.load(file.read_text(), Unique)

    for message, texts in said.items():
        assert set(texts) <= {"", *table.json_fields(f"{package}.{message}")}, message
        for key, text in texts.items():
            assert text == " ".join(text.split()), (message, key)
            assert text.endswith("."), (message, key)
            assert len(text) <= LONGEST_TEXT, (message, key)


def test_a_package_says_only_what_differs_from_the_one_that_it_is_like() -> None:
    """PodDisruptionBudgets of v1beta1 have v1's words, but for the selector, which means otherwise."""
    older, newer = (f"k8s.io.api.policy.{version}.PodDisruptionBudgetSpec" for version in ("v1beta1", "v1"))

    got = [
        key
        for key, field in table.json_fields(older).items()
        if descriptions.of_field(older, field) != descriptions.of_field(newer, field)
    ]

    assert got == ["selector"]
