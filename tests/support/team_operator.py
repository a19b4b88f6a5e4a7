"""A kopf operator for tests: a Team gets a ConfigMap of its members, and its status says what happened.

kopf loads this file itself: `kopf run --all-namespaces team_operator.py`, with KUBECONFIG set.
"""

from __future__ import annotations

import os
from typing import Any

import kopf
import kubernetes

TEAMS = ("example.com", "v1", "teams")


@kopf.on.startup()
def quick(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Watch on without pauses."""
    settings.watching.reconnect_backoff = 0.1


@kopf.on.login()
def login(**given: Any) -> kopf.ConnectionInfo | None:
    """Be who the kubeconfig says."""
    return kopf.login_with_kubeconfig(**given)


def core() -> Any:
    """Return the core API, closed by the caller."""
    return kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(os.environ["KUBECONFIG"]))


@kopf.on.create(*TEAMS)
def created(spec: kopf.Spec, name: str, namespace: str, body: kopf.Body, **_: Any) -> dict[str, str]:
    """Make the team's ConfigMap, and an Event."""
    members = {"metadata": {"name": f"{name}-members"}, "data": {"members": ",".join(spec["members"])}}
    kopf.adopt(members)
    api = core()
    with api.api_client:
        api.create_namespaced_config_map(namespace, members)
    kopf.info(body, reason="Gathered", message=f"{len(spec['members'])} members")
    return {"configMap": f"{name}-members"}


@kopf.on.update(*TEAMS, field="spec.members")
def changed(old: list[str], new: list[str], patch: kopf.Patch, **_: Any) -> None:
    """Say who came and who left."""
    patch.status["came"] = sorted(set(new) - set(old))
    patch.status["left"] = sorted(set(old) - set(new))


@kopf.on.delete(*TEAMS)
def dissolved(name: str, namespace: str, **_: Any) -> None:
    """Leave a note; the Team is there until this is done."""
    api = core()
    with api.api_client:
        api.create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-dissolved"}})


@kopf.timer(*TEAMS, interval=0.05)
def ticked(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    """Count up to three."""
    if (ticks := status.get("ticks", 0)) < 3:
        patch.status["ticks"] = ticks + 1
