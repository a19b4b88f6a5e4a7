"""ValidatingAdmissionPolicies and their bindings: known, and refused as long as nothing enforces them.

A policy that is stored and not enforced would be believed to protect something.
"""

from __future__ import annotations

from typing import Any

from control.apiserver.strategies import strategy
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionv1


class _RefusedStrategy(strategy.Strategy[Any]):
    """The rules of a kind that nobody can create."""

    @property
    def uncreatable(self) -> str:
        """Return why."""
        return f"the server does not enforce {self.kind.kind} objects, so that creating one is not implemented"


class AdmissionPolicyStrategy(_RefusedStrategy):
    """The rules of ValidatingAdmissionPolicies."""

    message = admissionv1.ValidatingAdmissionPolicy


class AdmissionPolicyBindingStrategy(_RefusedStrategy):
    """The rules of ValidatingAdmissionPolicyBindings."""

    message = admissionv1.ValidatingAdmissionPolicyBinding
