"""The pods' network: sandboxes, addresses, routes, masquerading."""
