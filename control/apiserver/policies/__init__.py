"""Admission by expressions: ValidatingAdmissionPolicies and webhooks' match conditions, compiled and judged. Pure."""
