"""Kubernetes' REST API over HTTPS: paths, content types and streams over the API server's request methods."""
