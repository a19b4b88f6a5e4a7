"""The runtime on a Podman service: libpod's HTTP API on its unix socket."""
