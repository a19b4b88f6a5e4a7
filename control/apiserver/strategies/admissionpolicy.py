"""ValidatingAdmissionPolicies and their bindings: known, and refused as long as nothing enforces them.

A policy that is stored and not enforced would be believed to protect something.
"""

from __future__ import annotations

from typing import Any

from control.apiserver.strategies import strategy
from fairlead.api import errors
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionv1


class _RefusedStrategy(strategy.Strategy[Any]):
    """The rules of a kind that nobody can create."""

    def prepare_for_create(self, obj: Any) -> None:
        """Refuse, and say why."""
        kind = self.kind
        text = f"the server does not enforce {kind.kind} objects, so that creating one is not implemented"
        raise errors.NotImplementedByServer(text, group=kind.group, kind=kind.resource, name=obj.metadata.name)


class AdmissionPolicyStrategy(_RefusedStrategy):
    """The rules of ValidatingAdmissionPolicies."""

    message = admissionv1.ValidatingAdmissionPolicy


class AdmissionPolicyBindingStrategy(_RefusedStrategy):
    """The rules of ValidatingAdmissionPolicyBindings."""

    message = admissionv1.ValidatingAdmissionPolicyBinding
