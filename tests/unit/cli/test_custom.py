"""Custom resources from the command line, against a served API."""

from __future__ import annotations

from tests.support import definitions, served

VERSION = definitions.version(
    "v1",
    schema=definitions.schema(replicas={"type": "integer"}, colour={"type": "string"}),
    subresources={"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.n"}},
    additionalPrinterColumns=[{"name": "Colour", "type": "string", "jsonPath": ".spec.colour"}],
)
WIDGET = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {colour: red, replicas: 2}\n"


def define(plane: served.Plane) -> None:
    """Define Widgets and wait until they are served."""
    plane.call(definitions.establish(plane.api, plane.client, VERSION))


def test_a_custom_object_is_applied_shown_scaled_and_deleted(plane: served.Plane) -> None:
    """By plural, singular, short name or kind, with the definition's columns."""
    define(plane)

    assert plane.out("apply", "-f", "-", stdin=WIDGET) == "widget.example.com/a created\n"
    assert plane.out("apply", "-f", "-", stdin=WIDGET) == "widget.example.com/a unchanged\n"
    changed = WIDGET.replace("colour: red, ", "size: 1, ")
    assert plane.out("apply", "-f", "-", stdin=changed) == "widget.example.com/a configured\n"
    assert plane.out("get", "widgets") == "NAME   COLOUR\na\n"
    assert plane.out("apply", "-f", "-", stdin=WIDGET.replace("red", "blue")) == "widget.example.com/a configured\n"
    assert plane.out("get", "widgets") == "NAME   COLOUR\na      blue\n"
    assert plane.out("get", "wd/a", "-o", "name") == "widget.example.com/a\n"
    assert "colour: blue" in plane.out("get", "widget", "a", "-o", "yaml")
    assert plane.out("scale", "widget/a", "--replicas", "5") == "widget.example.com/a scaled\n"
    assert "replicas: 5" in plane.out("get", "widgets.example.com", "a", "-o", "yaml")
    assert plane.out("label", "widget", "a", "x=y") == "widget.example.com/a labeled\n"
    assert "Name:" in plane.out("describe", "widget", "a")
    assert plane.out("delete", "widget", "a") == 'widget.example.com "a" deleted\n'


def test_a_kind_that_nobody_defines_is_told(plane: served.Plane) -> None:
    """As kubectl tells it."""
    result = plane.cli("get", "widgets")

    assert (result.exit_code, result.stderr) == (1, 'error: the server doesn\'t have a resource type "widgets"\n')


def test_a_manifest_of_an_unknown_kind_is_told(plane: served.Plane) -> None:
    """With its place; nothing is written."""
    result = plane.cli("apply", "-f", "-", stdin=WIDGET)

    assert result.exit_code == 1
    assert 'no matches for kind "Widget" in version "example.com/v1"' in result.stderr
