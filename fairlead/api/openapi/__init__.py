"""Kubernetes' OpenAPI documents, made from the field table and the scheme. Pure.

`schemas` describes messages, `operations` what the paths of kinds offer, `documents` puts both together. What a field
means in words lies in data/descriptions, one file a package.
"""
