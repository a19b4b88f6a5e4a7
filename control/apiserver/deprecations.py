"""Versions of built-in kinds that Kubernetes has deprecated, and what it warns their users with. Pure."""

from __future__ import annotations

from fairlead.api import scheme

# By apiVersion and kind: since when, until when ("" for no end yet), and the apiVersion to go to.
_SINCE = {
    ("v1", "ComponentStatus"): ("1.19", "", ""),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): ("1.23", "1.26", "autoscaling/v2"),
    ("batch/v1beta1", "CronJob"): ("1.21", "1.25", "batch/v1"),
    ("policy/v1beta1", "PodDisruptionBudget"): ("1.21", "1.25", "policy/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): ("1.21", "1.25", "discovery.k8s.io/v1"),
}


def _told(api_version: str, kind: str) -> str:
    since, until, instead = _SINCE[api_version, kind]
    ends = f", unavailable in v{until}+" if until else ""
    advice = f"; use {instead} {kind}" if instead else ""
    return f"{api_version} {kind} is deprecated in v{since}+{ends}{advice}"


_TEXTS = {key: _told(*key) for key in _SINCE}


def warning(kind: scheme.Kind) -> str:
    """Return what users of a kind's version are warned with; empty for most."""
    return _TEXTS.get((kind.api_version, kind.kind), "")
