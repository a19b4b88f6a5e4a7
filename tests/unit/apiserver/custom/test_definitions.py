"""CustomResourceDefinitions judged, named and ordered."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.custom import naming
from control.apiserver.strategies.customresourcedefinition import DefinitionStrategy
from control.apiserver.validation import customresourcedefinition as rules
from fairlead.api import custom, names, objects
from tests.support import definitions

SCHEMA = "spec.validation.openAPIV3Schema"


def faults(written: custom.Definition) -> list[str]:
    """Return what is wrong with a definition, once defaulted."""
    DefinitionStrategy().default(written)
    DefinitionStrategy().prepare_for_create(written)
    return [f"{fault.field}: {fault.message}" for fault in rules.validate(written)]


def schema_faults(schema: dict[str, Any]) -> list[str]:
    """Return what is wrong with a schema."""
    version = definitions.version("v1", schema={"openAPIV3Schema": schema})
    return [text.removeprefix(SCHEMA) for text in faults(definitions.definition(version))]


def test_a_good_definition_has_no_faults() -> None:
    """Names are completed, the conversion is None."""
    good = definitions.definition()

    assert faults(good) == []
    assert (good.spec.names.singular, good.spec.names.listKind) == ("widget", "WidgetList")
    assert good.spec.conversion.strategy == "None"


LABEL = names.dns_1035_label("V1")[0]
BROKEN = "\u00e9\\n" * 86
SELECTED = definitions.schema(name={"type": "string"})
FIELDS = [{"jsonPath": each} for each in (".spec.name", ".spec.odd", ".spec['name']", ".spec", ".spec.name", "")]
NAMES = {"plural": "widgets", "kind": "Widget"}


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        (
            {"names": {**NAMES, "plural": "gadgets"}},
            ['metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."+spec.group'],
        ),
        ({"scope": ""}, ["spec.scope: Required value"]),
        ({"scope": "Galaxy"}, ['spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"']),
        (
            {"versions": [definitions.version("v1"), definitions.version("v2")]},
            [
                'spec.versions: Invalid value: ["v1","v2"]: must have exactly one version marked as storage version',
                'status.storedVersions: Invalid value: []string{"v1"}: must have the storage version v2',
            ],
        ),
        (
            {"versions": [definitions.version("v1"), definitions.version("v1", storage=False)]},
            ['spec.versions: Invalid value: ["v1","v1"]: must contain unique version names'],
        ),
        (
            {"versions": [{"name": "v1", "served": True, "storage": True}]},
            ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"],
        ),
        (
            {"preserveUnknownFields": True},
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set"
                " x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            ],
        ),
        (
            {"names": {**NAMES, "kind": "Widget", "listKind": "Widget"}},
            ['spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'],
        ),
        (
            {"versions": [{**definitions.version("V1"), "deprecationWarning": ""}]},
            [
                f'spec.versions[0].name: Invalid value: "V1": {LABEL}',
                'spec.versions[0].deprecationWarning: Invalid value: "": can only be set for deprecated versions',
                f'spec.version: Invalid value: "V1": {LABEL}',
            ],
        ),
        (
            {"versions": [definitions.version("v1", deprecated=True, deprecationWarning="\u00e9\n" * 86)]},
            [
                f'spec.versions[0].deprecationWarning: Invalid value: "{BROKEN}": must be <= 256 characters long',
                f'spec.versions[0].deprecationWarning: Invalid value: "{BROKEN}": must only contain printable UTF-8'
                " characters; non-printable character found at index 2",
            ],
        ),
        (
            {"versions": [definitions.version("v1", selectableFields=FIELDS, schema=SELECTED)]},
            [
                'spec.selectableFields[1].jsonPath: Invalid value: ".spec.odd": is an invalid path: does not refer to a'
                " valid field",
                "spec.selectableFields[2].jsonPath: Invalid value: \".spec['name']\": is an invalid path: array notation is"
                " not allowed",
                'spec.selectableFields[3].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean'
                " or integer. Enum string fields and strings with formats are allowed.",
                'spec.selectableFields[4].jsonPath: Duplicate value: ".spec.name"',
                "spec.selectableFields[5].jsonPath: Required value",
            ],
        ),
        (
            {
                "versions": [
                    definitions.version("v1", additionalPrinterColumns=[{"name": "A", "type": "string", "jsonPath": "a"}])
                ]
            },
            [
                'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .'
            ],
        ),
        (
            {"conversion": {"strategy": "Odd", "webhook": {"conversionReviewVersions": ["v1"]}}},
            [
                'spec.conversion.strategy: Unsupported value: "Odd": supported values: "None", "Webhook"',
                "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to"
                " Webhook",
            ],
        ),
        (
            {
                "conversion": {
                    "strategy": "Webhook",
                    "webhook": {
                        "clientConfig": {"url": "http://a", "caBundle": "bm9uZQ=="},
                        "conversionReviewVersions": ["v9", "v9"],
                    },
                }
            },
            [
                "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme;"
                " desired format: https://host[/path]",
                'spec.conversion.conversionReviewVersions[1]: Invalid value: "v9": duplicate version',
                'spec.conversion.conversionReviewVersions: Invalid value: []string{"v9", "v9"}: must include at least one'
                " of v1, v1beta1",
            ],
        ),
        (
            {"conversion": {"strategy": "Webhook"}},
            [
                "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
                "spec.conversion.conversionReviewVersions: Required value",
            ],
        ),
    ],
)
def test_a_spec_is_judged_in_kubernetes_words(spec: dict[str, Any], texts: list[str]) -> None:
    """Each rule of a definition's spec has its text and place."""
    assert faults(definitions.definition(**spec)) == texts


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ({"properties": {}}, [".type: Required value: must not be empty at the root"]),
        ({"type": "string"}, ['.type: Invalid value: "string": must be object at the root']),
        (
            {"type": "object", "properties": {"a": {"description": "x"}}},
            [".properties[a].type: Required value: must not be empty for specified object fields"],
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array"}}},
            [".properties[a].items: Required value: must be specified"],
        ),
        (
            {
                "type": "object",
                "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
            },
            [
                ".properties[metadata]: Forbidden: must not specify anything other than name and generateName,"
                " but metadata is implicitly specified"
            ],
        ),
        (
            {"type": "object", "anyOf": [{"type": "object"}]},
            [".anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "default": 1}}},
            [
                '.properties[a].default: Invalid value: "integer": '
                f'{SCHEMA}.properties[a].default in body must be of type string: "integer"'
            ],
        ),
        (
            {"type": "object", "properties": {"a": {"type": "object", "default": {"b": 1}}}},
            ['.properties[a].default: Invalid value: {"b":1}: must not have unknown fields'],
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
            [
                '.properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t:'
                " error parsing regexp: missing ): ("
            ],
        ),
        (
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                    }
                },
            },
            [
                ".properties[a].items.properties[name].default: Required value: this property is in"
                " x-kubernetes-list-map-keys, so it must have a default or be a required property"
            ],
        ),
        ({"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name != ''"}]}, []),
        (
            {"type": "object", "allOf": [{"x-kubernetes-validations": [{"rule": "true"}]}]},
            [".allOf[0].x-kubernetes-validations: Forbidden: must be empty to be structural"],
        ),
        ({"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": True}}}, []),
        ({"type": "object", "nullable": True}, [".nullable: Forbidden: nullable cannot be true at the root"]),
        (
            {
                "type": "object",
                "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "default": "a"}}}},
            },
            [".properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata"],
        ),
        (
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["b", "b"],
                        "items": {"type": "object", "nullable": True},
                    },
                },
            },
            [
                *(
                    f'.properties[a].x-kubernetes-list-map-keys: Invalid value: []string{{"b", "b"}}: {text}'
                    for text in (
                        "entries must all be names of item properties",  # once, for it shows them all
                        "must not contain duplicate entries",
                    )
                ),
                ".properties[a].items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map",
            ],
        ),
        (
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "array",
                        "x-kubernetes-list-type": "set",
                        "items": {"type": "array", "items": {"type": "string"}},
                    },
                    "b": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}},
                    "c": {"type": "object", "x-kubernetes-map-type": "odd", "additionalProperties": False},
                },
            },
            [
                '.properties[b].items.x-kubernetes-map-type: Invalid value: "null": must be atomic as item of a list with'
                " x-kubernetes-list-type=set",
                '.properties[c].x-kubernetes-map-type: Unsupported value: "odd": supported values: "atomic", "granular"',
            ],
        ),
        (
            {
                "type": "object",
                "properties": {
                    "a": {
                        "x-kubernetes-int-or-string": True,
                        "anyOf": [{"type": "integer"}, {"type": "string"}],
                    }
                },
            },
            [],
        ),
    ],
)
def test_a_schema_must_be_structural(schema: dict[str, Any], texts: list[str]) -> None:
    """Each rule of structural schemas has its text and place."""
    assert schema_faults(schema) == texts


