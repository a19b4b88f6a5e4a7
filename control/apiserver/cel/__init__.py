"""The Common Expression Language as Kubernetes' API uses it: a kept library, Kubernetes' functions, bounds. Pure."""
