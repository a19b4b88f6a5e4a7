"""Whatever runs containers: the protocol, Podman, and containers that only pretend."""
