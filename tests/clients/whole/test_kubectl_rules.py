"""kubectl against rules in the Common Expression Language: of custom resources, and of admission policies."""

from __future__ import annotations

from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.sea.example}
spec:
  group: sea.example
  scope: Namespaced
  names: {plural: fleets, singular: fleet, kind: Fleet, listKind: FleetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [boats]
            x-kubernetes-validations:
            - rule: self.boats >= self.afloat
              messageExpression: "'only %%d boats can be afloat'.format([self.boats])"
            - rule: self.harbour == oldSelf.harbour
              message: harbour is immutable
              fieldPath: .harbour
            - rule: self.%s
            properties:
              boats: {type: integer}
              afloat: {type: integer, default: 0}
              harbour: {type: string}
              names: {type: array, items: {type: string}}
"""
FLEET = """
apiVersion: sea.example/v1
kind: Fleet
metadata: {name: north}
spec: {boats: %d, afloat: %d, harbour: %s}
"""
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small-maps}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  matchConditions: [{name: named, expression: object.metadata.name.startsWith('map')}]
  validations:
  - expression: "!has(object.data) || size(object.data) <= int(params.data.most)"
    messageExpression: "'at most ' + params.data.most + ' keys'"
  paramKind: {apiVersion: v1, kind: ConfigMap}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small-maps}
spec:
  policyName: small-maps
  validationActions: [%s]
  paramRef: {name: limits, namespace: default, parameterNotFoundAction: Deny}
"""


def test_a_definition_with_a_bad_rule_is_refused(kubectl: Kubectl) -> None:
    """The place and the checker's words are told."""
    refused = kubectl.fails("apply", "-f", "-", stdin=DEFINITION % "nothing == 1")

    place = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[2].rule"
    assert f"{place}: Invalid value: apiextensions.ValidationRule{{" in refused
    assert "compilation failed: ERROR: <input>:1:5: undefined field 'nothing'" in refused


def test_a_definition_whose_rule_may_cost_too_much_is_refused(kubectl: Kubectl) -> None:
    """By Kubernetes' estimate, with its advice; a bound makes it cheap."""
    dear = DEFINITION % "names.all(one, self.names.exists_one(other, one == other))"

    refused = kubectl.fails("apply", "-f", "-", stdin=dear)

    place = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[2].rule"
    assert f"{place}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x" in refused
    assert "adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared" in refused
    bounds = ("maxItems: 32, items: {type: string, maxLength: 63}", "items: {type: string}")
    assert "created" in kubectl("apply", "-f", "-", stdin=dear.replace(*bounds[::-1]))


def test_custom_resources_keep_their_rules(kubectl: Kubectl, define: Callable[[str], None]) -> None:
    """Creations, changes and patches are refused with the rule's own words."""
    define(DEFINITION % "boats < 100")
    refused = kubectl.fails("apply", "-f", "-", stdin=FLEET % (1, 2, "bergen"))
    made = kubectl("apply", "-f", "-", stdin=FLEET % (2, 1, "bergen"))
    moved = kubectl.fails("apply", "-f", "-", stdin=FLEET % (2, 1, "oslo"))
    patched = kubectl.fails("patch", "fleet", "north", "--type=merge", "-p", '{"spec": {"boats": 100}}')
    grown = kubectl("patch", "fleet", "north", "--type=merge", "-p", '{"spec": {"boats": 99}}')

    assert 'The Fleet "north" is invalid: spec: Invalid value: "object": only 1 boats can be afloat' in refused
    assert made == "fleet.sea.example/north created\n"
    assert 'The Fleet "north" is invalid: spec.harbour: Invalid value: "object": harbour is immutable' in moved
    assert 'The Fleet "north" is invalid: spec: Invalid value: "object": failed rule: self.boats < 100' in patched
    assert grown == "fleet.sea.example/north patched\n"


def test_a_policy_denies(kubectl: Kubectl) -> None:
    """At once, with its parameter, its condition and its message."""
    kubectl("create", "configmap", "limits", "--from-literal=most=1")
    kubectl("apply", "-f", "-", stdin=POLICY % "Deny")
    denied = kubectl.fails("create", "configmap", "map-a", "--from-literal=a=1", "--from-literal=b=2")
    passed = kubectl("create", "configmap", "map-b", "--from-literal=a=1")
    other = kubectl("create", "configmap", "other", "--from-literal=a=1", "--from-literal=b=2")
    listed = kubectl.rows("get", "validatingadmissionpolicies,validatingadmissionpolicybindings")
    kubectl("delete", "validatingadmissionpolicybinding", "small-maps")
    free = kubectl("create", "configmap", "map-a", "--from-literal=a=1", "--from-literal=b=2")

    text = "ValidatingAdmissionPolicy 'small-maps' with binding 'small-maps' denied request: at most 1 keys"
    assert text in denied
    assert passed == "configmap/map-b created\n"
    assert other == "configmap/other created\n"
    assert listed[1][:3] == ["validatingadmissionpolicy.admissionregistration.k8s.io/small-maps", "1", "v1/ConfigMap"]
    assert free == "configmap/map-a created\n"


def test_a_policy_warns(kubectl: Kubectl) -> None:
    """The object is made, and kubectl prints the warning."""
    kubectl("create", "configmap", "limits", "--from-literal=most=0")
    kubectl("apply", "-f", "-", stdin=POLICY % "Warn")
    done = kubectl.run("create", "configmap", "map-a", "--from-literal=a=1")

    assert (done.returncode, done.stdout) == (0, "configmap/map-a created\n")
    assert done.stderr == (
        "Warning: Validation failed for ValidatingAdmissionPolicy 'small-maps' with binding 'small-maps': at most 0"
        " keys\n"
    )


def test_a_policy_tells_what_does_not_fit(kubectl: Kubectl) -> None:
    """In its status, which nothing is refused for."""
    wrong = POLICY.partition("---")[0].replace("object.metadata.name.startsWith", "object.metadata.name.endsWith")
    kubectl("apply", "-f", "-", stdin=wrong.replace("size(object.data)", "size(object.date)"))
    place = "jsonpath={.status.typeChecking.expressionWarnings[0].%s}"
    name = "validatingadmissionpolicy/small-maps"
    kubectl.until("get", name, "-o", place % "fieldRef", says="spec.validations[0].expression")
    warning = kubectl("get", name, "-o", place % "warning")
    assert warning.startswith("/v1, Kind=ConfigMap: ERROR: <input>:1:33: undefined field 'date'")
