"""Manifests that several tests of kubectl begin with."""

from __future__ import annotations

import pathlib

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {tier: a}}
data: {k: v}
"""

OTHER = CONFIG.replace("name: one", "name: two")

EVERY_KIND = pathlib.Path(__file__).with_name("every_kind.yaml")

BOATS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.sea.example}
spec:
  group: sea.example
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat, shortNames: [bt], categories: [all, fleet]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns: [{name: Crew, type: integer, jsonPath: .spec.crew}]
    schema:
      openAPIV3Schema:
        type: object
        description: A boat of the fleet.
        properties:
          spec:
            type: object
            description: What the boat should be.
            required: [crew]
            properties: {crew: {type: integer, minimum: 1, description: How many sail it.}}
          status: {type: object, properties: {crew: {type: integer}}}
"""

# a kind with a scale, whose replicas and status nobody looks after
CREWS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crews.sea.example}
spec:
  group: sea.example
  scope: Namespaced
  names: {plural: crews, singular: crew, kind: Crew, shortNames: [cw]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns: [{name: Wanted, type: integer, jsonPath: .spec.replicas}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {replicas: {type: integer}}}
          status: {type: object, properties: {replicas: {type: integer}}}
"""

CREW = """
apiVersion: sea.example/v1
kind: Crew
metadata: {name: day}
spec: {replicas: 1}
"""


def workload(version: str, kind: str, name: str, replicas: int = 1) -> str:
    """Return a workload of a selector of its own; its pods have one container, `main`."""
    labels = f"app: {name}" if kind == "ReplicationController" else f"matchLabels: {{app: {name}}}"
    counted = "" if kind == "DaemonSet" else f"replicas: {replicas}, "
    service = f"serviceName: {name}, " if kind == "StatefulSet" else ""
    return f"""
apiVersion: {version}
kind: {kind}
metadata: {{name: {name}}}
spec:
  {{{counted}{service}selector: {{{labels}}}, template: {{metadata: {{labels: {{app: {name}}}}},
  spec: {{containers: [{{name: main, image: "main:1"}}]}}}}}}
---
"""
