"""Custom resources: what a CustomResourceDefinition makes of the API server."""
