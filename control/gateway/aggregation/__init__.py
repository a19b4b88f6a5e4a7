"""Aggregated APIs: groups and versions that other API servers in the cluster serve.

An APIService with a `service` names a group and version. `forwarding.py` authorises its requests and passes them on,
`discovery.py` and `specs.py` ask those servers what they serve. Source: Kubernetes' documentation, "Configure the
Aggregation Layer".
"""
