"""etcd: the control plane's only state, and the watch cache over it."""
