"""Manifests that several tests of kubectl begin with."""

from __future__ import annotations

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
