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
