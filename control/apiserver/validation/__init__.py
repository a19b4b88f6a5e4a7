"""Rules on fields, in Kubernetes' words: names, metadata, pod specs, selectors. Pure."""
