"""The node: the agent's session, its pods on Podman, sandboxes, metrics and Service rules."""
