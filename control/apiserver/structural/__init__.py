"""Structural schemas of custom resources: parsed, and then pruning, defaulting and validating by them. Pure."""
