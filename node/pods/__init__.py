"""A pod on its node: pure decisions about its lifecycle, its status, its environment, its volumes and its probes."""