def test_the_root_of_a_schema_with_a_status_is_a_plain_object() -> None:
    """The status is judged by its property alone."""
    schema = {"openAPIV3Schema": {"type": "object", "maxProperties": 5}}

    found = faults(definitions.definition(definitions.version("v1", schema=schema, subresources={"status": {}})))

    assert found == [
        f'{SCHEMA}: Invalid value: {{"type":"object","maxProperties":5}}: only [Description Type Format Title Maximum'
        " ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems"
        " MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are"
        " allowed at the root of the schema if the status subresource is enabled"
    ]


def test_schemas_that_differ_are_told_by_their_versions() -> None:
    """Only one schema for all versions is spoken of as that of the spec."""
    bad = {"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}}
    first, second = definitions.version("v1"), definitions.version("v2", storage=False, schema=bad)

    assert faults(definitions.definition(first, second)) == [
        "spec.versions[1].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified"
        " object fields"
    ]


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (
            "",
            [
                "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have"
                ' approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111'
            ],
        ),
        ("unapproved, experimental", []),
        ("https://github.com/kubernetes/kubernetes/pull/1", []),
    ],
)
def test_groups_of_kubernetes_need_an_approval(value: str, texts: list[str]) -> None:
    """Or a word that there is none; the condition says which."""
    definition = definitions.definition(group="widgets.k8s.io")
    definition.metadata.name = "widgets.widgets.k8s.io"
    if value:
        definition.metadata.annotations[custom.APPROVAL] = value

    assert faults(definition) == texts
    condition = custom.condition(naming.settle(definition, [], 1.0), custom.APPROVED)
    assert condition is not None
    assert condition.status == ("False" if value.startswith("unapproved") else "True")


def test_an_established_definition_keeps_its_scope_and_kind() -> None:
    """Group and plural are never changed, scope and kind not once objects may be there."""
    old = definitions.definition()
    old.status.conditions.add(type=custom.ESTABLISHED, status="True")
    old.status.storedVersions.append("v1")
    DefinitionStrategy().default(old)
    new = objects.copy(old)
    new.spec.scope, new.spec.names.kind = "Cluster", "Gadget"

    found = [f"{fault.field}: {fault.message}" for fault in rules.validate_update(new, old)]

    assert found == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'spec.names.kind: Invalid value: "Gadget": field is immutable',
    ]


def test_a_webhook_of_a_served_definition_needs_certificates_that_can_be_read() -> None:
    """Unless it had none such before."""
    client = {"url": "https://a", "caBundle": "bm9uZQ=="}
    webhook = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
    old = definitions.definition()
    new = definitions.definition(conversion={"strategy": "Webhook", "webhook": webhook})
    for each in (old, new):
        DefinitionStrategy().default(each)
        each.status.storedVersions.append("v1")
    assert rules.validate_update(new, old) == []
    old.status.conditions.add(type=custom.ESTABLISHED, status="True")

    (fault,) = rules.validate_update(new, old)

    assert (fault.field, fault.message) == (
        "spec.conversion.webhookClientConfig.caBundle",
        "Invalid value: []byte{0x6e, 0x6f, 0x6e, 0x65}: unable to load root certificates: unable to parse bytes as PEM"
        " block",
    )
    new.status.conditions.extend(old.status.conditions)
    assert rules.validate_update(new, new) == []


def test_a_stored_version_stays_in_the_spec() -> None:
    """A version at which objects may lie cannot go."""
    definition = definitions.definition()
    definition.status.storedVersions.extend(["v1", "v1alpha1"])

    (fault,) = rules.stored_versions(definition)

    assert (fault.field, fault.message) == (
        "status.storedVersions[1]",
        'Invalid value: "v1alpha1": missing from spec.versions; v1alpha1 was previously a storage version, and must'
        " remain in spec.versions until a storage migration ensures no data remains persisted in v1alpha1 and removes"
        " v1alpha1 from status.storedVersions",
    )


def test_names_are_accepted_and_the_definition_established() -> None:
    """Without a conflict both conditions hold."""
    settled = naming.settle(definitions.definition(), [], 1_700_000_000.0)

    assert [(each.type, each.status, each.reason) for each in settled.status.conditions] == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "True", "InitialNamesAccepted"),
    ]
    assert naming.settle(settled, [settled], 1_700_000_001.0) == settled


def test_who_was_first_keeps_a_name() -> None:
    """A name that another definition of the group has is refused, and nothing is established."""
    first = naming.settle(definitions.definition(), [], 1.0)
    second = definitions.definition(
        names={"plural": "gadgets", "singular": "gadget", "kind": "Widget", "listKind": "Gs"}
    )
    second.metadata.name = "gadgets.example.com"

    settled = naming.settle(second, [first, second], 2.0)

    accepted, established = settled.status.conditions
    assert (accepted.status, accepted.reason, accepted.message) == (
        "False",
        "KindConflict",
        '"Widget" is already in use',
    )
    assert (established.status, established.reason) == ("False", "NotAccepted")
    assert custom.served_kinds(settled) == ()


def test_versions_are_ordered_as_kubernetes_prefers_them() -> None:
    """Stable before beta before alpha, the highest first, others last by name."""
    names = ["foo10", "v1", "v11alpha2", "v10", "v3beta1", "v2", "foo1", "v10beta3", "v11beta2", "v12alpha1"]

    assert sorted(names, key=custom.newest_first) == [
        "v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10",
    ]  # fmt: skip
